import assert from "node:assert/strict";
import { test } from "node:test";

import { readRetryAfter } from "../dist/errors.js";
import { DEFAULT_RETRIES, delayBefore } from "../dist/retries.js";
import { JSON_TYPE, problem, serve } from "./scripted-server.mjs";

const SUCCESS = [200, JSON_TYPE, "{}"];
const params = { query: { source: "clinic" } };
const GATEWAY = [502, { "Content-Type": "text/html" }, "<p>"];
const BUSY = problem(503, "tenant_busy", { "Retry-After": "0" });
const PATIENT = { mrn: "1", given_name: "A", family_name: "B", birth_date: "1980-01-01", sex: "other" };

const read = (trially, init) => trially.GET("/api/v1/me", init);
const create = (trially, init) => trially.POST("/api/v1/patients", { body: PATIENT, ...init });
const search = (trially) => trially.POST("/api/v1/patients/search", { body: { mrn: "1" } });
const change = (trially) =>
  trially.PATCH("/api/v1/patients/{patient_id}", {
    params: { path: { patient_id: "1" }, header: { "If-Match": '"1"' } },
    body: {},
  });
const upload = (body) => (trially) =>
  trially.POST("/api/v1/imports", { params, body, headers: { "Content-Type": "application/ndjson" } });

const CASES = [
  ["a read after a broken connection", ["hang up", SUCCESS], read, 2],
  ["a read after a proxy's page", [GATEWAY, SUCCESS], read, 2],
  ["a read of a busy server", [BUSY, SUCCESS], read, 2],
  ["a creation after a broken connection", ["hang up", SUCCESS], create, 2],
  ["a creation whose first request runs still", [problem(409, "idempotency_key_in_use", { "Retry-After": "0" }), SUCCESS], create, 2],
  ["a change of a busy server", [BUSY, SUCCESS], change, 2],
  ["a search of a busy server", [BUSY, SUCCESS], search, 2],
  ["an upload to a busy server", [BUSY, SUCCESS], upload("{}"), 2],
  ["a change after a broken connection", ["hang up", SUCCESS], change, 1],
  ["a change after a proxy's page", [GATEWAY, SUCCESS], change, 1],
  ["an upload after a broken connection", ["hang up", SUCCESS], upload("{}"), 1],
  ["a read that is refused", [problem(403, "missing_permission"), SUCCESS], read, 1],
  ["a read after a fault of the server", [problem(500, "internal_error"), SUCCESS], read, 1],
  ["a read of a server that has no disk space left", [problem(503, "database_full"), SUCCESS], read, 1],
  ["a read that has to wait too long", [problem(503, "tenant_busy", { "Retry-After": "3600" }), SUCCESS], read, 1],
];

for (const [name, answers, send, sent] of CASES) {
  test(`${name} is sent ${sent === 1 ? "once" : "again"}`, async () => {
    const { trially, requests, close } = await serve(answers);
    const outcome = await send(trially).then(
      () => "success",
      (error) => error.name,
    );
    await close();
    assert.deepEqual([requests.length, outcome], [sent, sent === 1 ? "ProblemError" : "success"]);
  });
}

test("a stream is never sent again", async () => {
  const { trially, requests, close } = await serve([BUSY, SUCCESS]);
  await assert.rejects(upload(new Blob(["{}"]).stream())(trially), { code: "tenant_busy" });
  await close();
  assert.equal(requests.length, 1);
});

test("attempts are bounded, and each asks for the token and has the same key", async () => {
  let tokens = 0;
  const { trially, requests, close } = await serve([BUSY], { token: async () => `token-${(tokens += 1)}` });
  await assert.rejects(create(trially), { code: "tenant_busy" });
  await assert.rejects(create(trially, { retries: false }), { code: "tenant_busy" });
  await assert.rejects(create(trially, { retries: { attempts: 2 }, headers: { "Idempotency-Key": "mine" } }));
  await close();
  const keys = requests.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(requests.length, DEFAULT_RETRIES.attempts + 1 + 2);
  assert.equal(new Set(keys.slice(0, DEFAULT_RETRIES.attempts)).size, 1);
  assert.match(keys[0], /^[0-9a-f-]{36}$/);
  assert.notEqual(keys[4], keys[0]);
  assert.deepEqual(keys.slice(5), ["mine", "mine"]);
  assert.deepEqual(requests.slice(0, 2).map(({ headers }) => headers.authorization), ["Bearer token-1", "Bearer token-2"]);
});

test("an abort ends the wait before a retry", async () => {
  const { trially, requests, close } = await serve([problem(503, "tenant_busy", { "Retry-After": "15" }), SUCCESS]);
  await assert.rejects(read(trially, { signal: AbortSignal.timeout(200) }), { code: "timed_out" });
  await close();
  assert.equal(requests.length, 1);
});

test("a wait is never shorter than Retry-After, never too long, and random", () => {
  for (const random of [0, 0.5, 1]) {
    const delays = [1, 2, 3].map((failures) => delayBefore(failures, undefined, DEFAULT_RETRIES, () => random));
    assert.ok(delays.every((delay) => delay > 0 && delay <= 1), String(delays));
    const asked = delayBefore(1, 3, DEFAULT_RETRIES, () => random);
    assert.ok(asked >= 3 && asked <= 3.25);
  }
  assert.notEqual(delayBefore(1, 3, DEFAULT_RETRIES, () => 0), delayBefore(1, 3, DEFAULT_RETRIES, () => 1));
  assert.equal(delayBefore(1, 21, DEFAULT_RETRIES), undefined);
  assert.ok(delayBefore(99, undefined, DEFAULT_RETRIES) <= 20);
});

test("Retry-After is a number or a date", () => {
  const now = Date.parse("Wed, 21 Oct 2026 07:28:00 GMT");
  assert.deepEqual(
    ["120", " 0 ", "Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "", null].map((value) => readRetryAfter(value, now)),
    [120, 0, 30, 0, undefined, undefined, undefined],
  );
});
