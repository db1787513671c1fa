import { formatDate, type Schemas } from "@trially/client";
import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { ageText, nameOf } from "@/components/patient-table";
import { load, loadMe } from "@/lib/api";
import { activeVersion, loadCriteria } from "@/lib/load-study";
import { shownValue } from "@/lib/patient-fields";
import { VERDICTS } from "@/lib/studies";

import { CriterionEvidence } from "./criterion-evidence";
import { DecisionForm } from "./decision-form";
import { loadDecision } from "./load-decision";
import { sorted } from "./results";

export const metadata: Metadata = { title: "Match" }; // No name: browsers keep titles in their history.

const EVENTS = 200;
const STANDINGS: Record<string, string> = {
  deceased: "The patient has died, or may have, and is not matched.",
  not_current: "This record is not the one that is used for the person, and is not matched.",
};

type Props = { params: Promise<{ tenant: string; id: string; patient: string }> };

/** What a study's criteria say of one patient, one by one, with the records that decide it. */
export default async function MatchPage({ params }: Props) {
  const { tenant, id, patient: patientId } = await params;
  const path = { study_id: id, patient_id: patientId };
  const [{ data: me }, explained, read, timeline, decision, version] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) => trially.GET("/api/v1/studies/{study_id}/matches/{patient_id}", { params: { path }, ...options })),
    load(tenant, (trially, options) => trially.GET("/api/v1/patients/{patient_id}", { params: { path: { patient_id: patientId } }, ...options })),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/patients/{patient_id}/timeline", {
        params: { path: { patient_id: patientId }, query: { limit: EVENTS } },
        ...options,
      }),
    ),
    loadDecision(tenant, id, patientId),
    activeVersion(tenant, id),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  const failure = explained.failure ?? read.failure;
  if (failure || !explained.data || !read.data) {
    return failure ? <FailureNotice failure={failure} /> : null;
  }
  const criteria = version === undefined ? undefined : (await loadCriteria(tenant, id, version)).data;
  const statements = new Map(criteria?.criteria.map(({ key, statement }) => [key, statement]));
  // The events of the timeline have the names of codes.
  const names = new Map(timeline.data?.data.map((event) => [event.id, event.display ?? ""]));
  const { verdict, standing, valid_until: until, criteria: results } = explained.data;
  return (
    <>
      <p className="crumb">
        <Link href={`/${tenant}/studies/${id}/matches${verdict === "eligible" ? "" : `?verdict=${verdict}`}`} prefetch={false}>
          ← {VERDICTS[verdict].name} patients
        </Link>
      </p>
      <div className="columns match">
        <section className="card" aria-labelledby="evidence">
          <h2 id="evidence">Criterion by criterion</h2>
          {STANDINGS[standing] && <p className="notice notice-warning">{STANDINGS[standing]}</p>}
          <ul className="evidence">
            {sorted(results).map((result) => (
              <CriterionEvidence key={result.position} result={result} statement={statements.get(result.key) ?? "A criterion"} names={names} />
            ))}
          </ul>
          {until && <p className="small">Without any new record, time may change a result on {formatDate(until, "day", { locale: "en-US", timeZone: "UTC" })}.</p>}
        </section>
        <aside className="card" aria-labelledby="patient">
          <h2 id="patient">{patientName(read.data)}</h2>
          <p>
            <span className={`verdict verdict-${verdict}`}>{VERDICTS[verdict].name}</span>
          </p>
          <p className="total">
            {[shownValue("sex", read.data.sex ?? ""), ageText(read.data) && `${ageText(read.data)} years`, read.data.mrn].filter(Boolean).join(" · ")}
          </p>
          <p>
            <Link href={`/${tenant}/patients/${patientId}`} prefetch={false}>
              Open the patient
            </Link>
          </p>
          <DecisionForm tenant={tenant} study={id} patient={patientId} decision={decision} mayDecide={me.permissions.includes("matches:decide")} />
        </aside>
      </div>
    </>
  );
}

function patientName(patient: Schemas["Patient"]): string {
  const hidden: readonly string[] = patient.masked_fields;
  return nameOf(patient) || (hidden.includes("family_name") ? "Hidden name" : "No name");
}
