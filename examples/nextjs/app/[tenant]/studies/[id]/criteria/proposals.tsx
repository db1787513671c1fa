"use client";

import type { Schemas } from "@trially/client";
import { useActionState, useState, useTransition } from "react";

import { FailureNotice, FieldMessages } from "@/components/failure-notice";
import { type Expression, boundsOf, expressionWith } from "@/lib/criteria";
import type { Failure } from "@/lib/failures";

import { BoundFields } from "./bound-fields";
import { type Decision, type ProposeState, decideProposal, propose } from "./proposal-actions";

type Proposal = Schemas["Proposal"];
type Props = { tenant: string; study: string; version: number; proposals: Proposal[] };

/** Criteria that a reader proposes for a draft, from a text. A person accepts, corrects or rejects each. */
export function Proposals({ tenant, study, version, proposals }: Props) {
  const [{ failure, outcome }, action, isReading] = useActionState<ProposeState, FormData>(propose.bind(null, tenant, study, version), {});
  const [refusal, setRefusal] = useState<Failure>();
  const [isPending, startTransition] = useTransition();
  const decide = (decision: Decision) => startTransition(async () => setRefusal(await decideProposal(tenant, study, version, decision)));
  return (
    <section className="card" aria-labelledby="proposals">
      <h2 id="proposals">Proposed criteria</h2>
      {refusal && (
          <FailureNotice failure={refusal}>
            <FieldMessages failure={refusal} />
          </FailureNotice>
        )}
      {proposals.length > 0 && (
        <ul className="proposals">
          {proposals.map((proposal) => (
            <ProposalRow key={proposal.id} proposal={proposal} isPending={isPending} onDecide={decide} />
          ))}
        </ul>
      )}
      <form action={action} className="form">
        {failure && (
          <FailureNotice failure={failure}>
            <FieldMessages failure={failure} />
          </FailureNotice>
        )}
        <label className="field">
          <span>Eligibility text</span>
          <textarea name="text" rows={4} maxLength={200_000} />
          <small>Each statement becomes a proposal. None is in force before somebody accepts it. Without a text, that of the registry is read.</small>
        </label>
        <div className="actions">
          <button className="button quiet" disabled={isReading}>
            {isReading ? "Reading…" : "Read and propose"}
          </button>
          <p role="status">{outcome}</p>
        </div>
      </form>
    </section>
  );
}

type RowProps = { proposal: Proposal; isPending: boolean; onDecide: (decision: Decision) => void };

function ProposalRow({ proposal, isPending, onDecide }: RowProps) {
  const { id, etag, kind, statement, english, reason, assumptions } = proposal;
  const [corrected, setCorrected] = useState<Expression>();
  const expression = corrected ?? (proposal.expression as Expression | null);
  return (
    <li>
      <h3>{statement}</h3>
      <p className="small">{[kind === "inclusion" ? "Must be met" : "Must not be met", `confidence ${proposal.confidence}`].join(" · ")}</p>
      <p className="sentence">{english ?? `No criterion is proposed. ${reason ?? ""}`}</p>
      {assumptions.length > 0 && <p className="small">Taken for granted: {assumptions.join(" ")}</p>}
      <BoundFields
        bounds={boundsOf(expression)}
        of={statement}
        isDisabled={isPending}
        onChange={(bound, value) => setCorrected(expressionWith(expression, bound, value))}
      />
      <div className="actions">
        <button className="button quiet" disabled={isPending} onClick={() => onDecide({ what: "accept", id, etag, expression: corrected })}>
          {corrected ? "Accept as corrected" : proposal.expression ? "Accept" : "Keep for a person"}
        </button>
        <button className="button" disabled={isPending} onClick={() => onDecide({ what: "reject", id, etag })}>
          Reject
        </button>
      </div>
    </li>
  );
}
