"use server";

import { revalidatePath } from "next/cache";

import { load } from "@/lib/api";
import type { Failure } from "@/lib/failures";

export interface DecideState {
  failure?: Failure;
  outcome?: string;
}

/** Include a patient in a study's list, leave the patient out, or take the decision back. */
export async function decide(tenant: string, study: string, patient: string, _before: DecideState, form: FormData): Promise<DecideState> {
  const path = { study_id: study, patient_id: patient };
  const chosen = form.get("decision");
  const { failure } = await load<unknown>(tenant, (trially, options) =>
    chosen === "included" || chosen === "excluded"
      ? trially.PUT("/api/v1/studies/{study_id}/decisions/{patient_id}", {
          params: { path },
          body: { decision: chosen, reason: String(form.get("reason") ?? "").trim() },
          ...options,
        })
      : trially.DELETE("/api/v1/studies/{study_id}/decisions/{patient_id}", { params: { path }, ...options }),
  );
  if (failure) {
    return { failure };
  }
  revalidatePath(`/${tenant}/studies/${study}/matches`, "layout");
  return { outcome: chosen === "included" || chosen === "excluded" ? "The decision is saved." : "Only the criteria count again." };
}
