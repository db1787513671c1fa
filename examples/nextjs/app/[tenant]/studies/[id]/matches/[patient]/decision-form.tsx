"use client";

import type { Schemas } from "@trially/client";
import { useActionState } from "react";

import { FailureNotice } from "@/components/failure-notice";

import { type DecideState, decide } from "./decide-action";

type Props = {
  tenant: string;
  study: string;
  patient: string;
  decision: Pick<Schemas["MatchDecision"], "decision" | "reason"> | undefined;
  mayDecide: boolean;
};

const NAMES = { included: "Included", excluded: "Left out" } as const;

/** What a person decided about the patient, whatever the criteria say, and the form to decide it. */
export function DecisionForm({ tenant, study, patient, decision, mayDecide }: Props) {
  const [{ failure, outcome }, action, isPending] = useActionState<DecideState, FormData>(decide.bind(null, tenant, study, patient), {});
  return (
    <form action={action} className="form decision">
      <h3>Decision</h3>
      {failure && <FailureNotice failure={failure} />}
      {decision ? (
        <p>
          <b>{NAMES[decision.decision]}</b>: {decision.reason ?? "the reason is hidden from you"}
        </p>
      ) : (
        <p className="found">Nobody has decided. The criteria count.</p>
      )}
      {mayDecide && (
        <>
          <label className="field">
            <span>Reason</span>
            <input name="reason" key={decision?.reason} defaultValue="" autoComplete="off" maxLength={500} />
          </label>
          <div className="actions">
            <button className="button quiet" name="decision" value="included" disabled={isPending}>
              Include
            </button>
            <button className="button quiet" name="decision" value="excluded" disabled={isPending}>
              Leave out
            </button>
            {decision && (
              <button className="button" name="decision" value="withdrawn" disabled={isPending}>
                Take back
              </button>
            )}
          </div>
        </>
      )}
      <p role="status" className="good">
        {outcome}
      </p>
    </form>
  );
}
