"use client";

import Link from "next/link";
import { useActionState } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { ageText, nameOf } from "@/components/patient-table";
import { type SearchState, search } from "@/app/[tenant]/patients/search-action";

/** A search for any patient, to see what the criteria say of this one. */
export function FindPatient({ tenant, base }: { tenant: string; base: string }) {
  const [{ values, patients, failure }, action, isPending] = useActionState<SearchState, FormData>(search.bind(null, tenant), {});
  return (
    <form action={action} className="form" role="search" aria-label="Any patient">
      {failure && <FailureNotice failure={failure} />}
      <p className="found">Find any patient, and see each criterion with its evidence.</p>
      <div className="search search-plain">
        <label className="field">
          <span>Name or MRN of a patient</span>
          <input name="q" type="search" defaultValue={values?.q ?? ""} key={values?.q ?? ""} autoComplete="off" maxLength={200} />
        </label>
        <button className="button quiet" disabled={isPending}>
          {isPending ? "Searching…" : "Find"}
        </button>
      </div>
      <div role="status">
        {patients?.length === 0 && <p className="found">No patient found.</p>}
        {patients && patients.length > 0 && (
          <ul className="rows">
            {patients.slice(0, 8).map((patient) => (
              <li key={patient.id}>
                <Link href={`${base}/${patient.id}`} prefetch={false}>
                  {nameOf(patient) || "No name"}
                </Link>
                <small>{[patient.mrn, ageText(patient) && `${ageText(patient)} years`].filter(Boolean).join(" · ")}</small>
              </li>
            ))}
          </ul>
        )}
      </div>
    </form>
  );
}
