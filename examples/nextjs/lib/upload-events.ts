/** What the upload's route says to the page, one JSON object a line. */

import type { Schemas } from "@trially/client";

import type { Failure } from "./failures";

export type UploadEvent =
  | { kind: "progress"; lines: number; faults: number }
  | { kind: "ended"; result: Schemas["Import"] }
  | { kind: "failed"; failure: Failure };
