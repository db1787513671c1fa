import { formatDate } from "@trially/client";
import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { ageText, nameOf } from "@/components/patient-table";
import { Value } from "@/components/value";
import { type Patient, load, loadMe } from "@/lib/api";
import { hiddenFields } from "@/lib/masking";
import { FIELDS, shownValue, valuesOf } from "@/lib/patient-fields";

import { EditForm } from "./edit-form";

export const metadata: Metadata = { title: "Patient" }; // No name: browsers keep titles in their history.

type Props = { params: Promise<{ tenant: string; id: string }> };

const EVENTS = 12;
const english = { locale: "en-US", timeZone: "UTC" };

/** One patient: the fields, to read or to change, and the latest events. */
export default async function PatientPage({ params }: Props) {
  const { tenant, id } = await params;
  const path = { patient_id: id };
  const [{ data: me }, read, timeline] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) => trially.GET("/api/v1/patients/{patient_id}", { params: { path }, ...options })),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/patients/{patient_id}/timeline", { params: { path, query: { limit: EVENTS } }, ...options }),
    ),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  if (read.failure) {
    return <FailureNotice failure={read.failure} />;
  }
  const patient = read.data;
  const hidden = hiddenFields(patient, me);
  const mayWrite = me.permissions.includes("patients:write");
  return (
    <>
      <p className="crumb">
        <Link href={`/${tenant}/patients`} prefetch={false}>
          ← Patients
        </Link>
      </p>
      <div className="title-row">
        <h1>{nameOf(patient) || (hidden.includes("family_name") ? "Hidden name" : "No name")}</h1>
        <p className="total">
          {[shownValue("sex", patient.sex ?? ""), ageText(patient) && `${ageText(patient)} years`, patient.mrn].filter(Boolean).join(" · ")}
        </p>
      </div>
      <div className="columns">
        <section className="card" aria-labelledby="details">
          <h2 id="details">Details</h2>
          {mayWrite ? (
            <EditForm tenant={tenant} id={id} version={read.version ?? ""} base={valuesOf(patient)} hidden={hidden} precision={patient.birth_date_precision ?? null} />
          ) : (
            <Details patient={patient} hidden={hidden} />
          )}
        </section>
        <section className="card" aria-labelledby="history">
          <h2 id="history">Latest events</h2>
          {timeline.failure ? (
            <FailureNotice failure={timeline.failure} />
          ) : (
            <ol className="events">
              {timeline.data.data.map((event) => (
                <li key={`${event.type}-${event.id}`}>
                  <time dateTime={event.at}>{formatDate(event.at, event.precision === "instant" ? "day" : event.precision, english)}</time>
                  <span>
                    {event.display ?? event.code ?? event.type}
                    {event.value && <b>{event.value}</b>}
                    <small>{event.type?.replaceAll("_", " ")}</small>
                  </span>
                </li>
              ))}
              {timeline.data.data.length === 0 && <li className="empty">No events.</li>}
            </ol>
          )}
        </section>
      </div>
    </>
  );
}

function Details({ patient, hidden }: { patient: Patient; hidden: string[] }) {
  const values = valuesOf(patient);
  return (
    <dl className="details">
      {FIELDS.map(({ name, label }) => (
        <div key={name}>
          <dt>{label}</dt>
          <dd>
            <Value
              value={name === "birth_date" ? formatDate(patient.birth_date, patient.birth_date_precision, english) : shownValue(name, values[name] ?? "")}
              isHidden={hidden.includes(name)}
            />
          </dd>
        </div>
      ))}
    </dl>
  );
}
