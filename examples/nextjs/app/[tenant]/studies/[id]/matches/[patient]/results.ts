/** What the results of criteria mean for a patient. */

import type { Schemas } from "@trially/client";

type Result = Schemas["CriterionResult"];

const ORDER = ["fails", "open", "passes"];

/** Return the results, those first that rule the patient out, then those that are open. */
export function sorted(results: readonly Result[]): Result[] {
  return [...results].sort((one, other) => ORDER.indexOf(standingOf(one)) - ORDER.indexOf(standingOf(other)));
}

/** Return what a result means for the patient: an exclusion that is met rules out. */
export function standingOf({ kind, outcome }: Result): "passes" | "fails" | "open" {
  if (outcome === "not_applicable") {
    return "passes";
  }
  if (outcome !== "met" && outcome !== "not_met") {
    return "open";
  }
  return (outcome === "met") === (kind === "inclusion") ? "passes" : "fails";
}
