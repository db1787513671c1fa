"use client";

import type { Schemas } from "@trially/client";
import Link from "next/link";
import { useActionState } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { labelOf, shownValue } from "@/lib/patient-fields";

import { type RecordState, merge, releaseCorrection, undoMerge } from "./record-actions";

type Patient = Pick<Schemas["Patient"], "id" | "record_status" | "replaced_by_id" | "withdrawn_reason" | "corrections">;
type Props = { tenant: string; patient: Patient; mayWrite: boolean; seesNumbers: boolean };

const REASONS: Record<string, string> = {
  deleted: "Its source has deleted it.",
  invalid: "A newer version of it could not be imported.",
  not_performed: "Its source says that it must not be used.",
  missing_from_export: "A full export of its source lacked it.",
};

/** Whether the record stands for the person, what was corrected in it, and which record it can be merged into. */
export function RecordOfPerson({ tenant, patient, mayWrite, seesNumbers }: Props) {
  const corrected = Object.entries(patient.corrections ?? {}).filter(([name]) => name !== "birth_date_precision");
  return (
    <section className="card" aria-labelledby="record">
      <h2 id="record">Record</h2>
      <Status tenant={tenant} patient={patient} mayWrite={mayWrite} />
      {corrected.length > 0 && (
        <>
          <h3>Corrected here</h3>
          <p className="small">Imports leave these fields alone.</p>
          {corrected.map(([name, { imported }]) => (
            <Correction key={name} tenant={tenant} id={patient.id} name={name} imported={imported} mayWrite={mayWrite} />
          ))}
        </>
      )}
      {mayWrite && seesNumbers && patient.record_status === "current" && <Merge tenant={tenant} id={patient.id} />}
    </section>
  );
}

function Status({ tenant, patient, mayWrite }: Omit<Props, "seesNumbers">) {
  const [{ failure }, action, isPending] = useActionState<RecordState, FormData>(undoMerge.bind(null, tenant, patient.id), {});
  if (patient.record_status === "withdrawn") {
    return <p className="notice notice-warning">This record is withdrawn. {REASONS[patient.withdrawn_reason ?? ""]}</p>;
  }
  if (patient.record_status === "inactive") {
    return <p className="notice notice-warning">The source no longer uses this record.</p>;
  }
  if (!patient.replaced_by_id) {
    return <p>This record stands for the person.</p>;
  }
  return (
    <form action={action} className="form">
      {failure && <FailureNotice failure={failure} />}
      <p className="notice notice-warning">
        This record was merged.{" "}
        <Link href={`/${tenant}/patients/${patient.replaced_by_id}`} prefetch={false}>
          Open the record that is used
        </Link>
      </p>
      {mayWrite && (
        <button className="button quiet" disabled={isPending}>
          Undo the merge
        </button>
      )}
    </form>
  );
}

type CorrectionProps = { tenant: string; id: string; name: string; imported: unknown; mayWrite: boolean };

function Correction({ tenant, id, name, imported, mayWrite }: CorrectionProps) {
  const [{ failure }, action, isPending] = useActionState<RecordState, FormData>(releaseCorrection.bind(null, tenant, id), {});
  const label = labelOf(name).replaceAll("_", " ");
  return (
    <form action={action} className="form">
      {failure && <FailureNotice failure={failure} />}
      <p>
        {label}. The source says: <b>{importedText(name, imported)}</b>
      </p>
      {mayWrite && (
        <button className="button quiet" name="field" value={name} disabled={isPending} aria-label={`Use the source’s ${label.toLowerCase()}`}>
          Use it
        </button>
      )}
    </form>
  );
}

function Merge({ tenant, id }: { tenant: string; id: string }) {
  const [{ failure, mrn, found }, action, isPending] = useActionState<RecordState, FormData>(merge.bind(null, tenant, id), {});
  return (
    <form action={action} className="form">
      <h3>Another record of this person</h3>
      {failure && <FailureNotice failure={failure} />}
      <label className="field">
        <span>MRN of the other record</span>
        <input name="mrn" defaultValue={mrn ?? ""} key={mrn} autoComplete="off" maxLength={128} />
        <small>The other record will be used instead of this one, with the events of both. This can be undone.</small>
      </label>
      <div className="actions">
        <button className="button quiet" disabled={isPending}>
          Find it
        </button>
      </div>
      <div role="status">
        {found?.length === 0 && <p>No other record has this MRN.</p>}
        {found?.map((other) => (
          <p key={other.id}>
            {other.name}, born {other.birthDate || "at an unknown date"}, MRN {other.mrn}, from {other.source}{" "}
            <button className="button primary" name="into" value={other.id} disabled={isPending}>
              Merge into this record
            </button>
          </p>
        ))}
      </div>
    </form>
  );
}

function importedText(name: string, imported: unknown): string {
  if (imported !== null && typeof imported === "object") {
    return Object.values(imported).filter(Boolean).join(", ") || "(empty)";
  }
  return shownValue(name, String(imported ?? "")) || "(empty)";
}
