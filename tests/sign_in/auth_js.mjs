// Sign in, refresh and sign out with Auth.js, which gets the issuer's URL and a client id.

import assert from "node:assert/strict";
import { Auth } from "@auth/core";

import { clickOn } from "./browser.mjs";

const { ISSUER, API, PERSON, TENANT } = process.env;
const APP = "http://localhost:3000";
const discover = async () => (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json();

// The rotation of refresh tokens, as Auth.js' guide describes it.
async function refresh(token) {
  const response = await fetch((await discover()).token_endpoint, {
    method: "POST",
    body: new URLSearchParams({ client_id: "web", grant_type: "refresh_token", refresh_token: token.refresh_token }),
  });
  const answer = await response.json();
  if (!response.ok) return { ...token, error: answer.error };
  return { ...token, access_token: answer.access_token, refresh_token: answer.refresh_token };
}

// Sign out at the issuer too (OpenID Connect RP-Initiated Logout).
async function endSession({ token }) {
  const url = new URL((await discover()).end_session_endpoint);
  url.search = new URLSearchParams({ id_token_hint: token.id_token, post_logout_redirect_uri: APP });
  const response = await fetch(url, { redirect: "manual" });
  assert.deepEqual([response.status, response.headers.get("location")], [302, APP]);
}

// A web app with Auth.js, and the cookies that its browser has.
function makeApp(provider) {
  const cookies = new Map();
  const config = {
    providers: [{ id: "trially", name: "trially", type: "oidc", issuer: ISSUER, clientId: "web", ...provider }],
    secret: "a secret of this test alone",
    basePath: "/auth",
    trustHost: true,
    callbacks: {
      jwt({ token, account, profile, trigger }) {
        if (account) {
          const { access_token, refresh_token, id_token } = account;
          return { ...token, access_token, refresh_token, id_token, tenant: profile["https://trially.ai/tenant"] };
        }
        return trigger === "update" ? refresh(token) : token;
      },
      session: ({ session, token }) => ({ ...session, token }),
    },
    events: { signOut: endSession },
  };
  async function send(path, form) {
    const response = await Auth(
      new Request(new URL(path, APP), {
        method: form ? "POST" : "GET",
        headers: { cookie: [...cookies].map((pair) => pair.join("=")).join("; ") },
        body: form && new URLSearchParams(form),
      }),
      config,
    );
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    return response;
  }
  const csrfToken = async () => (await (await send("/auth/csrf")).json()).csrfToken;
  return {
    send,
    post: async (path, form) => send(path, { ...form, csrfToken: await csrfToken() }),
    session: async () => (await send("/auth/session")).json(),
  };
}

async function callApi(token) {
  const response = await fetch(`${API}/api/v1/me`, { headers: { Authorization: `Bearer ${token.access_token}` } });
  assert.equal((await response.json()).tenant.slug, TENANT);
}

async function walkThrough(provider) {
  const app = makeApp(provider);
  const start = await app.post("/auth/signin/trially", { callbackUrl: APP });
  const callback = await clickOn(PERSON, TENANT, start.headers.get("location"));
  const end = await app.send(callback);
  assert.equal(end.headers.get("location"), APP, await end.text());

  const { user, token } = await app.session();
  assert.ok(user.name && user.email);
  assert.equal(token.tenant, TENANT);
  await callApi(token);
  if (token.refresh_token) {
    await app.post("/auth/session", { data: "{}" });
    const renewed = (await app.session()).token;
    assert.notEqual(renewed.refresh_token, token.refresh_token);
    await callApi(renewed);
  }
  await app.post("/auth/signout", {});
  assert.equal(await app.session(), null);
  if (token.refresh_token) assert.equal((await refresh(token)).error, "invalid_grant");
}

await walkThrough({});
await walkThrough({
  client: { token_endpoint_auth_method: "none" },
  checks: ["pkce", "state", "nonce"],
  idToken: false, // The profile comes from the userinfo endpoint.
  authorization: { params: { scope: "openid profile email offline_access" } },
});
console.log("Auth.js signed in, refreshed and signed out.");
