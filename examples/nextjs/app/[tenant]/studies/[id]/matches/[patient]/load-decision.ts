/** What a person decided about a patient and a study. */

import "server-only";

import { type Schemas, eachItem } from "@trially/client";

import { load } from "@/lib/api";

const PER_PAGE = 200;

/** Return what was decided, or undefined. The API lists the decisions of a study. */
export async function loadDecision(tenant: string, study: string, patient: string): Promise<Schemas["MatchDecision"] | undefined> {
  const { data } = await load<Schemas["MatchDecision"] | undefined>(tenant, async (trially, options) => {
    const path = { study_id: study };
    const decisions = eachItem(async (cursor) => {
      const { data: page } = await trially.GET("/api/v1/studies/{study_id}/decisions", { params: { path, query: { limit: PER_PAGE, cursor } }, ...options });
      return page;
    });
    for await (const decision of decisions) {
      if (decision.patient_id === patient) {
        return { data: decision, version: null };
      }
    }
    return { data: undefined, version: null };
  });
  return data;
}
