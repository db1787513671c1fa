/** Which fields of a patient are hidden from a person. A hidden field and an unknown one are both null in an answer. */

import type { Schemas } from "@trially/client";

type Viewer = Pick<Schemas["Me"], "phi_level">;

/** Used with servers whose answers do not say which fields are masked (docs/permissions.md). */
const IDENTIFIERS = [
  "mrn",
  "given_name",
  "family_name",
  "birth_date",
  "birth_date_precision",
  "phone",
  "email",
  "address.line",
  "address.city",
  "address.postal_code",
  "deceased_at",
];

/** Return the names of the fields that are hidden, wholly or in part. */
export function hiddenFields(item: object, viewer: Viewer): string[] {
  if ("masked_fields" in item && Array.isArray(item.masked_fields)) {
    return item.masked_fields as string[];
  }
  return viewer.phi_level === "full" ? [] : IDENTIFIERS;
}
