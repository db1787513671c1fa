/** The fields of a patient that the form shows, and how they become a merge patch. */

import type { Paths, Schemas } from "@trially/client";

type Patient = Schemas["Patient"];
type Change = Paths["/api/v1/patients/{patient_id}"]["patch"]["requestBody"]["content"]["application/merge-patch+json"];

export interface Field {
  /** The name in the API; a dot leads into an object. */
  name: string;
  label: string;
  type?: "date" | "tel" | "email" | "text";
  /** Values and their labels. */
  choices?: Record<string, string>;
  required?: boolean;
}

export const FIELDS: readonly Field[] = [
  { name: "given_name", label: "Given name", required: true },
  { name: "family_name", label: "Family name", required: true },
  { name: "birth_date", label: "Birth date", type: "date", required: true },
  { name: "sex", label: "Sex", choices: { female: "Female", male: "Male", other: "Other", unknown: "Unknown" } },
  { name: "phone", label: "Phone", type: "tel" },
  { name: "email", label: "Email", type: "email" },
  {
    name: "contact_preference",
    label: "Contact",
    choices: { ok: "May be contacted", no_sms: "No text messages", no_contact: "No contact" },
  },
  { name: "language", label: "Language" },
  { name: "address.line", label: "Street" },
  { name: "address.city", label: "City" },
  { name: "address.state", label: "State" },
  { name: "address.postal_code", label: "Postal code" },
];

/** The fields' values as the form has them: text, empty if unknown. */
export type Values = Record<string, string>;

/** Return the values of a patient. */
export function valuesOf(patient: Patient): Values {
  const address = (patient.address ?? {}) as Record<string, string | null | undefined>;
  const flat = patient as Record<string, unknown>;
  const read = ({ name }: Field) => (name.startsWith("address.") ? address[name.slice(8)] : flat[name]);
  return Object.fromEntries(FIELDS.map((field) => [field.name, String(read(field) ?? "")]));
}

/** Return the values that differ from `base`. */
export function changedValues(base: Values, values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== (base[name] ?? "")));
}

/** Return the merge patch (RFC 7396) for changed values. An empty value is null. */
export function toPatch(changed: Values): Change {
  const patch: Record<string, unknown> = {};
  const address: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(changed)) {
    if (name.startsWith("address.")) {
      address[name.slice(8)] = value || null;
    } else {
      patch[name] = value || null;
    }
  }
  return (Object.keys(address).length > 0 ? { ...patch, address } : patch) as Change;
}

/** Return the value as people read it. */
export function shownValue(name: string, value: string): string {
  const field = FIELDS.find((one) => one.name === name);
  return field?.choices?.[value] ?? value;
}

export const labelOf = (name: string) => FIELDS.find((field) => field.name === name)?.label ?? name;
