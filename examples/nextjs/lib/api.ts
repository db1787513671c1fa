/** Calls of the API, with the session's token, in one tenant. */

import "server-only";

import { type Answer, ProblemError, type Schemas, type TriallyClient, createTriallyClient } from "@trially/client";
import { notFound, redirect } from "next/navigation";
import { cache } from "react";

import { type Failure, toFailure } from "./failures";
import { type Session, requireSession } from "./session";
import { apiUrl } from "./settings";

export type Me = Schemas["Me"];
export type Patient = Schemas["Patient"];
export type Import = Schemas["Import"];

const TIME_LIMIT_MS = 20_000;

/** Return a client that acts as the person who is signed in. */
export async function clientOf(tenant: string | undefined): Promise<TriallyClient> {
  return clientFor(await requireSession(), tenant);
}

/** Return a client that acts with a session. The tenant is part of an address, which anyone can write. */
export function clientFor({ tokens }: Session, tenant: string | undefined): TriallyClient {
  if (tenant !== undefined && !/^[0-9a-z-]{1,63}$/i.test(tenant)) {
    notFound();
  }
  return createTriallyClient({ baseUrl: apiUrl(), token: () => tokens.access_token, tenant });
}

export type Loaded<Data> = { data: Data; version: string | null; failure?: undefined } | { failure: Failure; data?: undefined };

/** Make a call. A failure is returned for the page to show. If the token is no longer valid, it leads to the sign-in. */
export async function load<Data>(
  tenant: string | undefined,
  call: (trially: TriallyClient, options: { signal: AbortSignal }) => Promise<Pick<Answer<Data>, "data" | "version">>,
): Promise<Loaded<Data>> {
  const trially = await clientOf(tenant);
  try {
    const { data, version } = await call(trially, { signal: AbortSignal.timeout(TIME_LIMIT_MS) });
    return { data, version };
  } catch (error) {
    if (!(error instanceof ProblemError)) {
      throw error;
    }
    if (error.status === 401) {
      redirect("/?reason=ended");
    }
    return { failure: toFailure(error) };
  }
}

/** Return who the person is in a tenant, asking once for a page. */
export const loadMe = cache((tenant: string | undefined) =>
  load(tenant, (trially, options) => trially.GET("/api/v1/me", options)),
);
