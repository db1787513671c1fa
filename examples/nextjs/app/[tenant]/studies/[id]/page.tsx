import { formatDate, type Schemas } from "@trially/client";
import type { Metadata } from "next";
import Link from "next/link";

import { AttritionChart } from "@/components/attrition-chart";
import { FailureNotice } from "@/components/failure-notice";
import { VerdictTotals } from "@/components/verdict-totals";
import { load, loadMe } from "@/lib/api";
import { activeVersion, loadCriteria, loadStudy } from "@/lib/load-study";
import { RECRUITING, classOfStatus, countText, words } from "@/lib/studies";

export const metadata: Metadata = { title: "Study" };

type Props = { params: Promise<{ tenant: string; id: string }> };

const english = { locale: "en-US", timeZone: "UTC" };

/** A study: how many patients its criteria select, where it recruits, and who works on it. */
export default async function StudyPage({ params }: Props) {
  const { tenant, id } = await params;
  const [{ data: me }, { data: study }, version] = await Promise.all([loadMe(tenant), loadStudy(tenant, id), activeVersion(tenant, id)]);
  if (!me || !study) {
    return null; // The frame shows why.
  }
  return (
    <div className="columns">
      <section className="card" aria-labelledby="numbers">
        <h2 id="numbers">Patients</h2>
        {version === undefined ? (
          <p className="empty">
            No version of the protocol is active, so no patients are selected. <Link href={`/${tenant}/studies/${id}/criteria`}>Criteria</Link>
          </p>
        ) : (
          <Numbers tenant={tenant} id={id} version={version} />
        )}
      </section>
      <div className="stack-wide">
        <section className="card" aria-labelledby="sites">
          <h2 id="sites">Sites</h2>
          <Sites tenant={tenant} id={id} />
        </section>
        <section className="card" aria-labelledby="team">
          <h2 id="team">Team</h2>
          <Team tenant={tenant} id={id} />
        </section>
        <section className="card" aria-labelledby="about">
          <h2 id="about">About</h2>
          <dl className="details">
            <Detail term="Conditions">{study.conditions.join(", ") || "–"}</Detail>
            <Detail term="Status everywhere">{words(study.status)}</Detail>
            <Detail term="Type">{words(study.study_type)}</Detail>
            <Detail term="Target">{study.target_enrollment === null ? "–" : `${countText(study.target_enrollment)} patients`}</Detail>
          </dl>
        </section>
      </div>
    </div>
  );
}

/** The verdicts, the share of criteria that are evaluated, and what each criterion does. */
async function Numbers({ tenant, id, version }: { tenant: string; id: string; version: number }) {
  const path = { study_id: id };
  const [attrition, criteria, evaluation] = await Promise.all([
    load(tenant, (trially, options) => trially.GET("/api/v1/studies/{study_id}/attrition", { params: { path }, ...options })),
    loadCriteria(tenant, id, version),
    load(tenant, (trially, options) => trially.GET("/api/v1/studies/{study_id}/evaluation", { params: { path }, ...options })),
  ]);
  const failure = attrition.failure ?? criteria.failure ?? evaluation.failure;
  if (failure || !attrition.data || !criteria.data || !evaluation.data) {
    return failure ? <FailureNotice failure={failure} /> : null;
  }
  return (
    <>
      <VerdictTotals counts={attrition.data.counts} />
      <Evaluated evaluation={evaluation.data.evaluation} />
      <AttritionChart attrition={attrition.data} statements={criteria.data.criteria.map(({ statement }) => statement ?? "")} />
      <p className="small">
        Version {version} of the protocol, {formatDate(attrition.data.as_of, "day", english)}.
      </p>
    </>
  );
}

const LEFT_TO_PEOPLE = {
  partly: "ask a person about some patients",
  manual: "are decided by a person",
  unsupported: "cannot be said in the language of criteria",
  not_expressed: "are not written for the machine yet",
} as const;

