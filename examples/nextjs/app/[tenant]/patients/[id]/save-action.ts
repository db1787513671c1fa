"use server";

import { type FieldConflict, ProblemError, compareVersions, isVersionConflict } from "@trially/client";
import { revalidatePath } from "next/cache";
import { redirect } from "next/navigation";

import { clientOf, load } from "@/lib/api";
import { type Failure, toFailure } from "@/lib/failures";
import { FIELDS, type Values, changedValues, toPatch, valuesOf } from "@/lib/patient-fields";

export interface SaveState {
  /** The version and the values that the next change is based on. */
  version: string;
  base: Values;
  /** What the form shows. */
  values: Values;
  outcome?: "saved" | "unchanged";
  failure?: Failure;
  conflict?: Conflict;
}

/** Someone else saved the patient first. */
export interface Conflict {
  /** Fields that both changed. The person chooses for each. */
  fields: FieldConflict[];
  /** The labels' names of fields that only the other person changed. Theirs stay. */
  theirs: string[];
  /** My other changes, which do not contradict theirs. */
  mine: Values;
}

/** Save what the person changed, if nobody else has changed the patient since it was read. */
export async function save(tenant: string, id: string, before: SaveState, form: FormData): Promise<SaveState> {
  const { version, base } = before;
  const values = before.conflict ? chosenValues(before, before.conflict, form) : enteredValues(base, form);
  const changed = changedValues(base, values);
  if (Object.keys(changed).length === 0) {
    return { version, base, values, outcome: "unchanged" };
  }
  const trially = await clientOf(tenant);
  const path = { patient_id: id };
  try {
    const saved = await trially.PATCH("/api/v1/patients/{patient_id}", {
      params: { path, header: { "If-Match": version } },
      body: toPatch(changed),
    });
    const now = valuesOf(saved.data);
    revalidatePath(`/${tenant}/patients/${id}`);
    return { version: saved.version ?? "", base: now, values: now, outcome: "saved" };
  } catch (error) {
    if (!(error instanceof ProblemError)) {
      throw error;
    }
    if (error.status === 401) {
      redirect("/?reason=ended");
    }
    if (!isVersionConflict(error)) {
      return { version, base, values, failure: toFailure(error) };
    }
  }
  const now = await load(tenant, (client) => client.GET("/api/v1/patients/{patient_id}", { params: { path } }));
  return now.failure
    ? { version, base, values, failure: now.failure }
    : resolve(base, changed, valuesOf(now.data), now.version ?? "");
}

/** Return the state in which the person decides between both changes. */
function resolve(base: Values, mine: Values, theirs: Values, version: string): SaveState {
  const names = FIELDS.map(({ name }) => name);
  const comparison = compareVersions(base, mine, theirs, names);
  const patch = comparison.patch as Values;
  const conflicting = new Set(comparison.conflicts.map(({ field }) => field));
  const others = Object.fromEntries(Object.entries(patch).filter(([name]) => !conflicting.has(name)));
  return {
    version,
    base: theirs,
    values: { ...theirs, ...patch },
    conflict: { fields: comparison.conflicts, theirs: comparison.theirs, mine: others },
  };
}

function enteredValues(base: Values, form: FormData): Values {
  // A hidden field is not in the form, and keeps its value.
  return Object.fromEntries(FIELDS.map(({ name }) => [name, String(form.get(name) ?? base[name] ?? "").trim()]));
}

function chosenValues({ base, values }: SaveState, conflict: Conflict, form: FormData): Values {
  if (form.get("discard")) {
    return base;
  }
  const refused = conflict.fields.filter(({ field }) => form.get(`choice-${field}`) !== "mine");
  return { ...values, ...Object.fromEntries(refused.map(({ field }) => [field, base[field] ?? ""])) };
}
