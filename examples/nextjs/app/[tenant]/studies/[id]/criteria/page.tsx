import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { load, loadMe } from "@/lib/api";
import { toCriterion } from "@/lib/criteria";
import { loadCriteria, loadVersions } from "@/lib/load-study";
import { VERSION_STATUS } from "@/lib/studies";

import { preview } from "./criteria-actions";
import { Editor } from "./editor";
import { FirstDraft } from "./first-draft";
import { Proposals } from "./proposals";

export const metadata: Metadata = { title: "Criteria" };

type Props = {
  params: Promise<{ tenant: string; id: string }>;
  searchParams: Promise<{ version?: string }>;
};

/** The criteria of a version, to try changes with numbers of patients, and to save them in a draft. */
export default async function CriteriaPage({ params, searchParams }: Props) {
  const { tenant, id } = await params;
  const query = await searchParams;
  const [{ data: me }, versions, valueSets] = await Promise.all([loadMe(tenant), loadVersions(tenant, id), loadValueSets(tenant)]);
  if (!me) {
    return null; // The frame shows why.
  }
  if (versions.failure) {
    return <FailureNotice failure={versions.failure} />;
  }
  const mayWrite = me.permissions.includes("studies:write");
  const list = versions.data.data;
  const shown = list.find(({ number }) => String(number) === query.version) ?? list.find(({ status }) => status === "active") ?? list.at(-1);
  if (!shown) {
    return <FirstDraft tenant={tenant} study={id} mayWrite={mayWrite} />;
  }
  const criteria = await loadCriteria(tenant, id, shown.number);
  if (criteria.failure) {
    return <FailureNotice failure={criteria.failure} />;
  }
  const first = criteria.data.criteria.map(toCriterion);
  const { attrition } = await preview(tenant, id, shown.number, first);
  return (
    <>
      <nav className="filter" aria-label="Versions of the protocol">
        {list.map(({ number, status, label }) => (
          <Link
            key={number}
            href={`/${tenant}/studies/${id}/criteria?version=${number}`}
            prefetch={false}
            aria-current={number === shown.number ? "true" : undefined}
          >
            {`Version ${label ?? number}`} <small>{VERSION_STATUS[status]}</small>
          </Link>
        ))}
      </nav>
      <Editor
        // Another version, or a saved one, begins with its own list.
        key={`${shown.number} ${criteria.data.criteria_hash}`}
        tenant={tenant}
        study={id}
        version={{ number: shown.number, status: criteria.data.status, etag: criteria.data.etag }}
        stored={first}
        first={attrition}
        valueSets={valueSets}
        mayWrite={mayWrite}
        mayApprove={me.permissions.includes("studies:approve")}
      />
      {shown.status === "draft" && mayWrite && <Proposals tenant={tenant} study={id} version={shown.number} proposals={await loadProposals(tenant, id, shown.number)} />}
    </>
  );
}

/** Return the value sets that criteria may name: the tenant's own, and those that come with trially. */
async function loadValueSets(tenant: string) {
  const [own, starters] = await Promise.all([
    load(tenant, (trially, options) => trially.GET("/api/v1/valuesets", { params: { query: { limit: 200 } }, ...options })),
    load(tenant, (trially, options) => trially.GET("/api/v1/valuesets/starters", options)),
  ]);
  const found = [...(own.data?.data ?? []), ...(starters.data?.data ?? [])];
  return found.map(({ key, name }) => ({ key: key ?? "", name: name ?? key ?? "" })).sort((one, other) => one.name.localeCompare(other.name));
}

/** Return the proposals of a draft that are to be decided. */
async function loadProposals(tenant: string, id: string, version: number) {
  const { data } = await load(tenant, (trially, options) =>
    trially.GET("/api/v1/studies/{study_id}/versions/{version}/proposals", {
      params: { path: { study_id: id, version }, query: { state: "open", limit: 50 } },
      ...options,
    }),
  );
  return data?.data ?? [];
}
