import { ageOn, formatDate, type Schemas } from "@trially/client";
import Link from "next/link";

import { shownValue } from "@/lib/patient-fields";

import { Value } from "./value";

type Listed = Schemas["Patient"] & { matched?: Schemas["Match"][] };
type Props = { tenant: string; patients: Listed[]; caption: string };

/** Patients, each with a link to its page. */
export function PatientTable({ tenant, patients, caption }: Props) {
  return (
    <div className="table-frame">
      <table>
        <caption className="for-readers">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">MRN</th>
            <th scope="col">Born</th>
            <th scope="col">Age</th>
            <th scope="col">Sex</th>
            <th scope="col">Phone</th>
            <th scope="col">Last encounter</th>
          </tr>
        </thead>
        <tbody>
          {patients.map((patient) => (
            <PatientRow key={patient.id} tenant={tenant} patient={patient} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function PatientRow({ tenant, patient }: { tenant: string; patient: Listed }) {
  const hidden: readonly string[] = patient.masked_fields;
  return (
    <tr>
      <th scope="row">
        <Link href={`/${tenant}/patients/${patient.id}`} prefetch={false}>
          {nameOf(patient) || (hidden.includes("family_name") ? "Hidden name" : "No name")}
        </Link>
        {patient.deceased && <span className="tag">deceased</span>}
        {patient.matched && patient.matched.length > 0 && <p className="matched">{matchedText(patient.matched)}</p>}
      </th>
      <td>
        <Value value={patient.mrn ?? ""} isHidden={hidden.includes("mrn")} />
      </td>
      <td className="figure">
        <Value value={formatDate(patient.birth_date, patient.birth_date_precision, { locale: "en-US" })} isHidden={hidden.includes("birth_date")} />
      </td>
      <td className="figure">{patient.deceased ? "" : ageText(patient)}</td>
      <td>{shownValue("sex", patient.sex ?? "")}</td>
      <td className="figure">
        <Value value={patient.phone ?? ""} isHidden={hidden.includes("phone")} />
      </td>
      <td className="figure">
        <Value value={formatDate(patient.last_encounter_on, "day", { locale: "en-US" })} isHidden={false} />
      </td>
    </tr>
  );
}

const KINDS: Record<NonNullable<Schemas["Match"]["kind"]>, string> = {
  exact: "",
  prefix: "begins so",
  last_digits: "last digits",
  nickname: "nickname",
  similar: "similar",
};

/** Return what a search matched, such as "maiden family name · given name (nickname)". */
function matchedText(matches: Schemas["Match"][]): string {
  return matches
    .map(({ field = "", use, of_replaced_record: isReplaced, kind = "exact", hint }) => {
      const name = [isReplaced && "merged record’s", use, field === "mrn" ? "MRN" : field.replace("_", " ")].filter(Boolean).join(" ");
      const how = [KINDS[kind], hint].filter(Boolean).join(", ");
      return how ? `${name} (${how})` : name;
    })
    .join(" · ");
}

/** Return a patient's name; empty if it is hidden or unknown. */
export function nameOf(patient: Schemas["Patient"]): string {
  return [patient.family_name, patient.given_name].filter(Boolean).join(", ");
}

/** Return the age, such as "45" or "44–45" if the birth date is not exact. */
export function ageText(patient: Schemas["Patient"]): string {
  const age = ageOn(patient.birth_date, patient.birth_date_precision);
  if (!age) {
    return "";
  }
  return age.min === age.max ? String(age.min) : `${age.min}–${age.max}`;
}
