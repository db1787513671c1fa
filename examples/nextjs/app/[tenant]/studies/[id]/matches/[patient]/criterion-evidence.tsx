import { formatDate, type Schemas } from "@trially/client";

import { unitText } from "@/lib/criteria";
import { words } from "@/lib/studies";

import { standingOf } from "./results";

type Leaf = NonNullable<Schemas["CriterionResult"]["leaves"]>[number];
type EvidenceRecord = Schemas["EvidenceRecord"];
type Props = { result: Schemas["CriterionResult"]; statement: string; names: ReadonlyMap<string, string> };

const MOST_RECORDS = 4;

const STANDINGS = {
  passes: { mark: "✓", text: "Fits" },
  fails: { mark: "✕", text: "Rules out" },
  open: { mark: "?", text: "Not decided" },
} as const;

const SYSTEMS: Record<string, string> = {
  "http://snomed.info/sct": "SNOMED CT",
  "http://loinc.org": "LOINC",
  "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
  "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
  "http://hl7.org/fhir/sid/icd-10": "ICD-10",
};

/** One criterion: what it says of the patient, and the records or the reason. */
export function CriterionEvidence({ result, statement, names }: Props) {
  const standing = standingOf(result);
  const { mark, text } = STANDINGS[standing];
  const isForOthers = result.outcome === "not_applicable";
  const ways = standing === "passes" ? [] : waysOf(result);
  return (
    <li className={`result result-${standing}`}>
      <span className="mark" aria-hidden="true">
        {mark}
      </span>
      <div>
        <h3>{result.kind === "exclusion" ? `Not: ${statement}` : statement}</h3>
        <p className="small">{isForOthers ? "Asked of other patients only" : text}</p>
        {result.sentence && <p className="sentence">{result.sentence}</p>}
        {!isForOthers && (result.leaves ?? []).map((leaf, index) => <LeafEvidence key={index} leaf={leaf} names={names} />)}
        {ways.length > 0 && (
          <details>
            <summary>What would change it</summary>
            <ul className="ways">
              {ways.map((way) => (
                <li key={way}>{way}</li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </li>
  );
}

/** Return what would satisfy a criterion. Each sentence is enough. */
function waysOf({ alternatives = [] }: Props["result"]): string[] {
  const ways = alternatives.map(({ changes = [] }) => changes.map(({ text }) => text).join(" And: "));
  return [...new Set(ways.filter(Boolean))];
}

function LeafEvidence({ leaf, names }: { leaf: Leaf; names: ReadonlyMap<string, string> }) {
  const records = leaf.records ?? [];
  const more = (leaf.record_count ?? records.length) - MOST_RECORDS;
  if (records.length === 0 && !leaf.reason_text) {
    return null;
  }
  return (
    <>
      {leaf.reason_text && <p className="reason">{leaf.reason_text}</p>}
      {records.length > 0 && (
        <ul className="records">
          {records.slice(0, MOST_RECORDS).map((record) => (
            <li key={record.id}>
              <span>
                {names.get(record.id ?? "") || codeText(record)}
                <small>{[names.get(record.id ?? "") && codeText(record), record.status && words(record.status)].filter(Boolean).join(" · ")}</small>
              </span>
              <span className="row-end">
                <b>{valueText(record)}</b>
                <small>{dayText(record)}</small>
              </span>
            </li>
          ))}
          {more > 0 && (
            <li>
              <small>{`and ${more} more`}</small>
            </li>
          )}
        </ul>
      )}
    </>
  );
}

function codeText({ code, code_system: system, type }: EvidenceRecord): string {
  const name = SYSTEMS[system ?? ""];
  return code ? [name, code].filter(Boolean).join(" ") : words(type ?? "record");
}

function valueText({ value_number: number, comparator, unit, value_code: code, ...record }: EvidenceRecord): string {
  if (!number) {
    return code ?? "";
  }
  const value = `${comparator ?? ""}${Number(number)} ${unitText(unit ?? "")}`.trim();
  const { converted_number: converted, converted_unit: convertedUnit } = record;
  return converted ? `${value} = ${Number(Number(converted).toPrecision(3))} ${unitText(convertedUnit ?? "")}`.trim() : value;
}

function dayText({ start_at: start, start_precision: precision }: EvidenceRecord): string {
  return start ? formatDate(start, precision === "instant" ? "day" : precision, { locale: "en-US", timeZone: "UTC" }) : "Date unknown";
}
