/** The one error class of the client, and how each kind of failure becomes one. */

import type { components } from "./schema.js";

export type Problem = components["schemas"]["Problem"];

/** Codes that the client adds to the API's own, for failures without a problem document. */
export type ClientCode = "network_error" | "aborted" | "timed_out" | "unexpected_answer";

/**
 * A request that did not succeed, whatever the reason: a problem that the API answered with, the page of a proxy,
 * an empty or broken answer, a network that failed, or an abort.
 */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    /** The API's problem document. For other failures, the client fills one in. */
    readonly problem: Problem,
    /** The answer; undefined if there is none. Its body is read already. */
    readonly response?: Response,
    options?: ErrorOptions,
  ) {
    super(problem.detail, options);
  }

  /** The cause, by which programs decide. It is one of docs/problems.md, or a `ClientCode`. */
  get code(): string {
    return this.problem.code;
  }

  /** The status of the answer; 0 if there is none. */
  get status(): number {
    return this.problem.status;
  }

  /** What to report to support; empty if the API did not answer. */
  get requestId(): string {
    return this.problem.request_id;
  }

  /** Seconds to wait before a retry, if the answer says so. */
  get retryAfter(): number | undefined {
    return readRetryAfter(this.response?.headers.get("Retry-After"));
  }
}

/** Return the seconds of a Retry-After header, which is a number or an HTTP date. */
export function readRetryAfter(value: string | null | undefined, now = Date.now()): number | undefined {
  const text = value?.trim();
  if (!text) {
    return undefined;
  }
  if (/^\d+$/.test(text)) {
    return Number(text);
  }
  const moment = Date.parse(text);
  return Number.isNaN(moment) ? undefined : Math.max(0, (moment - now) / 1000);
}

/** Return the error for an answer that is not a success. It reads the answer's body. */
export async function errorOfAnswer(response: Response): Promise<ProblemError> {
  let text: string;
  try {
    text = await response.text();
  } catch (cause) {
    return errorOfTransport(cause);
  }
  const problem = readProblem(text, response.status);
  return problem ? new ProblemError(problem, response) : unexpectedAnswer(response);
}

/** Return the error for an answer that the API cannot have sent. */
export function unexpectedAnswer(response: Response, cause?: unknown): ProblemError {
  const type = response.headers.get("Content-Type")?.split(";")[0] || "no Content-Type";
  const detail = `The server answered ${response.status} (${type}) instead of the API's JSON. It may be a proxy's page.`;
  const title = response.statusText || "Unexpected answer";
  const requestId = response.headers.get("X-Request-ID") ?? "";
  return new ProblemError(newProblem("unexpected_answer", title, response.status, detail, requestId), response, { cause });
}

/** Return the error for a request without a complete answer. `signal` is the caller's. */
export function errorOfTransport(cause: unknown, signal?: AbortSignal | null): ProblemError {
  const reason = signal?.aborted ? signal.reason : cause;
  const name = reason instanceof Error || reason instanceof DOMException ? reason.name : "";
  if (name === "TimeoutError") {
    return withoutAnswer("timed_out", "Timed out", "The request took longer than its time limit.", cause);
  }
  if (signal?.aborted || name === "AbortError") {
    return withoutAnswer("aborted", "Aborted", "The request was aborted.", cause);
  }
  return withoutAnswer("network_error", "Network error", "The server could not be reached, or the connection broke.", cause);
}

function withoutAnswer(code: ClientCode, title: string, detail: string, cause: unknown): ProblemError {
  return new ProblemError(newProblem(code, title, 0, detail, ""), undefined, { cause });
}

function newProblem(code: ClientCode, title: string, status: number, detail: string, request_id: string): Problem {
  return { type: "about:blank", code, title, status, detail, request_id } as Problem;
}

function readProblem(text: string, status: number): Problem | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof body !== "object" || body === null || !("code" in body && "detail" in body)) {
    return undefined;
  }
  const [code, detail] = [String(body.code), String(body.detail)];
  return { type: "about:blank", title: code, request_id: "", ...body, code, detail, status } as Problem;
}
