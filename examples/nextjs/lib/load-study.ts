/** What the pages of a study read. Each is asked for once for a page. */

import "server-only";

import { cache } from "react";

import { load } from "./api";

export const loadStudy = cache((tenant: string, id: string) =>
  load(tenant, (trially, options) => trially.GET("/api/v1/studies/{study_id}", { params: { path: { study_id: id } }, ...options })),
);

export const loadVersions = cache((tenant: string, id: string) =>
  load(tenant, (trially, options) =>
    trially.GET("/api/v1/studies/{study_id}/versions", { params: { path: { study_id: id }, query: { limit: 100 } }, ...options }),
  ),
);

export const loadCriteria = cache((tenant: string, id: string, version: number) =>
  load(tenant, (trially, options) =>
    trially.GET("/api/v1/studies/{study_id}/versions/{version}/criteria", { params: { path: { study_id: id, version } }, ...options }),
  ),
);

/** Return the number of the active version of a study's protocol, or undefined. */
export async function activeVersion(tenant: string, id: string): Promise<number | undefined> {
  const { data } = await loadVersions(tenant, id);
  return data?.data.find(({ status }) => status === "active")?.number;
}
