/** Studies: what is read of them, and the words for it. */

import type { Schemas } from "@trially/client";

export type Study = Schemas["Study"];
export type Verdict = Schemas["ListedMatch"]["verdict"];
export type Step = Schemas["AttritionStep"];
export type VerdictCounts = Schemas["VerdictCounts"];

export const VERDICTS: Record<Verdict, { name: string; meaning: string }> = {
  eligible: { name: "Eligible", meaning: "All inclusions are met, and no exclusion is." },
  potential: { name: "Potential", meaning: "Nothing rules the patient out, and something is not decided." },
  ineligible: { name: "Ineligible", meaning: "At least one criterion rules the patient out." },
};

export const RECRUITING: Record<Study["recruiting_status"], string> = { planned: "Planned", open: "Open", paused: "Paused", closed: "Closed" };

export const VERSION_STATUS: Record<Schemas["Criteria"]["status"], string> = {
  draft: "Draft",
  in_review: "In review",
  active: "Active",
  superseded: "Superseded",
};

/** Return the class of a tag for a recruiting status. */
export function classOfStatus(status: string): string {
  return `tag ${{ open: "state-done", paused: "state-running", closed: "", planned: "" }[status] ?? ""}`.trim();
}

/** Return "Phase 1/2", or the type of a study without a phase. */
export function phaseText({ phases, study_type }: Pick<Study, "phases" | "study_type">): string {
  const numbers = phases.map((phase) => phase.replace("early_phase_", "early ").replace("phase_", ""));
  return numbers.length > 0 ? `Phase ${numbers.join("/")}` : words(study_type);
}

/** Return a name of the API in words: `not_yet_recruiting` is "Not yet recruiting". */
export function words(name: string): string {
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** Return a number of patients. Small ones are hidden from members of the PHI level `none`. */
export function countText(count: number | null | undefined): string {
  return count === null || count === undefined ? "under 10" : count.toLocaleString("en-US");
}

/** Return the patients who are left: nothing rules them out. Undefined if the number is hidden. */
export function leftOf(counts: VerdictCounts | undefined): number | undefined {
  const { eligible, potential } = counts ?? {};
  return typeof eligible === "number" && typeof potential === "number" ? eligible + potential : undefined;
}
