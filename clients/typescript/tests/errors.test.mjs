import assert from "node:assert/strict";
import { test } from "node:test";

import { ProblemError, isVersionConflict } from "../dist/index.js";
import { JSON_TYPE, problem, serve } from "./scripted-server.mjs";

const HTML = { "Content-Type": "text/html" };
const PAGE = "<html><h1>Bad gateway</h1></html>";

const FAILURES = [
  ["a problem", problem(403, "missing_permission"), "missing_permission", 403],
  ["a proxy's page", [502, HTML, PAGE], "unexpected_answer", 502],
  ["a proxy's page that says 200", [200, HTML, PAGE], "unexpected_answer", 200],
  ["an error without a body", [500, {}, ""], "unexpected_answer", 500],
  ["a success without a body", [200, JSON_TYPE, ""], "unexpected_answer", 200],
  ["JSON that is no problem", [500, JSON_TYPE, "[]"], "unexpected_answer", 500],
  ["JSON that is null", [404, JSON_TYPE, "null"], "unexpected_answer", 404],
  ["JSON that breaks off", [200, JSON_TYPE, '{"data": ['], "unexpected_answer", 200],
  ["a redirect to nowhere", [302, {}, ""], "unexpected_answer", 302],
  ["a connection that breaks off in the body", [200, { ...JSON_TYPE, "X-Cut": "1" }, '{"data": ['], "network_error", 0],
  ["a connection that is closed", "hang up", "network_error", 0],
];

for (const [name, answer, code, status] of FAILURES) {
  test(`${name} is a ProblemError`, async () => {
    const { trially, close } = await serve([answer], { retries: false });
    const error = await trially.GET("/api/v1/me").then(assert.fail, (thrown) => thrown);
    await close();
    assert.ok(error instanceof ProblemError, String(error));
    assert.deepEqual([error.code, error.status, error.problem.status], [code, status, status]);
    assert.ok(error.message.length > 10);
    assert.ok(!error.message.includes("<"), "A page is not quoted.");
  });
}

test("a server that is not there is a ProblemError", async () => {
  const { trially, close } = await serve([problem(500, "internal_error")], { retries: false });
  await close();
  await assert.rejects(trially.GET("/api/v1/me"), { name: "ProblemError", code: "network_error", status: 0 });
});

test("an abort and a timeout are ProblemErrors, before and during the request", async () => {
  const { trially, close } = await serve(["silence"]);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(trially.GET("/api/v1/me", { signal: controller.signal }), { name: "ProblemError", code: "aborted" });
  await assert.rejects(trially.GET("/api/v1/me", { signal: controller.signal }), { name: "ProblemError", code: "aborted" });
  await assert.rejects(trially.GET("/api/v1/me", { signal: AbortSignal.timeout(20) }), { name: "ProblemError", code: "timed_out" });
  await close();
});

test("an error that the caller's own token function throws stays what it is", async () => {
  const token = () => {
    throw new RangeError("signed out");
  };
  const { trially, requests, close } = await serve([problem(500, "internal_error")], { token });
  await assert.rejects(trially.GET("/api/v1/me"), new RangeError("signed out"));
  await close();
  assert.equal(requests.length, 0);
});

test("an error has the request id and the time to wait", async () => {
  const { trially, close } = await serve([problem(429, "too_many_imports", { "Retry-After": "7" })], { retries: false });
  await assert.rejects(trially.GET("/api/v1/me"), { requestId: "r1", retryAfter: 7, message: "It is too_many_imports." });
  await close();
});

test("a version conflict is recognised, and nothing else is one", async () => {
  const { trially, close } = await serve([problem(412, "version_conflict"), problem(409, "conflict")]);
  const failures = [];
  for (let i = 0; i < 2; i += 1) {
    await trially.GET("/api/v1/me").catch((error) => failures.push(isVersionConflict(error)));
  }
  await close();
  assert.deepEqual([...failures, isVersionConflict(new Error("412"))], [true, false, false]);
});
