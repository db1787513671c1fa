"use server";

import { revalidatePath } from "next/cache";

import { load } from "@/lib/api";
import type { Expression } from "@/lib/criteria";
import type { Failure } from "@/lib/failures";

export interface ProposeState {
  failure?: Failure;
  outcome?: string;
}

/** A person's decision about a proposal. `expression` is what the person made of it, if it differs. */
export type Decision = { id: string; etag: string } & ({ what: "accept"; expression?: Expression } | { what: "reject" });

/** Let the rules read a text, and propose criteria for the draft. */
export async function propose(tenant: string, study: string, version: number, _before: ProposeState, form: FormData): Promise<ProposeState> {
  // Forms send line ends as two characters, and the API takes plain line feeds only.
  const text = String(form.get("text") ?? "").replaceAll("\r\n", "\n").trim();
  const { data, failure } = await load(tenant, (trially, options) =>
    trially.POST("/api/v1/studies/{study_id}/versions/{version}/proposals", {
      params: { path: { study_id: study, version } },
      // Without a text, that of the study's registry is read.
      body: text ? { text } : {},
      ...options,
    }),
  );
  if (failure) {
    return { failure };
  }
  revalidatePath(`/${tenant}/studies/${study}/criteria`);
  return { outcome: `${data.added} ${data.added === 1 ? "statement is" : "statements are"} new, ${data.open} to decide.` };
}

/** Accept a proposal, as it is or corrected, or reject it. */
export async function decideProposal(tenant: string, study: string, version: number, decision: Decision): Promise<Failure | undefined> {
  const params = {
    path: { study_id: study, version, criterion_proposal_id: decision.id },
    header: { "If-Match": decision.etag },
  };
  const { failure } = await load(tenant, (trially, options) =>
    decision.what === "accept"
      ? trially.POST("/api/v1/studies/{study_id}/versions/{version}/proposals/{criterion_proposal_id}/accept", {
          params,
          body: decision.expression ? { expression: decision.expression } : {},
          ...options,
        })
      : trially.POST("/api/v1/studies/{study_id}/versions/{version}/proposals/{criterion_proposal_id}/reject", { params, body: {}, ...options }),
  );
  revalidatePath(`/${tenant}/studies/${study}/criteria`);
  return failure;
}
