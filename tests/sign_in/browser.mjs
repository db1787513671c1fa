// A browser's part of a sign-in: the login page, a click on a person, and redirects.

import assert from "node:assert/strict";

const unescape = (text) =>
  text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)).replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

const attribute = (tag, name) => unescape(tag.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "");

// Open the login page at `url`, show the tenant's members, click on the person, and return where the issuer
// redirects to.
export async function clickOn(person, tenant, url) {
  const search = new URL(url);
  search.searchParams.set("tenant", tenant);
  search.searchParams.set("search", person);
  const page = await fetch(search, { redirect: "manual" });
  assert.equal(page.status, 200, await page.clone().text());
  const forms = (await page.text()).split("<form").slice(1).map((form) => form.split("</form>")[0]);
  const form = forms.find((one) => one.includes(`name="subject" value="${person}"`));
  assert.ok(form, `The login page does not list ${person}.`);
  const fields = [...form.matchAll(/<input type="hidden"[^>]*>/g)].map(([tag]) => [
    attribute(tag, "name"),
    attribute(tag, "value"),
  ]);
  const sent = await fetch(new URL(attribute(form, "action"), url), {
    method: "POST",
    body: new URLSearchParams([...fields, ["subject", person]]),
    redirect: "manual",
  });
  assert.equal(sent.status, 302);
  return new URL(sent.headers.get("location"));
}
