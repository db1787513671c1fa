// Walk through the API with the client, as the web app would. Exits with 1 where something is not as expected.

import assert from "node:assert/strict";

import { ProblemError, createTriallyClient, eachItem, ifMatch, isVersionConflict } from "./dist/index.js";

const baseUrl = process.env.TRIALLY_URL ?? "http://127.0.0.1:5000";
const trially = createTriallyClient({ baseUrl, token: () => process.env.TRIALLY_TOKEN ?? "" });

const { data: me } = await trially.GET("/api/v1/me");
assert.ok(me.permissions.includes("patients:write"));

const mrn = `E2E-${Date.now()}`;
const { data: created } = await trially.POST("/api/v1/patients", {
  body: { mrn, given_name: "Elm", family_name: "Endtoend", birth_date: "1980-02-29", sex: "female" },
});
assert.equal(created.mrn, mrn);

const params = { path: { patient_id: created.id } };
const read = await trially.GET("/api/v1/patients/{patient_id}", { params });
const change = (body, headers) =>
  trially.PATCH("/api/v1/patients/{patient_id}", { params: { ...params, header: headers }, body });
const { data: changed } = await change({ phone: "555-0100" }, ifMatch(read));
assert.equal(changed.phone, "555-0100");
await assert.rejects(change({ phone: "555-0101" }, ifMatch(read)), isVersionConflict);

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
const patient = { resourceType: "Patient", id: mrn, name: [{ family: "Endtoend" }], birthDate: "1980" };
const file = new File([`${JSON.stringify(patient)}\n`], "Patient.ndjson");
const { data: done } = await trially.POST("/api/v1/imports", { body: file, params: { query: { source: "e2e" } } });
assert.deepEqual([done.state, done.counts.Patient.new, done.error_count], ["done", 1, 0]);

console.log(`As ${me.display_name} of ${me.tenant.slug}: created, changed, found, paged through ${seen}, refused, imported.`);
