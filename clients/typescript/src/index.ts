/** A typed client of trially's API. `schema.ts` and `keyed-routes.ts` are generated from /openapi.json. */

import type { components } from "./schema.js";

export { typeOfFile, type RawBody, type UploadBody } from "./bodies.js";
export { createTriallyClient, type Answer, type Options, type Paths, type TriallyClient } from "./client.js";
export { ageOn, formatDate, isDate, today, type Age, type DateFormat, type Precision } from "./dates.js";
export { ProblemError, type ClientCode, type Problem } from "./errors.js";
export { eachItem, eachPage, type Page } from "./pages.js";
export type { Retries } from "./retries.js";
export { compareVersions, ifMatch, isVersionConflict, type Comparison, type FieldConflict } from "./versions.js";

export type Schemas = components["schemas"];
