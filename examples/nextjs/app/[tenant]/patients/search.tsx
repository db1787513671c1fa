"use client";

import type { Schemas } from "@trially/client";
import { type ReactNode, useActionState } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { PatientTable } from "@/components/patient-table";

import { type SearchState, search } from "./search-action";

type Props = { tenant: string; me: Pick<Schemas["Me"], "phi_level">; children: ReactNode };

/** The search form. What it finds replaces `children`, the list. */
export function Search({ tenant, me, children }: Props) {
  const [state, action, isPending] = useActionState<SearchState, FormData>(search.bind(null, tenant), {});
  if (me.phi_level !== "full") {
    return (
      <>
        <p className="notice">Names and numbers of patients are hidden from you, so you cannot search by them.</p>
        {children}
      </>
    );
  }
  const { values, patients, hasMore, failure } = state;
  return (
    <>
      <form action={action} className="search" role="search" aria-label="Patients">
        <Entry name="q" label="Name, MRN, phone, email or birth date" type="search" state={state} />
        <button className="button primary" disabled={isPending}>
          {isPending ? "Searching…" : "Search"}
        </button>
        {values && (
          <button className="button quiet" name="clear" value="1">
            Clear
          </button>
        )}
      </form>
      {failure && <FailureNotice failure={failure} />}
      {patients && (
        <section aria-label="Found patients">
          <p role="status" className="found">
            {foundText(patients.length, hasMore ?? false)}
          </p>
          {patients.length > 0 && <PatientTable tenant={tenant} patients={patients} caption="Found patients" />}
        </section>
      )}
      {!values && children}
    </>
  );
}

function Entry({ name, label, type, state }: { name: string; label: string; type: string; state: SearchState }) {
  return (
    <label className="field">
      <span>{label}</span>
      <input name={name} type={type} defaultValue={state.values?.[name] ?? ""} key={state.values?.[name] ?? ""} autoComplete="off" maxLength={200} />
    </label>
  );
}

function foundText(count: number, hasMore: boolean): string {
  if (count === 0) {
    return "No patient found. Each word must be, or begin, a name, number or date of the patient.";
  }
  if (hasMore) {
    return `The first ${count} patients. The best matches come first. Enter more to find fewer.`;
  }
  return count === 1 ? "1 patient found." : `${count} patients found.`;
}
