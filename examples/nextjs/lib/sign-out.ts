"use server";

import { headers } from "next/headers";
import { redirect } from "next/navigation";

import { signOut } from "@/auth";

import { currentSession } from "./session";
import { clientId, publicUrl } from "./settings";
import { issuerMetadata } from "./tokens";

const AFTERWARDS = "/?reason=signed-out";

/** End the session here, then at the issuer if it can (OpenID Connect RP-Initiated Logout). */
export async function signOutHere(): Promise<void> {
  const session = await currentSession();
  await signOut({ redirect: false });
  const endpoint = await issuerMetadata().then(
    (metadata) => metadata.end_session_endpoint,
    () => undefined,
  );
  const home = publicUrl() ?? (await headers()).get("Origin");
  if (!endpoint || !home || !session?.tokens.id_token) {
    redirect(AFTERWARDS);
  }
  const url = new URL(endpoint);
  url.searchParams.set("id_token_hint", session.tokens.id_token);
  url.searchParams.set("client_id", clientId());
  url.searchParams.set("post_logout_redirect_uri", new URL(AFTERWARDS, home).href);
  redirect(url.href);
}
