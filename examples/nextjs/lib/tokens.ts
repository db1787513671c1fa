/** Refresh access tokens, once for all requests that need it at the same time. */

import "server-only";

import { clientId, clientSecret, issuerUrl } from "./settings";

/** The tokens of a session. They are in an encrypted cookie that scripts cannot read. */
export interface Tokens {
  access_token: string;
  /** Seconds since 1970. */
  expires_at: number;
  refresh_token?: string;
  id_token?: string;
}

interface Metadata {
  token_endpoint: string;
  end_session_endpoint?: string;
}

const REFRESH_BEFORE_SECONDS = 60;
const REMEMBER_MS = 60_000;

/** The issuer has ended the session, so the person has to sign in again. */
export class SessionEndedError extends Error {}

// Pages and the proxy are separate bundles of one process, so the refreshes are shared through globalThis.
const shared = globalThis as { triallyRefreshes?: Map<string, Promise<Tokens>>; triallyMetadata?: Promise<Metadata> };
const refreshes = (shared.triallyRefreshes ??= new Map());

/** Return tokens that are valid for at least a minute, if that is possible without the person. */
export async function freshTokens(tokens: Tokens): Promise<Tokens> {
  if (tokens.expires_at - Date.now() / 1000 > REFRESH_BEFORE_SECONDS || !tokens.refresh_token) {
    return tokens;
  }
  return refreshOnce(tokens, tokens.refresh_token);
}

/** An issuer that rotates refresh tokens accepts each one once, and ends the session if one comes twice. */
function refreshOnce(tokens: Tokens, refreshToken: string): Promise<Tokens> {
  const running = refreshes.get(refreshToken);
  if (running) {
    return running;
  }
  const refresh = requestTokens(tokens, refreshToken);
  refreshes.set(refreshToken, refresh);
  refresh.catch(() => refreshes.delete(refreshToken));
  setTimeout(() => refreshes.delete(refreshToken), REMEMBER_MS).unref();
  return refresh;
}

async function requestTokens(tokens: Tokens, refreshToken: string): Promise<Tokens> {
  const { token_endpoint } = await issuerMetadata();
  const secret = clientSecret();
  const answer = await fetch(token_endpoint, {
    method: "POST",
    headers: secret ? { Authorization: `Basic ${btoa(`${encodeURIComponent(clientId())}:${encodeURIComponent(secret)}`)}` } : {},
    body: new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: refreshToken,
      ...(secret ? {} : { client_id: clientId() }),
    }),
    signal: AbortSignal.timeout(10_000),
    cache: "no-store",
  });
  if (answer.status === 400 || answer.status === 401) {
    throw new SessionEndedError("The issuer has ended the session.");
  }
  if (!answer.ok) {
    throw new Error(`The issuer answered ${answer.status} to a refresh.`);
  }
  const issued = (await answer.json()) as { access_token: string; expires_in?: number; refresh_token?: string; id_token?: string };
  return {
    access_token: issued.access_token,
    expires_at: expiryOf(issued.expires_in),
    refresh_token: issued.refresh_token ?? refreshToken,
    id_token: issued.id_token ?? tokens.id_token,
  };
}

/** Return when a token expires that was issued just now. */
export function expiryOf(expiresIn: number | undefined): number {
  return Math.floor(Date.now() / 1000) + (expiresIn ?? 300);
}

/** Return the issuer's discovery document. */
export function issuerMetadata(): Promise<Metadata> {
  shared.triallyMetadata ??= readMetadata();
  shared.triallyMetadata.catch(() => (shared.triallyMetadata = undefined));
  return shared.triallyMetadata;
}

async function readMetadata(): Promise<Metadata> {
  const url = `${issuerUrl().replace(/\/$/, "")}/.well-known/openid-configuration`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000), cache: "no-store" });
  if (!answer.ok) {
    throw new Error(`The issuer answered ${answer.status} to discovery.`);
  }
  return (await answer.json()) as Metadata;
}
