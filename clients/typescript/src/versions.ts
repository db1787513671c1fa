/** Versions of records: If-Match, conflicts, and what two people changed. */

import { ProblemError } from "./errors.js";

/**
 * Return the If-Match header for what was read: an answer that shows one record, or a row of a list that has an `etag`.
 * Throws `TypeError` if it has no version.
 */
export function ifMatch(read: { version?: string | null } | { etag?: string | null }): { "If-Match": string } {
  const tag = ("version" in read && read.version) || ("etag" in read && read.etag);
  if (!tag) {
    throw new TypeError("This has no version. Read the single record.");
  }
  return { "If-Match": tag };
}

/** Return whether someone else changed the record after it was read (412). */
export function isVersionConflict(error: unknown): error is ProblemError {
  return error instanceof ProblemError && error.status === 412;
}

/** A field that two people changed differently. */
export interface FieldConflict {
  field: string;
  /** The value that both had read. */
  base: unknown;
  mine: unknown;
  theirs: unknown;
}

/** What remains of a change after someone else's. */
export interface Comparison<Change> {
  /** The fields of `mine` that still differ from theirs: the merge patch to send if mine wins. */
  patch: Partial<Change>;
  /** The fields that both changed, to different values. */
  conflicts: FieldConflict[];
  /** The fields that only the other person changed. */
  theirs: string[];
}

/**
 * Compare a merge patch with a record that someone else changed. `base` is the record as it was read, `mine` the
 * patch, `theirs` the record as it is now. `fields` are the ones to compare; the default is those of the patch.
 */
export function compareVersions<Change extends object>(
  base: object,
  mine: Change,
  theirs: object,
  fields: readonly string[] = Object.keys(mine),
): Comparison<Change> {
  const [was, wanted, is] = [base, mine, theirs] as Record<string, unknown>[] as [Values, Values, Values];
  const comparison = { patch: {} as Values, conflicts: [] as FieldConflict[], theirs: [] as string[] };
  for (const field of new Set([...fields, ...Object.keys(mine)])) {
    const isMine = field in wanted && !isSame(wanted[field], was[field]);
    const isTheirs = !isSame(is[field], was[field]);
    if (isMine && !isSame(wanted[field], is[field])) {
      comparison.patch[field] = wanted[field];
      if (isTheirs) {
        comparison.conflicts.push({ field, base: was[field], mine: wanted[field], theirs: is[field] });
      }
    } else if (isTheirs) {
      comparison.theirs.push(field);
    }
  }
  return { ...comparison, patch: comparison.patch as Partial<Change> };
}

type Values = Record<string, unknown>;

function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return (one ?? null) === (other ?? null);
  }
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => isSame((one as Values)[name], (other as Values)[name]));
}
