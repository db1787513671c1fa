/** Criteria as the editor has them: their expressions, and the bounds that can be changed in them. */

import type { Schemas } from "@trially/client";

export type Expression = Record<string, unknown>;

export interface Criterion {
  /** Tells the criteria of the editor apart. It is the `key` of those that are stored. */
  key: string;
  kind: "inclusion" | "exclusion";
  statement: string;
  expression: Expression | null;
  evaluation: NonNullable<Schemas["Criterion"]["evaluation"]>;
  place: Schemas["Place"] | null;
  isHard: boolean;
  weight: number;
  isReviewed: boolean;
  isOn: boolean;
}

/** A number in an expression that a person may change. */
export interface Bound {
  /** Where it is in the expression. */
  path: readonly (string | number)[];
  label: string;
  unit: string;
  value: number;
}

const COMPARISONS: Record<string, string> = { gte: "At least", gt: "More than", lte: "At most", lt: "Less than" };
const AGE_UNITS: Record<string, string> = { a: "years", mo: "months", wk: "weeks", d: "days" };
const FOR_A_PERSON = ["manual", "unsupported"];

/** Return a criterion of the API as the editor has it. */
export function toCriterion(stored: Schemas["Criterion"]): Criterion {
  return {
    key: stored.key ?? "",
    kind: stored.kind,
    statement: stored.statement ?? "",
    expression: stored.expression ?? null,
    evaluation: stored.evaluation ?? "not_expressed",
    place: stored.place ?? null,
    isHard: stored.is_hard ?? true,
    weight: stored.weight ?? 1,
    isReviewed: stored.review_state === "reviewed",
    isOn: true,
  };
}

/** Return all objects in an expression, with the paths to them. */
function* objectsIn(value: unknown, path: readonly (string | number)[] = []): Generator<[Expression, readonly (string | number)[]]> {
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) {
      yield* objectsIn(one, [...path, index]);
    }
  } else if (value !== null && typeof value === "object") {
    yield [value as Expression, path];
    for (const [name, one] of Object.entries(value)) {
      yield* objectsIn(one, [...path, name]);
    }
  }
}

/** Return the bounds of ages and measured values in an expression. */
export function boundsOf(expression: Expression | null): Bound[] {
  const bounds: Bound[] = [];
  for (const [object, path] of objectsIn(expression)) {
    const name = path.at(-1);
    if (name === "age" || name === "value") {
      const unit = String(object.unit ?? (name === "age" ? "a" : ""));
      for (const [comparison, label] of Object.entries(COMPARISONS)) {
        const value = Number(object[comparison]);
        if (object[comparison] !== undefined && Number.isFinite(value)) {
          bounds.push({ path: [...path, comparison], label, unit: name === "age" ? (AGE_UNITS[unit] ?? unit) : unitText(unit), value });
        }
      }
    }
  }
  return bounds;
}

/** Return a UCUM unit as people write it. */
export function unitText(unit: string): string {
  const known: Record<string, string> = { "1": "", "mm[Hg]": "mmHg", "mL/min/{1.73_m2}": "mL/min/1.73 m²", "kg/m2": "kg/m²", "10*3/uL": "10³/µL", "{score}": "points" };
  return known[unit] ?? unit.replace(/\{.*?\}/g, "");
}

/** Return a criterion with another bound, in its expression and in its statement. */
export function withBound(criterion: Criterion, bound: Bound, value: number): Criterion {
  const expression = expressionWith(criterion.expression, bound, value);
  // The statement is no longer the text of the document.
  return { ...criterion, expression, statement: restated(criterion.statement, bound.value, value), place: null, isReviewed: false };
}

/** Return an expression with another bound. */
export function expressionWith(expression: Expression | null, bound: Bound, value: number): Expression {
  return replaceAt(expression, bound.path, value) as Expression;
}

function replaceAt(value: unknown, [name, ...rest]: readonly (string | number)[], replacement: unknown): unknown {
  if (name === undefined) {
    return replacement;
  }
  if (Array.isArray(value)) {
    return value.map((one, index) => (index === name ? replaceAt(one, rest, replacement) : one));
  }
  const object = value as Expression;
  return { ...object, [name]: replaceAt(object[name], rest, replacement) };
}

/** Return a statement with another number. Without the former number in it, the new one is added. */
function restated(statement: string, before: number, after: number): string {
  let isDone = false;
  const text = statement.replace(/(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?![\w])/g, (written) => {
    if (isDone || Number(written.replaceAll(",", "")) !== before) {
      return written;
    }
    isDone = true;
    return String(after);
  });
  return isDone ? text : `${statement.replace(/ \(bound: [^)]*\)$/, "")} (bound: ${after})`;
}

/** Return whether a person decides a criterion, for all patients or for some. */
export function asksAPerson({ expression }: Pick<Criterion, "expression">): boolean {
  return expression === null || [...objectsIn(expression)].some(([object]) => FOR_A_PERSON.some((name) => name in object));
}

/** Return a criterion as `PUT …/criteria` takes it. `id` is that of the stored criterion that it replaces. */
export function toBody(criterion: Criterion, id: string | undefined): Schemas["CriteriaBody"]["criteria"][number] {
  return {
    ...(id && { id }),
    kind: criterion.kind,
    statement: criterion.statement,
    expression: criterion.expression,
    evaluation: criterion.evaluation,
    place: criterion.place,
    is_hard: criterion.isHard,
    weight: criterion.weight,
    // Whoever saves the list has read it.
    review_state: "reviewed",
  };
}

/** Return a criterion as `POST …/preview` takes it. */
export function toPreview({ kind, statement, expression, isHard, weight }: Criterion): Schemas["PreviewedCriterion"] {
  return { kind, statement, expression, is_hard: isHard, weight };
}
