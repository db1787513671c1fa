"use server";

import type { Schemas } from "@trially/client";

import { load } from "@/lib/api";
import type { Failure } from "@/lib/failures";

export type Found = Schemas["FoundDocument"];
export type DocumentText = Schemas["DocumentText"];

export interface DocumentsState {
  /** What was searched for; undefined before the first search and after "Clear". */
  words?: string;
  documents?: Found[];
  /** The document that is open. */
  open?: DocumentText;
  failure?: Failure;
}

const MOST = 25;

/** Search a patient's documents, or open one. The words do not become part of the app's addresses. */
export async function searchDocuments(tenant: string, patient: string, before: DocumentsState, form: FormData): Promise<DocumentsState> {
  const opened = String(form.get("open") ?? "");
  if (opened) {
    return openDocument(tenant, patient, before, opened);
  }
  const words = String(form.get("words") ?? "").trim();
  if (form.get("clear") || words === "") {
    return {};
  }
  const { data, failure } = await load(tenant, (trially, options) =>
    trially.GET("/api/v1/patients/{patient_id}/documents", { params: { path: { patient_id: patient }, query: { q: words, limit: MOST } }, ...options }),
  );
  return data ? { words, documents: data.data } : { words, failure };
}

async function openDocument(tenant: string, patient: string, before: DocumentsState, id: string): Promise<DocumentsState> {
  const { words, documents } = before;
  if (before.open?.id === id) {
    return { words, documents };
  }
  const path = { patient_id: patient, document_id: id };
  const { data, failure } = await load(tenant, (trially, options) =>
    trially.GET("/api/v1/patients/{patient_id}/documents/{document_id}", { params: { path, query: words ? { q: words } : {} }, ...options }),
  );
  return { words, documents, ...(data ? { open: data } : { failure }) };
}
