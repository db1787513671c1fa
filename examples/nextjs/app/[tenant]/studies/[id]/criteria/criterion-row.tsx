"use client";

import { type Criterion, asksAPerson, boundsOf, withBound } from "@/lib/criteria";
import { type Step, type VerdictCounts, countText, leftOf } from "@/lib/studies";

import { BoundFields } from "./bound-fields";

type Props = {
  criterion: Criterion;
  step: Step | undefined;
  totals: VerdictCounts | undefined;
  isCounting: boolean;
  onChange: (criterion: Criterion) => void;
  onRemove: () => void;
};

/** One criterion: its words, a switch, the bounds that can be changed, and what it does to the numbers. */
export function CriterionRow({ criterion, step, totals, isCounting, onChange, onRemove }: Props) {
  const { statement, expression, isOn } = criterion;
  return (
    <li className={isOn ? "criterion" : "criterion is-off"}>
      <label className="switch">
        <input type="checkbox" role="switch" checked={isOn} onChange={({ target }) => onChange({ ...criterion, isOn: target.checked })} />
        <span>{statement}</span>
      </label>
      {asksAPerson(criterion) && <span className="tag state-running">{expression === null ? "a person decides" : "asks a person about some"}</span>}
      {step?.sentence && isOn && <p className="sentence">{step.sentence}</p>}
      <BoundFields bounds={boundsOf(expression)} of={statement} isDisabled={!isOn} onChange={(bound, value) => onChange(withBound(criterion, bound, value))} />
      <div className="criterion-end">
        <p className="small figure" aria-busy={isCounting}>
          {step && <Effect step={step} totals={totals} isOn={isOn} />}
        </p>
        <button className="link" onClick={onRemove} aria-label={`Remove: ${statement}`}>
          Remove
        </button>
      </div>
    </li>
  );
}

function Effect({ step, totals, isOn }: { step: Step; totals: VerdictCounts | undefined; isOn: boolean }) {
  const [without, left] = [leftOf(step.without), leftOf(totals)];
  const more = without !== undefined && left !== undefined ? without - left : 0;
  return (
    <>
      <span>{countText(step.passes)} pass</span>
      <span>{countText(step.fails)} ruled out</span>
      {step.undecided !== 0 && <span>{countText(step.undecided)} not decided</span>}
      {isOn && more > 0 && <b>{`+${countText(more)} without it`}</b>}
    </>
  );
}
