/** What the forms for a new criterion mean: its words, and its expression. */

import type { Criterion, Expression } from "@/lib/criteria";

import { MEASUREMENTS } from "./measurements";

export const FORMS = { age: "the age", diagnosis: "a diagnosis", laboratory: "a measured value", medication: "a medication" } as const;

export type FormName = keyof typeof FORMS;

type Entered = { statement: string; expression: Expression };

/** Return the criterion that a form describes, or a sentence that says what is missing. */
export function read(form: FormName, data: FormData, valueSets: readonly { key: string; name: string }[]): Criterion | string {
  const entered = READERS[form](data, valueSets);
  if (typeof entered === "string") {
    return entered;
  }
  const kind = data.get("kind") === "exclusion" ? "exclusion" : "inclusion";
  return { ...entered, kind, key: crypto.randomUUID(), evaluation: "expressed", place: null, isHard: true, weight: 1, isReviewed: false, isOn: true };
}

const READERS: Record<FormName, (data: FormData, valueSets: readonly { key: string; name: string }[]) => Entered | string> = {
  age(data) {
    const bounds = boundsIn(data);
    return bounds ? { statement: `Age ${rangeText(bounds, "years")}`, expression: { age: bounds } } : NO_BOUND;
  },
  diagnosis(data, valueSets) {
    const [valueSet, code] = [text(data, "valueset"), text(data, "code").toUpperCase()];
    if (valueSet) {
      const name = valueSets.find(({ key }) => key === valueSet)?.name ?? valueSet;
      return { statement: name, expression: { condition: { in: { valueset: [valueSet] }, status: "active" } } };
    }
    return code
      ? { statement: `Diagnosis with an ICD-10 code that begins with ${code}`, expression: { condition: { in: { icd10_prefix: [code] }, status: "active" } } }
      : "Choose a diagnosis, or enter the beginning of a code.";
  },
  laboratory(data) {
    const measurement = MEASUREMENTS[text(data, "measurement")];
    const bounds = boundsIn(data);
    if (!measurement || !bounds) {
      return NO_BOUND;
    }
    const { name, codes, unit, unitText } = measurement;
    return {
      statement: `${name} ${rangeText(bounds, unitText)}, most recent value`,
      expression: { observation: { in: { codes: codes.map((code) => `loinc|${code}`) }, value: { ...bounds, unit } } },
    };
  },
  medication(data) {
    const [code, days] = [text(data, "code"), Number(text(data, "days"))];
    if (!/^\d+$/.test(code)) {
      return "Enter the RxNorm code of a product, a number.";
    }
    return {
      statement: `Takes the product ${code} of RxNorm${days > 0 ? ` for at least ${days} days` : ""}`,
      expression: { medication: { in: { codes: [`rxnorm|${code}`] }, status: "active", ...(days > 0 && { min_days: days }) } },
    };
  },
};

const NO_BOUND = "Enter the least or the greatest value.";

function text(data: FormData, name: string): string {
  return String(data.get(name) ?? "").trim();
}

function boundsIn(data: FormData): { gte?: number; lte?: number } | undefined {
  const [least, most] = [text(data, "least"), text(data, "most")];
  const bounds = { ...(least !== "" && { gte: Number(least) }), ...(most !== "" && { lte: Number(most) }) };
  return Object.keys(bounds).length > 0 ? bounds : undefined;
}

function rangeText({ gte, lte }: { gte?: number; lte?: number }, unit: string): string {
  const range = gte === undefined ? `of at most ${lte}` : lte === undefined ? `of at least ${gte}` : `from ${gte} to ${lte}`;
  return `${range} ${unit}`.trim();
}
