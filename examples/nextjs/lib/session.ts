/** The session of the request, for server code. */

import "server-only";

import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { getToken } from "next-auth/jwt";
import { cache } from "react";

import { SessionEndedError, type Tokens, freshTokens } from "./tokens";

export interface Session {
  tokens: Tokens;
  /** The tenants that the ID token names, by slug or id. It may name none. */
  tenants: string[];
}

/** Return the session, or undefined if nobody is signed in. */
export const currentSession = cache(async (): Promise<Session | undefined> => {
  const sent = await headers();
  const token = await getToken({
    req: { headers: sent },
    secret: process.env.AUTH_SECRET,
    // The name that Auth.js gives the cookie where the app is reached with https.
    secureCookie: sent.get("Cookie")?.includes("__Secure-authjs.session-token") ?? false,
  });
  if (!token?.tokens) {
    return undefined;
  }
  try {
    return { tokens: await freshTokens(token.tokens), tenants: token.tenants ?? [] };
  } catch (error) {
    return error instanceof SessionEndedError ? undefined : { tokens: token.tokens, tenants: token.tenants ?? [] };
  }
});

/** Return the session, or lead to the sign-in. */
export async function requireSession(): Promise<Session> {
  return (await currentSession()) ?? redirect("/?reason=ended");
}
