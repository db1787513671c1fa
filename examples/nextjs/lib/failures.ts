/** Failures in plain words. A failure is data, so that it can travel from the server to the browser. */

import type { ProblemError } from "@trially/client";

export interface Failure {
  code: string;
  title: string;
  text: string;
  /** What the person can do. */
  advice: string;
  /** For support; empty if the API did not answer. */
  requestId: string;
  /** Messages by field: the JSON pointer without its first slash, with dots. */
  fields: Record<string, string>;
}

type Words = Pick<Failure, "title" | "advice">;

const AGAIN = "Try again in a moment.";
const BY_CODE: Record<string, Words> = {
  missing_permission: { title: "You may not do this", advice: "Ask an administrator of your organisation for the permission." },
  phi_level_required: { title: "This is hidden from you", advice: "Ask an administrator for the PHI level “full” if you need it." },
  no_tenant_access: { title: "No access to this organisation", advice: "Choose another organisation, or ask its administrator to add you." },
  not_found: { title: "Not found", advice: "It may have been deleted, or you may not see it." },
  network_error: { title: "The server cannot be reached", advice: AGAIN },
  unexpected_answer: { title: "The server cannot be reached", advice: AGAIN },
  timed_out: { title: "The server takes too long", advice: AGAIN },
  validation_failed: { title: "Some values cannot be saved", advice: "Correct the marked fields." },
  already_exists: { title: "This exists already", advice: "Change the marked field." },
  conflict: { title: "This cannot be done", advice: "Read the page again." },
  invalid_cursor: { title: "This page of the list is out of date", advice: "Start at the first page." },
  too_many_imports: { title: "Too many imports at once", advice: "Wait until one of them has ended." },
  imports_busy: { title: "Too many imports at once", advice: AGAIN },
  import_failed: { title: "Nothing was imported", advice: "Correct the file, and import it again. The list of imports has the errors." },
  import_limit_exceeded: { title: "The file is too large to import", advice: "Divide it into smaller files." },
  import_stopped: { title: "The import ran out of time", advice: "Import the same file again. It continues where it stopped." },
  content_too_large: { title: "The file is too large", advice: "Divide it into smaller files." },
  unsupported_media_type: { title: "This kind of file cannot be imported", advice: "Choose a FHIR Bundle or an NDJSON file." },
};
const BY_STATUS: Record<number, Words> = {
  403: { title: "You may not do this", advice: "Ask an administrator of your organisation." },
  404: { title: "Not found", advice: "It may have been deleted, or you may not see it." },
  503: { title: "The server is busy", advice: AGAIN },
};
const OTHERWISE: Words = { title: "This did not work", advice: "If it happens again, tell support the number below." };

/** Return a failure in plain words. The API's own sentence names the permission, the field or the limit. */
export function toFailure(error: ProblemError): Failure {
  const words = BY_CODE[error.code] ?? BY_STATUS[error.status] ?? OTHERWISE;
  const named = (error.problem.errors ?? []).map(({ pointer, detail }) => [pointer.replace(/^\//, "").replaceAll("/", "."), detail]);
  return { ...words, code: error.code, text: error.message, requestId: error.requestId, fields: Object.fromEntries(named) };
}
