"use server";

import { ProblemError, type TriallyClient } from "@trially/client";
import { revalidatePath } from "next/cache";
import { redirect } from "next/navigation";

import { nameOf } from "@/components/patient-table";
import { clientOf } from "@/lib/api";
import { type Failure, toFailure } from "@/lib/failures";

/** Another record that may be about the same person. */
export interface OtherRecord {
  id: string;
  name: string;
  mrn: string;
  birthDate: string;
  source: string;
}

export interface RecordState {
  failure?: Failure;
  /** What was searched for, and the records that were found; undefined before the search. */
  mrn?: string;
  found?: OtherRecord[];
}

/** Give a corrected field the source's value again. */
export async function releaseCorrection(tenant: string, id: string, _before: RecordState, form: FormData): Promise<RecordState> {
  const path = { patient_id: id, field: String(form.get("field")) };
  return act(tenant, id, (trially) => trially.DELETE("/api/v1/patients/{patient_id}/corrections/{field}", { params: { path } }));
}

/** Let a replaced record stand for itself again. */
export async function undoMerge(tenant: string, id: string, _before: RecordState, _form: FormData): Promise<RecordState> {
  return act(tenant, id, (trially) => trially.DELETE("/api/v1/patients/{patient_id}/merge", { params: { path: { patient_id: id } } }));
}

/** Find the other records with an MRN or, if one of them was chosen, let it replace this one. */
export async function merge(tenant: string, id: string, _before: RecordState, form: FormData): Promise<RecordState> {
  const into = form.get("into");
  if (into) {
    const params = { path: { patient_id: id } };
    return act(tenant, id, (trially) => trially.POST("/api/v1/patients/{patient_id}/merge", { params, body: { into: String(into) } }));
  }
  const mrn = String(form.get("mrn") ?? "").trim();
  if (!mrn) {
    return {};
  }
  let found: OtherRecord[] = [];
  const state = await act(tenant, id, async (trially) => {
    const { data } = await trially.POST("/api/v1/patients/search", { body: { mrn } });
    found = data.data
      .filter((one) => one.id !== id)
      .map((one) => ({
        id: one.id,
        name: nameOf(one) || "No name",
        mrn: one.mrn ?? "",
        birthDate: one.birth_date ?? "",
        source: one.source,
      }));
  });
  return { ...state, mrn, found };
}

async function act(tenant: string, id: string, call: (trially: TriallyClient) => Promise<unknown>): Promise<RecordState> {
  try {
    await call(await clientOf(tenant));
  } catch (error) {
    if (!(error instanceof ProblemError)) {
      throw error;
    }
    if (error.status === 401) {
      redirect("/?reason=ended");
    }
    return { failure: toFailure(error) };
  }
  revalidatePath(`/${tenant}/patients/${id}`);
  return {};
}
