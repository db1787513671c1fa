// Walk through the API with the client, as the web app would. Exits with 1 where something is not as expected.

import assert from "node:assert/strict";

import { ProblemError, createTriallyClient, eachItem } from "./dist/index.js";

const baseUrl = process.env.TRIALLY_URL ?? "http://127.0.0.1:5000";
const trially = createTriallyClient({ baseUrl, token: () => process.env.TRIALLY_TOKEN ?? "" });

const { data: me } = await trially.GET("/api/v1/me");
assert.ok(me.permissions.includes("patients:write"));

const mrn = `E2E-${Date.now()}`;
const { data: created, response } = await trially.POST("/api/v1/patients", {
  body: { mrn, given_name: "Elm", family_name: "Endtoend", birth_date: "1980-02-29", sex: "female" },
});
assert.equal(created.mrn, mrn);

const path = { patient_id: created.id };
const headers = response.headers.has("ETag") ? { "If-Match": response.headers.get("ETag") } : {};
const { data: changed } = await trially.PATCH("/api/v1/patients/{patient_id}", {
  params: { path },
  headers,
  body: { phone: "555-0100" },
});
assert.equal(changed.phone, "555-0100");

const { data: found } = await trially.POST("/api/v1/patients/search", { body: { mrn } });
assert.deepEqual(
  found.data.map((patient) => patient.id),
  [created.id],
);

let seen = 0;
const pages = eachItem(async (cursor) => {
  const { data } = await trially.GET("/api/v1/patients", { params: { query: { limit: 100, cursor } } });
  return data;
});
for await (const patient of pages) {
  seen += 1;
  assert.ok(patient.id);
}
assert.ok(seen >= 1);

await assert.rejects(
  trially.GET("/api/v1/patients/{patient_id}", {
    params: { path: { patient_id: "00000000-0000-7000-8000-000000000000" } },
  }),
  (error) => error instanceof ProblemError && error.problem.status === 404,
);
console.log(`As ${me.display_name} of ${me.tenant.slug}: created, changed, found, paged through ${seen}, refused.`);
