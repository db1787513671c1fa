"use server";

import type { Schemas } from "@trially/client";
import { revalidatePath } from "next/cache";
import { redirect } from "next/navigation";

import { load } from "@/lib/api";
import { type Criterion, toBody, toPreview } from "@/lib/criteria";
import type { Failure } from "@/lib/failures";

export interface Previewed {
  attrition?: Schemas["Attrition"];
  failure?: Failure;
}

export interface FoundCode {
  code: string;
  display: string;
}

export interface FoundCodes {
  codes: FoundCode[];
  /** Whether the operator has loaded the code system. */
  isLoaded: boolean;
}

export interface Version {
  number: number;
  status: Schemas["Criteria"]["status"];
  etag: string;
}

/** Count the patients whom criteria select. Nothing is stored. */
export async function preview(tenant: string, study: string, version: number, criteria: Criterion[]): Promise<Previewed> {
  const off = criteria.flatMap(({ isOn }, position) => (isOn ? [] : [position]));
  const { data, failure } = await load(tenant, (trially, options) =>
    trially.POST("/api/v1/studies/{study_id}/versions/{version}/preview", {
      params: { path: { study_id: study, version } },
      body: { criteria: criteria.map(toPreview), off },
      ...options,
    }),
  );
  return data ? { attrition: data } : { failure };
}

/** Find codes as a person types. */
export async function findCodes(tenant: string, system: "icd10cm" | "rxnorm", words: string): Promise<FoundCodes> {
  const { data } = await load(tenant, (trially, options) =>
    trially.GET("/api/v1/codes/search", { params: { query: { system, q: words, limit: 12 } }, ...options }),
  );
  const codes = (data?.data ?? []).map(({ code, display }) => ({ code: code ?? "", display: display ?? "" }));
  return { codes, isLoaded: Boolean(data?.version) };
}

/** Save the criteria that are switched on: in this draft, or in a new one if the version is frozen. */
export async function save(tenant: string, study: string, version: Version, criteria: Criterion[]): Promise<Failure | undefined> {
  const isFrozen = version.status === "active" || version.status === "superseded";
  const draft = isFrozen ? await createDraft(tenant, study, version.number) : undefined;
  if (draft?.failure) {
    return draft.failure;
  }
  const number = draft ? draft.data.number : version.number;
  const path = { study_id: study, version: number };
  const stored = await load(tenant, (trially, options) =>
    trially.GET("/api/v1/studies/{study_id}/versions/{version}/criteria", { params: { path }, ...options }),
  );
  if (stored.failure) {
    return stored.failure;
  }
  const ids = new Map(stored.data.criteria.map(({ key, id }) => [key, id]));
  const { failure } = await load(tenant, (trially, options) =>
    trially.PUT("/api/v1/studies/{study_id}/versions/{version}/criteria", {
      // Of a draft that was open before, the version that the person has seen.
      params: { path, header: { "If-Match": isFrozen ? stored.data.etag : version.etag } },
      body: { criteria: criteria.filter(({ isOn }) => isOn).map((one) => toBody(one, ids.get(one.key))) },
      ...options,
    }),
  );
  return failure ?? show(tenant, study, number);
}

/** Create a draft without criteria, for a study that has no version of its protocol. */
export async function createFirstDraft(tenant: string, study: string): Promise<Failure | undefined> {
  const draft = await createDraft(tenant, study, null);
  return draft.failure ?? show(tenant, study, draft.data.number);
}

/** Submit a draft for review, or activate a version in review. */
export async function advance(tenant: string, study: string, version: Version): Promise<Failure | undefined> {
  const params = { path: { study_id: study, version: version.number }, header: { "If-Match": version.etag } };
  const { failure } = await load(tenant, (trially, options) =>
    version.status === "draft"
      ? trially.POST("/api/v1/studies/{study_id}/versions/{version}/submit", { params, ...options })
      : trially.POST("/api/v1/studies/{study_id}/versions/{version}/activate", { params, ...options }),
  );
  return failure ?? show(tenant, study, version.number);
}

function createDraft(tenant: string, study: string, copiedFrom: number | null) {
  return load(tenant, (trially, options) =>
    trially.POST("/api/v1/studies/{study_id}/versions", {
      params: { path: { study_id: study } },
      body: { copied_from: copiedFrom },
      ...options,
    }),
  );
}

/** Lead to the criteria of a version. */
function show(tenant: string, study: string, version: number): never {
  revalidatePath(`/${tenant}/studies/${study}`, "layout");
  redirect(`/${tenant}/studies/${study}/criteria?version=${version}`);
}
