import { formatDate, type Schemas } from "@trially/client";
import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { ageText, nameOf } from "@/components/patient-table";
import { Value } from "@/components/value";
import { load, loadMe } from "@/lib/api";
import { shownValue } from "@/lib/patient-fields";
import { VERDICTS, type Verdict } from "@/lib/studies";

import { FindPatient } from "./find-patient";

export const metadata: Metadata = { title: "Matches" };

const PER_PAGE = 20;
const FIRST: Verdict = "eligible";

type Match = Schemas["ListedMatch"];
type Props = {
  params: Promise<{ tenant: string; id: string }>;
  searchParams: Promise<{ verdict?: string; cursor?: string }>;
};

/** The patients whom a study's criteria select, by verdict and page by page, the best first. */
export default async function Matches({ params, searchParams }: Props) {
  const { tenant, id } = await params;
  const query = await searchParams;
  const verdict = (Object.keys(VERDICTS) as Verdict[]).find((one) => one === query.verdict) ?? FIRST;
  const [{ data: me }, list] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/studies/{study_id}/matches", {
        params: { path: { study_id: id }, query: { verdict, cursor: query.cursor, limit: PER_PAGE, total: !query.cursor } },
        ...options,
      }),
    ),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  const base = `/${tenant}/studies/${id}/matches`;
  const total = list.data?.page.total;
  return (
    <>
      <nav className="filter" aria-label="Filter by verdict">
        {(Object.keys(VERDICTS) as Verdict[]).map((one) => (
          <Link key={one} href={address(base, one)} aria-current={one === verdict ? "true" : undefined} prefetch={false}>
            {VERDICTS[one].name}
          </Link>
        ))}
      </nav>
      <p className="found">
        {typeof total === "number" && <b>{`${total.toLocaleString("en-US")} ${total === 1 ? "patient" : "patients"}. `}</b>}
        {VERDICTS[verdict].meaning}
        {verdict === "ineligible" && " Patients whom more than two criteria rule out are not listed."}
      </p>
      {list.failure ? (
        <FailureNotice failure={list.failure}>
          {list.failure.code === "invalid_cursor" && (
            <p>
              <Link href={address(base, verdict)}>First page</Link>
            </p>
          )}
        </FailureNotice>
      ) : list.data.data.length > 0 ? (
        <MatchTable base={base} matches={list.data.data} />
      ) : (
        <p className="empty">No patients.</p>
      )}
      <nav className="pages" aria-label="Pages of the list">
        {query.cursor && <Link href={address(base, verdict)}>← First page</Link>}
        {list.data?.page.next && <Link href={address(base, verdict, list.data.page.next)}>Next page →</Link>}
      </nav>
      <section className="card" aria-labelledby="why-not">
        <h2 id="why-not">Why not?</h2>
        {me.phi_level === "full" ? (
          <FindPatient tenant={tenant} base={base} />
        ) : (
          <p className="notice">Names and numbers of patients are hidden from you, so you cannot search by them.</p>
        )}
      </section>
    </>
  );
}

function MatchTable({ base, matches }: { base: string; matches: Match[] }) {
  return (
    <div className="table-frame">
      <table>
        <caption className="for-readers">Matches</caption>
        <thead>
          <tr>
            <th scope="col">Patient</th>
            <th scope="col">MRN</th>
            <th scope="col">Age</th>
            <th scope="col">Sex</th>
            <th scope="col" className="number">
              Not decided
            </th>
            <th scope="col" className="number">
              Inclusions met
            </th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {matches.map((match) => (
            <MatchRow key={match.id} base={base} match={match} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function MatchRow({ base, match }: { base: string; match: Match }) {
  const hidden: readonly string[] = match.masked_fields;
  // The list has only some fields of a patient.
  const patient = match.patient as Schemas["Patient"];
  return (
    <tr>
      <th scope="row">
        <Link href={`${base}/${match.patient_id}`} prefetch={false}>
          {nameOf(patient) || (hidden.includes("patient.family_name") ? "Hidden name" : "No name")}
        </Link>
        {match.decision && <span className={`tag ${match.decision === "included" ? "state-done" : "state-failed"}`}>{match.decision === "included" ? "included" : "left out"}</span>}
        {patient.contact_preference === "no_contact" && <span className="tag">no contact</span>}
      </th>
      <td>
        <Value value={patient.mrn ?? ""} isHidden={hidden.includes("patient.mrn")} />
      </td>
      <td className="figure">{ageText(patient)}</td>
      <td>{shownValue("sex", patient.sex ?? "")}</td>
      <td className="number">{match.unknowns}</td>
      <td className="number">{match.score} %</td>
      <td className="figure">{formatDate(match.changed_at, "day", { locale: "en-US", timeZone: "UTC" })}</td>
    </tr>
  );
}

function address(base: string, verdict: Verdict, cursor?: string): string {
  const query = new URLSearchParams({ ...(verdict !== FIRST && { verdict }), ...(cursor && { cursor }) }).toString();
  return `${base}${query && `?${query}`}`;
}
