import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";

import { JSON_TYPE, serve } from "./scripted-server.mjs";

const NDJSON = "application/fhir+ndjson";
const params = { query: { source: "clinic" } };
const LINES = '{"resourceType":"Patient","id":"1"}\n';
const BYTES = new TextEncoder().encode(LINES);
const CREATED = [201, JSON_TYPE, "{}"];

const withType = { headers: { "Content-Type": NDJSON } };
const SENT_AS_THEY_ARE = [
  ["a Blob with a type", new Blob([LINES], { type: NDJSON }), {}, NDJSON],
  ["a Blob without a type, and a header", new Blob([LINES]), withType, NDJSON],
  ["a header before the Blob's type", new Blob([LINES], { type: "text/plain" }), withType, NDJSON],
  ["a File by its name", new File([LINES], "Patient.NDJSON"), {}, NDJSON],
  ["a File by its name before its type", new File([LINES], "Patient.ndjson", { type: "text/plain" }), {}, NDJSON],
  ["a compressed File", new File([LINES], "Patient.ndjson.gz"), {}, "application/gzip"],
  ["a Bundle's File", new File([LINES], "bundle.json"), {}, "application/fhir+json"],
  ["a ZIP archive's File", new File([LINES], "export.ZIP"), {}, "application/zip"],
  ["a string", LINES, withType, NDJSON],
  ["a string with Headers", LINES, { headers: new Headers(withType.headers) }, NDJSON],
  ["a string with a lower-case header", LINES, { headers: { "content-type": NDJSON } }, NDJSON],
  ["bytes", BYTES, withType, NDJSON],
  ["a buffer of Node.js", Buffer.from(LINES), withType, NDJSON],
  ["an ArrayBuffer", BYTES.buffer, withType, NDJSON],
  ["a web stream", () => new Blob([LINES]).stream(), withType, NDJSON],
  ["a stream of Node.js", () => Readable.from([Buffer.from(LINES)]), withType, NDJSON],
];

for (const [name, body, init, type] of SENT_AS_THEY_ARE) {
  test(`${name} is sent as it is`, async () => {
    const { trially, requests, close } = await serve([CREATED]);
    await trially.POST("/api/v1/imports", { params, body: typeof body === "function" ? body() : body, ...init });
    await close();
    assert.deepEqual([requests[0].body, requests[0].headers["content-type"]], [LINES, type]);
    assert.equal(requests[0].headers["idempotency-key"], undefined);
  });
}

test("a Bundle as an object is sent as JSON", async () => {
  const { trially, requests, close } = await serve([CREATED]);
  await trially.POST("/api/v1/imports", { params, body: { resourceType: "Bundle", entry: [] } });
  await close();
  assert.deepEqual([requests[0].body, requests[0].headers["content-type"]], ['{"resourceType":"Bundle","entry":[]}', "application/json"]);
});

test("an array of resources is sent as JSON", async () => {
  const { trially, requests, close } = await serve([CREATED]);
  await trially.POST("/api/v1/imports", { params, body: [{ resourceType: "Patient" }] });
  await close();
  assert.deepEqual([requests[0].body, requests[0].headers["content-type"]], ['[{"resourceType":"Patient"}]', "application/json"]);
});

class Thing {
  secret = 1;
}
const form = new FormData();
form.set("file", new Blob([LINES]), "Patient.ndjson");

const REFUSED = [
  ["a string without a Content-Type", LINES, {}],
  ["a Blob without a type", new Blob([LINES]), {}],
  ["a File with an unknown name", new File([LINES], "patients"), {}],
  ["bytes without a Content-Type", BYTES, {}],
  ["an object as NDJSON", { resourceType: "Bundle" }, withType],
  ["a form", form, {}],
  ["a form, in spite of a Content-Type", form, withType],
  ["parameters", new URLSearchParams({ a: "1" }), {}],
  ["a promise", Promise.resolve(LINES), {}],
  ["a Map", new Map([["resourceType", "Bundle"]]), {}],
  ["an object of a class", new Thing(), {}],
  ["a File inside an object", { resourceType: "Bundle", file: new File([LINES], "a.json") }, {}],
  ["a Map inside an array inside an object", { resourceType: "Bundle", entry: [new Map()] }, {}],
  ["a number that JSON does not have", { resourceType: "Bundle", total: Number.NaN }, {}],
  ["a function", { resourceType: "Bundle", total: () => 1 }, {}],
  ["a date that does not exist", { resourceType: "Bundle", timestamp: new Date("never") }, {}],
];

for (const [name, body, init] of REFUSED) {
  test(`${name} is refused, and nothing is sent`, async () => {
    const { trially, requests, close } = await serve([CREATED]);
    await assert.rejects(trially.POST("/api/v1/imports", { params, body, ...init }), TypeError);
    await close();
    assert.equal(requests.length, 0);
  });
}

test("a change is a merge patch, with the token, the tenant and the caller's headers", async () => {
  const { trially, requests, close } = await serve([[200, { ...JSON_TYPE, ETag: '"2"' }, "{}"]], { tenant: "acme" });
  const { version } = await trially.PATCH("/api/v1/patients/{patient_id}", {
    params: { path: { patient_id: "p/1" }, header: { "If-Match": '"1"' } },
    body: { phone: null, deceased_at: new Date(0) },
    headers: { traceparent: "00-0-0-00" },
  });
  await close();
  const [{ headers, url, body }] = requests;
  assert.equal(url, "/api/v1/patients/p%2F1");
  assert.equal(body, '{"phone":null,"deceased_at":"1970-01-01T00:00:00.000Z"}');
  assert.deepEqual(
    ["content-type", "if-match", "x-tenant-id", "authorization", "traceparent"].map((name) => headers[name]),
    ["application/merge-patch+json", '"1"', "acme", "Bearer a-token", "00-0-0-00"],
  );
  assert.equal(version, '"2"');
});
