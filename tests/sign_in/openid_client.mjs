// Sign in, refresh and sign out with openid-client, which gets the issuer's URL and a client id.

import assert from "node:assert/strict";
import * as client from "openid-client";

import { clickOn } from "./browser.mjs";

const { ISSUER, API, PERSON, TENANT } = process.env;
const redirect_uri = "http://localhost:3000/callback";
const options = { execute: [client.allowInsecureRequests] }; // The issuer is on http.

const config = await client.discovery(new URL(ISSUER), "web", undefined, undefined, options);
const code_verifier = client.randomPKCECodeVerifier();
const [state, nonce] = [client.randomState(), client.randomNonce()];
const callback = await clickOn(
  PERSON,
  TENANT,
  client.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: "openid profile email offline_access",
    code_challenge: await client.calculatePKCECodeChallenge(code_verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    max_age: "60",
  }),
);
const tokens = await client.authorizationCodeGrant(config, callback, {
  pkceCodeVerifier: code_verifier,
  expectedState: state,
  expectedNonce: nonce,
  maxAge: 60,
});
assert.equal(tokens.claims().sub, PERSON);

const user = await client.fetchUserInfo(config, tokens.access_token, PERSON);
assert.deepEqual([user.sub, user["https://trially.ai/tenant"]], [PERSON, TENANT]);
assert.ok(user.name && user.email);

async function callApi(access_token) {
  const response = await client.fetchProtectedResource(config, access_token, new URL(`${API}/api/v1/me`), "GET");
  assert.equal((await response.json()).tenant.slug, TENANT);
}
await callApi(tokens.access_token);

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
assert.equal(refreshed.claims().sub, PERSON);
await callApi(refreshed.access_token);

const refusesRefresh = (token) =>
  assert.rejects(client.refreshTokenGrant(config, token), (error) => error.error === "invalid_grant");
const again = await client.refreshTokenGrant(config, refreshed.refresh_token);

const signOut = client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: "http://localhost:3000/?signed=out",
  state: "after",
});
const signedOut = await fetch(signOut, { redirect: "manual" });
assert.equal(signedOut.status, 302);
assert.equal(signedOut.headers.get("location"), "http://localhost:3000/?signed=out&state=after");
await refusesRefresh(again.refresh_token);

const machine = await client.discovery(new URL(ISSUER), `svc-${TENANT}`, "dev-secret", undefined, options);
const issued = await client.clientCredentialsGrant(machine, {});
assert.equal(issued.token_type, "bearer");
console.log("openid-client signed in, refreshed and signed out.");
