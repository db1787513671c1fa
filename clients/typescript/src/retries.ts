/** When a request is sent again, and after how long. */

import { errorOfTransport, type ProblemError } from "./errors.js";

export interface Retries {
  /** How often a request is sent at most, the first time included. */
  attempts?: number;
  /** A longer wait than this is left to the caller: the error is thrown at once. */
  maxDelaySeconds?: number;
}

/** What a retry needs to know about a request. */
export interface Repeatable {
  method: string;
  /** Whether the request carries an Idempotency-Key. */
  hasKey: boolean;
  /** Whether the body is a stream, which can be sent only once. */
  isStream: boolean;
}

export const NO_RETRIES: Required<Retries> = { attempts: 1, maxDelaySeconds: 0 };
export const DEFAULT_RETRIES: Required<Retries> = { attempts: 4, maxDelaySeconds: 20 };

const FIRST_DELAY_SECONDS = 0.25;
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];
const GATEWAY_STATUSES = [502, 503, 504];

/**
 * Return whether sending the same request again may help, and cannot do something twice.
 *
 * The API changed nothing if it answers with a problem, so a problem that names a time to wait allows a retry of any
 * request. After a broken connection or a proxy's error nobody knows, so only reading requests and those with an
 * Idempotency-Key are sent again.
 */
export function mayRepeat(error: ProblemError, request: Repeatable): boolean {
  if (request.isStream) {
    return false;
  }
  const isSafe = SAFE_METHODS.includes(request.method) || request.hasKey;
  if (error.code === "network_error") {
    return isSafe;
  }
  if (error.code === "unexpected_answer") {
    return isSafe && GATEWAY_STATUSES.includes(error.status);
  }
  const isTemporary = error.status === 429 || error.status === 503 || error.code === "idempotency_key_in_use";
  return isTemporary && error.retryAfter !== undefined;
}

/**
 * Return the seconds before the next attempt, or undefined if that would be too long. `failures` counts from 1.
 * The wait is never shorter than Retry-After. What is added is random, so that clients do not come back together.
 */
export function delayBefore(
  failures: number,
  retryAfter: number | undefined,
  retries: Required<Retries>,
  random: () => number = Math.random,
): number | undefined {
  const backoff = Math.min(FIRST_DELAY_SECONDS * 2 ** (failures - 1), retries.maxDelaySeconds);
  if (retryAfter === undefined) {
    return backoff * (0.5 + random() / 2);
  }
  return retryAfter > retries.maxDelaySeconds ? undefined : retryAfter + backoff * random();
}

/** Wait. Throws the `ProblemError` of an abort as soon as `signal` is aborted. */
export async function wait(seconds: number, signal?: AbortSignal | null): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(errorOfTransport(signal?.reason, signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, seconds * 1000);
    if (signal?.aborted) {
      abort();
    } else {
      signal?.addEventListener("abort", abort, { once: true });
    }
  });
}
