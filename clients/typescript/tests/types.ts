/** What must compile and what must not. `npm run check` checks it; nothing runs it. */

import { createTriallyClient, eachItem, ifMatch, type Schemas } from "../src/index.js";

const trially = createTriallyClient({ baseUrl: "http://127.0.0.1:5000", token: () => "" });
const path = { patient_id: "1" };
const headers = { "Content-Type": "application/fhir+ndjson" };
const params = { query: { source: "clinic" } };
const stream = new ReadableStream<Uint8Array>();

export async function compiles(): Promise<void> {
  const { data: me } = await trially.GET("/api/v1/me");
  me.permissions.includes("patients:read");
  const read = await trially.GET("/api/v1/patients/{patient_id}", { params: { path } });
  const patient: Schemas["Patient"] = read.data;
  await trially.PATCH("/api/v1/patients/{patient_id}", {
    params: { path, header: ifMatch(read) },
    body: { phone: patient.phone ?? null },
    retries: false,
  });
  await trially.POST("/api/v1/patients/search", { body: { family_name: "Te" } });
  await trially.POST("/api/v1/imports", { params, body: new Blob([""]), headers });
  await trially.POST("/api/v1/imports", { body: new File([""], "a.ndjson"), params: { query: { source: "a", strict: true } } });
  await trially.POST("/api/v1/imports", { params, body: "", headers });
  await trially.POST("/api/v1/imports", { params, body: new Uint8Array(), headers });
  await trially.POST("/api/v1/imports", { params, body: stream, headers, signal: AbortSignal.timeout(1000) });
  await trially.POST("/api/v1/imports", { params, body: { resourceType: "Bundle" } });
  await trially.POST("/api/v1/imports", { params, body: [{ resourceType: "Patient" }, { resourceType: "Condition", code: {} }] });
  for await (const study of eachItem(async (cursor) => (await trially.GET("/api/v1/studies", { params: { query: { cursor } } })).data)) {
    study.title.toUpperCase();
  }
  const { data } = await trially.GET("/api/v1/patients/{patient_id}", {
    params: { path, header: { "If-None-Match": read.version ?? "" } },
  });
  data?.id;
}

export async function doesNotCompile(): Promise<void> {
  // @ts-expect-error An upload has a source.
  await trially.POST("/api/v1/imports", { body: "", headers });
  // @ts-expect-error An upload has a body.
  await trially.POST("/api/v1/imports", { params, headers });
  // @ts-expect-error A form is not a file.
  await trially.POST("/api/v1/imports", { params, body: new FormData() });
  // @ts-expect-error A number is not a file.
  await trially.POST("/api/v1/imports", { params, body: 5 });
  // @ts-expect-error A promise is not a file.
  await trially.POST("/api/v1/imports", { params, body: Promise.resolve("") });
  // @ts-expect-error A Map would be sent as {}.
  await trially.POST("/api/v1/imports", { params, body: new Map() });
  // @ts-expect-error A patient is not a file.
  await trially.POST("/api/v1/patients", { body: new Blob([""]) });
  // @ts-expect-error A search is an object.
  await trially.POST("/api/v1/patients/search", { body: "Testerly" });
  // @ts-expect-error A search is an object.
  await trially.POST("/api/v1/patients/search", { body: new Blob([""]) });
  // @ts-expect-error A search is an object.
  await trially.POST("/api/v1/patients/search", { body: new FormData() });
  // @ts-expect-error A search is an object.
  await trially.POST("/api/v1/patients/search", { body: Promise.resolve({}) });
  // @ts-expect-error There is no such path.
  await trially.GET("/api/v1/patient");
  // @ts-expect-error A change needs If-Match.
  await trially.PATCH("/api/v1/patients/{patient_id}", { params: { path }, body: { phone: null } });
  // @ts-expect-error The record may not have changed, and then there is no body.
  (await trially.GET("/api/v1/patients/{patient_id}", { params: { path, header: { "If-None-Match": "1" } } })).data.id;
  // @ts-expect-error A creation needs its required fields.
  await trially.POST("/api/v1/patients", { body: { mrn: "1" } });
}
