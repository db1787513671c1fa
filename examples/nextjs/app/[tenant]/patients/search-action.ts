"use server";

import type { Schemas } from "@trially/client";

import { load } from "@/lib/api";
import type { Failure } from "@/lib/failures";

export interface SearchState {
  /** What was searched for; undefined before the first search and after "Clear". */
  values?: Record<string, string>;
  patients?: Schemas["FoundPatient"][];
  hasMore?: boolean;
  failure?: Failure;
}

const FIELDS = ["q"] as const;
const MOST = 50;

/** Search for patients. The values travel in the body, because names do not belong in addresses and logs. */
export async function search(tenant: string, _before: SearchState, form: FormData): Promise<SearchState> {
  const entered = FIELDS.map((name) => [name, String(form.get(name) ?? "").trim()] as const);
  const values = Object.fromEntries(entered.filter(([, value]) => value !== ""));
  if (form.get("clear") || Object.keys(values).length === 0) {
    return {};
  }
  const { data, failure } = await load(tenant, (trially, options) =>
    trially.POST("/api/v1/patients/search", { body: { ...values, limit: MOST }, ...options }),
  );
  return data ? { values, patients: data.data, hasMore: data.page.has_more } : { values, failure };
}