function Evaluated({ evaluation }: { evaluation: Schemas["Evaluation"] }) {
  const { evaluated = 0, criteria = 0, share } = evaluation;
  const others = Object.entries(LEFT_TO_PEOPLE).flatMap(([name, text]) => {
    const count = evaluation[name as keyof typeof LEFT_TO_PEOPLE] ?? 0;
    return count > 0 ? [`${count} ${count === 1 ? text.replace("ask ", "asks ").replace("are ", "is ") : text}`] : [];
  });
  return (
    <div className="evaluated">
      <p>
        <b>{`${evaluated} of ${criteria} criteria`}</b> are evaluated from records ({Math.round(100 * (share ?? 0))} %).
        {others.length > 0 && ` ${others.join(", ")}.`}
      </p>
      <progress value={evaluated} max={criteria} aria-label="Criteria that are evaluated from records" />
    </div>
  );
}

async function Sites({ tenant, id }: { tenant: string; id: string }) {
  const [studySites, sites] = await Promise.all([
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/studies/{study_id}/sites", { params: { path: { study_id: id }, query: { limit: 100 } }, ...options }),
    ),
    load(tenant, (trially, options) => trially.GET("/api/v1/sites", { params: { query: { limit: 200 } }, ...options })),
  ]);
  if (studySites.failure) {
    return <FailureNotice failure={studySites.failure} />;
  }
  if (studySites.data.data.length === 0) {
    return <p className="empty">No sites.</p>;
  }
  const names = new Map(sites.data?.data.map((site) => [site.id, site.name]));
  return (
    <ul className="rows">
      {studySites.data.data.map((site) => (
        <li key={site.id}>
          <span>
            <b>{names.get(site.site_id) ?? "Site"}</b>
            <small>{[site.investigator, openedText(site)].filter(Boolean).join(" · ")}</small>
          </span>
          <span className="row-end">
            <span className={classOfStatus(site.status)}>{RECRUITING[site.status]}</span>
            <small>{site.target_enrollment === null ? "no target" : `target ${countText(site.target_enrollment)}`}</small>
          </span>
        </li>
      ))}
    </ul>
  );
}

function openedText({ opened_on, closed_on }: Schemas["StudySite"]): string {
  const [verb, day] = closed_on ? ["closed", closed_on] : ["open since", opened_on];
  return day ? `${verb} ${formatDate(day, "day", english)}` : "";
}

async function Team({ tenant, id }: { tenant: string; id: string }) {
  const [team, members] = await Promise.all([
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/studies/{study_id}/team", { params: { path: { study_id: id }, query: { limit: 100 } }, ...options }),
    ),
    // Only some roles may see the members. Others see how many have each part.
    load(tenant, (trially, options) => trially.GET("/api/v1/members", { params: { query: { limit: 200 } }, ...options })),
  ]);
  if (team.failure) {
    return <FailureNotice failure={team.failure} />;
  }
  if (team.data.data.length === 0) {
    return <p className="empty">Nobody yet.</p>;
  }
  const names = new Map(members.data?.data.map((member) => [member.id, member.display_name ?? member.subject]));
  const rows = members.data
    ? team.data.data.map((member) => ({ key: member.id, name: names.get(member.member_id) ?? "A former member", part: words(member.role) }))
    : [...countedBy(team.data.data)].map(([role, count]) => ({ key: role, name: words(role), part: count === 1 ? "1 person" : `${count} persons` }));
  return (
    <ul className="rows">
      {rows.map(({ key, name, part }) => (
        <li key={key}>
          <span>{name}</span>
          <small>{part}</small>
        </li>
      ))}
    </ul>
  );
}

/** Return how many members have each part in a study. */
function countedBy(team: readonly Schemas["TeamMember"][]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { role } of team) {
    counts.set(role, (counts.get(role) ?? 0) + 1);
  }
  return counts;
}

function Detail({ term, children }: { term: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
