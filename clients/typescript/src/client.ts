/** The client: every path and method of the API, typed by the OpenAPI document. */

import createClient, { type FetchResponse, type MaybeOptionalInit, type Middleware } from "openapi-fetch";
import type { HttpMethod, MediaType, PathsWithMethod, RequiredKeysOf } from "openapi-typescript-helpers";

import { type PlainObject, type UploadBody, prepareBody } from "./bodies.js";
import { ProblemError, errorOfAnswer, errorOfTransport, unexpectedAnswer } from "./errors.js";
import { KEYED_ROUTES } from "./keyed-routes.js";
import { DEFAULT_RETRIES, NO_RETRIES, type Retries, delayBefore, mayRepeat, wait } from "./retries.js";
import type { paths } from "./schema.js";

export interface Options {
  /** Where the back end is, such as `https://api.trially.ai`. */
  baseUrl: string;
  /** Gives the access token, for each request and each retry. */
  token: () => string | Promise<string>;
  /** The tenant's slug or id, where a token allows several. */
  tenant?: string;
  /** How requests are repeated; false: never. */
  retries?: Retries | false;
  fetch?: typeof globalThis.fetch;
}

/** An upload's body is a file or bytes, which the document cannot say in types. Every other body is an object. */
type Operation<One> = One extends { requestBody: { content: infer Content } }
  ? Omit<One, "requestBody"> & {
      requestBody: {
        content: "application/fhir+ndjson" extends keyof Content
          ? { "application/octet-stream": UploadBody }
          : { [Type in keyof Content]: Content[Type] & PlainObject };
      };
    }
  : One;

export type Paths = { [Path in keyof paths]: { [Method in keyof paths[Path]]: Operation<paths[Path][Method]> } };

/** What a call takes beside the parameters and the body. */
interface CallOptions {
  /** Replaces the client's `retries` for this call. */
  retries?: Retries | false;
}

type Arguments<Init> =
  RequiredKeysOf<Init> extends never
    ? [(Init & CallOptions & { [key: string]: unknown })?]
    : [Init & CallOptions & { [key: string]: unknown }];

type Data<One extends Record<string | number, unknown>, Init> =
  FetchResponse<One, Init, MediaType> extends infer Either
    ? Either extends { data: infer Success }
      ? Init extends { params: { header: { "If-None-Match": string } } }
        ? Success | undefined
        : Success
      : never
    : never;

/** A success. */
export interface Answer<Success> {
  /** The body; undefined for 204, and for 304 after `If-None-Match`. */
  data: Success;
  /** The record's version (its ETag) for `If-Match`; null in lists. */
  version: string | null;
  response: Response;
}

type Call<Method extends HttpMethod> = <
  Path extends PathsWithMethod<Paths, Method>,
  Init extends MaybeOptionalInit<Paths[Path], Method & keyof Paths[Path]>,
>(
  path: Path,
  ...init: Arguments<Init>
) => Promise<Answer<Data<Paths[Path][Method & keyof Paths[Path]] & Record<string | number, unknown>, Init>>>;

export interface TriallyClient {
  GET: Call<"get">;
  POST: Call<"post">;
  PATCH: Call<"patch">;
  PUT: Call<"put">;
  DELETE: Call<"delete">;
  /** Add middleware of openapi-fetch. */
  use(...middleware: Middleware[]): void;
}

/** A call's options at run time. */
interface Init extends CallOptions {
  body?: unknown;
  headers?: HeadersInit;
  params?: { header?: Record<string, string | undefined> };
  signal?: AbortSignal | null;
  parseAs?: string;
  [key: string]: unknown;
}

type Send = (path: string, init: object) => Promise<{ data?: unknown; response: Response }>;

/** Make a client. Its calls throw `ProblemError` for everything that is not a success. */
export function createTriallyClient(options: Options): TriallyClient {
  const client = createClient<Record<string, never>>({ baseUrl: options.baseUrl });
  const calls = client as unknown as Record<string, Send>;
  const call = (method: string) => (path: string, init: Init = {}) =>
    repeat(method, path, init, options, calls[method] as Send);
  const methods = ["GET", "POST", "PATCH", "PUT", "DELETE"].map((method) => [method, call(method)]);
  return { ...Object.fromEntries(methods), use: client.use } as TriallyClient;
}

/** Send a request until it succeeds, cannot be repeated, or has been repeated enough. */
async function repeat(method: string, path: string, init: Init, options: Options, send: Send): Promise<Answer<unknown>> {
  const { retries: own, ...rest } = init;
  const chosen = own ?? options.retries ?? {};
  const retries = chosen === false ? NO_RETRIES : { ...DEFAULT_RETRIES, ...chosen };
  const { request, isStream } = prepare(method, path, rest, options);
  const hasKey = request.headers.has("Idempotency-Key");
  for (let failures = 1; ; failures += 1) {
    request.headers.set("Authorization", `Bearer ${await options.token()}`);
    try {
      return await sendOnce(path, request, options.fetch ?? globalThis.fetch, send);
    } catch (error) {
      const isLast = failures >= retries.attempts;
      if (isLast || !(error instanceof ProblemError) || !mayRepeat(error, { method, hasKey, isStream })) {
        throw error;
      }
      const delay = delayBefore(failures, error.retryAfter, retries);
      if (delay === undefined) {
        throw error;
      }
      await wait(delay, init.signal);
    }
  }
}

interface Prepared extends Init {
  headers: Headers;
}

/** Return the request as openapi-fetch takes it. The headers and the key are the same in each attempt. */
function prepare(
  method: string,
  path: string,
  init: Init,
  options: Options,
): { request: Prepared; isStream: boolean } {
  const { header = {}, ...params } = init.params ?? {};
  const headers = new Headers(init.headers);
  for (const [name, value] of Object.entries(header)) {
    if (value !== undefined) {
      headers.set(name, value);
    }
  }
  if (options.tenant) {
    headers.set("X-Tenant-ID", options.tenant);
  }
  if (method === "POST" && KEYED_ROUTES.has(path) && !headers.has("Idempotency-Key")) {
    headers.set("Idempotency-Key", crypto.randomUUID());
  }
  const request: Prepared = { ...init, params, headers };
  if (init.body === undefined) {
    return { request, isStream: false };
  }
  const json = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const prepared = prepareBody(init.body, headers.get("Content-Type"), json);
  headers.set("Content-Type", prepared.type);
  const duplex = prepared.isStream ? { duplex: "half" } : {};
  return {
    request: { ...request, ...duplex, body: prepared.body, bodySerializer: (body: unknown) => body },
    isStream: prepared.isStream,
  };
}

async function sendOnce(path: string, request: Prepared, fetch: typeof globalThis.fetch, send: Send): Promise<Answer<unknown>> {
  let answer: Response | undefined;
  const fetchSuccess = async (sent: Request): Promise<Response> => {
    try {
      answer = await fetch(sent);
    } catch (cause) {
      throw errorOfTransport(cause, request.signal);
    }
    if (!answer.ok && answer.status !== 304) {
      throw await errorOfAnswer(answer);
    }
    return answer;
  };
  try {
    const { data, response } = await send(path, { ...request, fetch: fetchSuccess });
    if (data === undefined && response.ok && response.status !== 204) {
      throw unexpectedAnswer(response);
    }
    return { data, response, version: response.headers.get("ETag") };
  } catch (error) {
    if (error instanceof ProblemError || answer === undefined) {
      throw error;
    }
    // The answer's body broke off, or is not JSON.
    throw error instanceof SyntaxError ? unexpectedAnswer(answer, error) : errorOfTransport(error, request.signal);
  }
}
