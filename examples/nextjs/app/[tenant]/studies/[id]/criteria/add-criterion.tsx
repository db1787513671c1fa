"use client";

import { type FormEvent, useState } from "react";

import type { Criterion } from "@/lib/criteria";

import { FORMS, type FormName, read } from "./criterion-forms";
import { CodeField } from "./code-field";
import { MEASUREMENTS } from "./measurements";

export interface ValueSet {
  key: string;
  name: string;
}

type Props = { tenant: string; valueSets: ValueSet[]; onAdd: (criterion: Criterion) => void };

/** A form for a further criterion, of one of a few kinds. */
export function AddCriterion({ tenant, valueSets, onAdd }: Props) {
  const [form, setForm] = useState<FormName>("age");
  const [fault, setFault] = useState("");
  // A number that grows with each criterion empties the form.
  const [added, setAdded] = useState(0);

  function add(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const entered = read(form, new FormData(event.currentTarget), valueSets);
    if (typeof entered === "string") {
      setFault(entered);
      return;
    }
    setFault("");
    setAdded(added + 1);
    onAdd(entered);
  }

  return (
    <section className="card" aria-labelledby="add">
      <h2 id="add">Add a criterion</h2>
      <form key={added} className="form" onSubmit={add}>
        <div className="fields">
          <label className="field">
            <span>Patients</span>
            <select name="kind">
              <option value="inclusion">must meet it</option>
              <option value="exclusion">must not meet it</option>
            </select>
          </label>
          <label className="field">
            <span>It is about</span>
            <select value={form} onChange={({ target }) => setForm(target.value as FormName)}>
              {Object.entries(FORMS).map(([name, title]) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <Fields form={form} tenant={tenant} valueSets={valueSets} />
        </div>
        {fault && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        <div className="actions">
          <button className="button quiet">Add</button>
        </div>
      </form>
    </section>
  );
}

function Fields({ form, tenant, valueSets }: { form: FormName; tenant: string; valueSets: ValueSet[] }) {
  switch (form) {
    case "age":
      return <Range unit="years" />;
    case "diagnosis":
      return (
        <>
          <label className="field">
            <span>Diagnosis</span>
            <select name="valueset">
              <option value="">by its code</option>
              {valueSets.map(({ key, name }) => (
                <option key={key} value={key}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <CodeField tenant={tenant} system="icd10cm" label="Or ICD-10 codes that begin with" example="I50" />
        </>
      );
    case "laboratory":
      return (
        <>
          <label className="field">
            <span>Measurement</span>
            <select name="measurement">
              {Object.entries(MEASUREMENTS).map(([key, { name, unitText }]) => (
                <option key={key} value={key}>
                  {unitText ? `${name} (${unitText})` : name}
                </option>
              ))}
            </select>
          </label>
          <Range unit="" />
        </>
      );
    case "medication":
      return (
        <>
          <CodeField tenant={tenant} system="rxnorm" label="RxNorm code of the product" example="860975" />
          <label className="field">
            <span>Taken for at least (days)</span>
            <input name="days" type="number" min="0" />
          </label>
        </>
      );
  }
}

function Range({ unit }: { unit: string }) {
  const suffix = unit ? ` (${unit})` : "";
  return (
    <>
      <label className="field">
        <span>At least{suffix}</span>
        <input name="least" type="number" step="any" />
      </label>
      <label className="field">
        <span>At most{suffix}</span>
        <input name="most" type="number" step="any" />
      </label>
    </>
  );
}
