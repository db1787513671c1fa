import { formatDate, type Schemas } from "@trially/client";
import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { ageText, nameOf } from "@/components/patient-table";
import { Value } from "@/components/value";
import { type Patient, load, loadMe } from "@/lib/api";
import { FIELDS, shownValue, valuesOf } from "@/lib/patient-fields";

import { Documents } from "./documents";
import { EditForm } from "./edit-form";
import { RecordOfPerson } from "./record";

export const metadata: Metadata = { title: "Patient" }; // No name: browsers keep titles in their history.

type Props = { params: Promise<{ tenant: string; id: string }> };

const EVENTS = 12;
const DOCUMENTS = 10;
const english = { locale: "en-US", timeZone: "UTC" };

/** One patient: the fields, to read or to change, and the latest events. */
export default async function PatientPage({ params }: Props) {
  const { tenant, id } = await params;
  const path = { patient_id: id };
  const [{ data: me }, read, timeline, documents] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) => trially.GET("/api/v1/patients/{patient_id}", { params: { path }, ...options })),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/patients/{patient_id}/timeline", { params: { path, query: { limit: EVENTS } }, ...options }),
    ),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/patients/{patient_id}/documents", { params: { path, query: { limit: DOCUMENTS } }, ...options }),
    ),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  if (read.failure) {
    return <FailureNotice failure={read.failure} />;
  }
  const patient = read.data;
  const hidden: readonly string[] = patient.masked_fields;
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
            <Events events={timeline.data.data} />
          )}
        </section>
        <RecordOfPerson tenant={tenant} patient={patient} mayWrite={mayWrite} seesNumbers={!hidden.includes("mrn")} />
      </div>
      <section className="card" aria-labelledby="documents">
        <h2 id="documents">Documents</h2>
        {documents.failure ? (
          <FailureNotice failure={documents.failure} />
        ) : (
          <Documents tenant={tenant} patient={id} latest={documents.data.data} maySearch={me.phi_level === "full"} />
        )}
      </section>
    </>
  );
}

type Event = Schemas["Event"];

/** Events with one heading for each date. */
function Events({ events }: { events: Event[] }) {
  const dates = new Map<string, Event[]>();
  for (const event of events) {
    const date = formatDate(event.at, event.precision === "instant" ? "day" : event.precision, english);
    dates.set(date, [...(dates.get(date) ?? []), event]);
  }
  if (events.length === 0) {
    return <p className="empty">No events.</p>;
  }
  return [...dates].map(([date, those]) => (
    <div key={date} className="events">
      <h3>{date}</h3>
      <ul>
        {those.map((event) => (
          <li key={`${event.type}-${event.id}`}>
            <span>{event.display ?? event.code ?? event.type?.replaceAll("_", " ")}</span>
            {event.value && <b>{event.value}</b>}
          </li>
        ))}
      </ul>
    </div>
  ));
}

function Details({ patient, hidden }: { patient: Patient; hidden: readonly string[] }) {
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
