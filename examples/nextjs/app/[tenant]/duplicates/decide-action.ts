"use server";

import { revalidatePath } from "next/cache";

import { load } from "@/lib/api";
import type { Failure } from "@/lib/failures";

export interface Decided {
  /** What the person decided last, and what undoes it. */
  outcome?: { text: string; undo?: Decision };
  failure?: Failure;
}

/** A button's meaning. `merge` lets the record `into` replace `patient`; both belong to the pair. */
export type Decision =
  | { what: "merge"; patient: string; into: string }
  | { what: "unmerge"; patient: string }
  | { what: "dismissed" | "open"; pair: string; version: string };

const TEXTS = {
  merge: "The records are merged. All events are at the record that stays.",
  unmerge: "The records stand for themselves again.",
  dismissed: "These are different persons. The pair is not proposed again.",
  open: "The pair is to be decided again.",
} as const;

/** Merge or dismiss a pair, or undo that. The button of the form holds the decision as JSON. */
export async function decide(tenant: string, _before: Decided, form: FormData): Promise<Decided> {
  const decision = JSON.parse(String(form.get("decision"))) as Decision;
  const done = await carryOut(tenant, decision);
  revalidatePath(`/${tenant}/duplicates`);
  return done.failure ? { failure: done.failure } : { outcome: { text: TEXTS[decision.what], undo: undoOf(decision, done.version ?? "") } };
}

function carryOut(tenant: string, decision: Decision) {
  return load<unknown>(tenant, (trially, options) => {
    switch (decision.what) {
      case "merge":
        return trially.POST("/api/v1/patients/{patient_id}/merge", {
          params: { path: { patient_id: decision.patient } },
          body: { into: decision.into },
          ...options,
        });
      case "unmerge":
        return trially.DELETE("/api/v1/patients/{patient_id}/merge", {
          params: { path: { patient_id: decision.patient } },
          ...options,
        });
      default:
        return trially.PATCH("/api/v1/possible-duplicates/{possible_duplicate_id}", {
          params: { path: { possible_duplicate_id: decision.pair }, header: { "If-Match": decision.version } },
          body: { state: decision.what },
          ...options,
        });
    }
  });
}

/** Return what undoes a decision, given the version of the pair that it made. */
function undoOf(decision: Decision, version: string): Decision | undefined {
  switch (decision.what) {
    case "merge":
      return { what: "unmerge", patient: decision.patient };
    case "dismissed":
      return { what: "open", pair: decision.pair, version };
    default:
      return undefined;
  }
}
