/** A typed client of trially's API. `schema.ts` is generated from /openapi.json. */

import createClient, { type Client, type Middleware } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

export interface Options {
  /** Where the back end is, such as `https://api.trially.ai`. */
  baseUrl: string;
  /** Gives the access token for each request. */
  token: () => string | Promise<string>;
  /** The tenant's slug or id, where a token allows several. */
  tenant?: string;
  fetch?: typeof globalThis.fetch;
}

/** What the API answered with when it refused. */
export class ProblemError extends Error {
  constructor(
    readonly problem: Problem,
    readonly response: Response,
  ) {
    super(problem.detail);
    this.name = "ProblemError";
  }
}

/** Make a client. Its calls throw `ProblemError` for every answer that is not a success. */
export function createTriallyClient(options: Options): Client<paths> {
  const client = createClient<paths>({ baseUrl: options.baseUrl, fetch: options.fetch });
  const middleware: Middleware = {
    async onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${await options.token()}`);
      if (options.tenant) {
        request.headers.set("X-Tenant-ID", options.tenant);
      }
      if (request.method === "PATCH") {
        request.headers.set("Content-Type", "application/merge-patch+json");
      }
      return request;
    },
    async onResponse({ response }) {
      if (!response.ok && response.status !== 304) {
        throw new ProblemError((await response.clone().json()) as Problem, response);
      }
    },
  };
  client.use(middleware);
  return client;
}

interface Page<Item> {
  data: Item[];
  page: { next: string | null; has_more: boolean };
}

/** Go through all pages of a list; `read` asks for the one behind a cursor. */
export async function* eachItem<Item>(
  read: (cursor: string | undefined) => Promise<Page<Item>>,
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const { data, page } = await read(cursor);
    yield* data;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}
