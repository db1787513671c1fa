"use client";

import { formatDate, type Schemas } from "@trially/client";
import Link from "next/link";
import { type ReactNode, useActionState } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { Value } from "@/components/value";
import { shownValue } from "@/lib/patient-fields";

import { type Decided, type Decision, decide } from "./decide-action";

type Pair = Schemas["DuplicatePair"];
type SideName = "patient" | "other_patient";
type Props = { tenant: string; pairs: Pair[]; mayDecide: boolean };

const REASONS: Record<string, string> = {
  same_name: "same name",
  similar_name: "similar name",
  same_given_name: "same given name",
  same_birth_date: "same birth date",
  similar_birth_date: "similar birth date",
  same_sex: "same sex",
  same_phone: "same phone",
  same_email: "same email",
  same_mrn: "same MRN",
  same_identifier: "same identifier",
  other_name: "another name",
  other_given_name: "another given name",
  other_birth_date: "another birth date",
  other_sex: "another sex",
};

/** Pairs of patients, each with what speaks for one person, and the buttons to decide. */
export function PairList({ tenant, pairs, mayDecide }: Props) {
  const [{ outcome, failure }, action, isPending] = useActionState<Decided, FormData>(decide.bind(null, tenant), {});
  return (
    <form action={action}>
      {failure && <FailureNotice failure={failure} />}
      <div role="status">
        {outcome && (
          <p className="notice notice-good">
            {outcome.text} {outcome.undo && <DecisionButton name="Undo" decision={outcome.undo} isPending={isPending} />}
          </p>
        )}
      </div>
      {pairs.length === 0 && <p className="empty">No pairs.</p>}
      {pairs.map((pair) => (
        <PairCard key={pair.id} tenant={tenant} pair={pair} mayDecide={mayDecide} isPending={isPending} />
      ))}
    </form>
  );
}

type CardProps = { tenant: string; pair: Pair; mayDecide: boolean; isPending: boolean };

function PairCard({ tenant, pair, mayDecide, isPending }: CardProps) {
  const { id, patient_id: one, other_patient_id: other } = pair;
  const mayMerge = mayDecide && pair.state === "open";
  const names = [titleOf(pair, "patient"), titleOf(pair, "other_patient")].join(" and ");
  return (
    <article className="card pair" aria-label={names}>
      <p className="small">
        {pair.reasons === null ? (
          "What speaks for one person is hidden from you."
        ) : (
          <>
            <span className="tag">{pair.score}</span> {pair.reasons.map((reason) => REASONS[reason] ?? reason).join(" · ")}
          </>
        )}
      </p>
      <div className="columns">
        <Side tenant={tenant} pair={pair} side="patient">
          {mayMerge && <DecisionButton name="Keep this record" decision={{ what: "merge", patient: other, into: one }} isPending={isPending} />}
        </Side>
        <Side tenant={tenant} pair={pair} side="other_patient">
          {mayMerge && <DecisionButton name="Keep this record" decision={{ what: "merge", patient: one, into: other }} isPending={isPending} />}
        </Side>
      </div>
      {mayDecide && (
        <div className="actions">
          {pair.state === "open" ? (
            <DecisionButton name="Different persons" decision={{ what: "dismissed", pair: id, version: pair.etag }} isPending={isPending} />
          ) : (
            <DecisionButton name="Decide again" decision={{ what: "open", pair: id, version: pair.etag }} isPending={isPending} />
          )}
        </div>
      )}
    </article>
  );
}

type SideProps = { tenant: string; pair: Pair; side: SideName; children: ReactNode };

function Side({ tenant, pair, side, children }: SideProps) {
  const patient = pair[side];
  const born = formatDate(patient.birth_date, patient.birth_date_precision, { locale: "en-US" });
  const rows = [
    ["MRN", patient.mrn ?? "", "mrn"],
    ["Born", born, "birth_date"],
    ["Sex", shownValue("sex", patient.sex ?? ""), "sex"],
    ["Phone", patient.phone ?? "", "phone"],
    ["Email", patient.email ?? "", "email"],
    ["Source", patient.source ?? "", "source"],
  ] as const;
  return (
    <section>
      <h2>
        <Link href={`/${tenant}/patients/${pair[`${side}_id`]}`} prefetch={false}>
          {titleOf(pair, side)}
        </Link>
      </h2>
      <dl className="details">
        {rows.map(([label, value, name]) => (
          <div key={name}>
            <dt>{label}</dt>
            <dd>
              <Value value={value} isHidden={isHidden(pair, side, name)} />
            </dd>
          </div>
        ))}
      </dl>
      {children}
    </section>
  );
}

type ButtonProps = { name: string; decision: Decision; isPending: boolean };

function DecisionButton({ name, decision, isPending }: ButtonProps) {
  return (
    <button className="button quiet" name="decision" value={JSON.stringify(decision)} disabled={isPending}>
      {name}
    </button>
  );
}

function titleOf(pair: Pair, side: SideName): string {
  const { family_name, given_name } = pair[side];
  const name = [family_name, given_name].filter(Boolean).join(", ");
  return name || (isHidden(pair, side, "family_name") ? "Hidden name" : "No name");
}

function isHidden(pair: Pair, side: SideName, name: string): boolean {
  const hidden: readonly string[] = pair.masked_fields;
  return hidden.includes(`${side}.${name}`);
}
