"use client";

import type { Schemas } from "@trially/client";
import { useRef, useState, useTransition } from "react";

import { AttritionChart } from "@/components/attrition-chart";
import { FailureNotice, FieldMessages } from "@/components/failure-notice";
import { VerdictTotals } from "@/components/verdict-totals";
import type { Criterion } from "@/lib/criteria";
import type { Failure } from "@/lib/failures";

import { AddCriterion, type ValueSet } from "./add-criterion";
import { type Version, advance, preview, save } from "./criteria-actions";
import { CriterionRow } from "./criterion-row";

type Props = {
  tenant: string;
  study: string;
  version: Version;
  stored: Criterion[];
  /** The numbers for the stored list; undefined if the person may not count. */
  first: Schemas["Attrition"] | undefined;
  valueSets: ValueSet[];
  mayWrite: boolean;
  mayApprove: boolean;
};

/** A list of criteria whose changes are counted at once. Only "Save" stores them. */
export function Editor({ tenant, study, version, first, valueSets, mayWrite, mayApprove, ...props }: Props) {
  // The page is read again after each decision about a proposal. The list that was begun with stays.
  const [stored] = useState(props.stored);
  const [criteria, setCriteria] = useState(stored);
  const [attrition, setAttrition] = useState(first);
  const [failure, setFailure] = useState<Failure>();
  const [isCounting, startCounting] = useTransition();
  const [isSaving, startSaving] = useTransition();
  const latest = useRef(0);
  const isChanged = criteria !== stored;
  const isFrozen = version.status === "active" || version.status === "superseded";

  function change(changed: Criterion[]) {
    setCriteria(changed);
    const request = ++latest.current;
    startCounting(async () => {
      const counted = await preview(tenant, study, version.number, changed);
      // An answer to an earlier change says nothing about this list.
      if (request === latest.current) {
        setFailure(counted.failure);
        setAttrition(counted.attrition ?? attrition);
      }
    });
  }

  function put(criterion: Criterion) {
    change(criteria.map((one) => (one.key === criterion.key ? criterion : one)));
  }

  const statements = criteria.map(({ statement }) => statement);
  const steps = attrition?.criteria.length === criteria.length ? attrition.criteria : [];
  return (
    <div className="columns editor">
      <section aria-labelledby="criteria">
        <h2 id="criteria" className="for-readers">
          Criteria
        </h2>
        {failure && (
          <FailureNotice failure={failure}>
            <FieldMessages failure={failure} />
          </FailureNotice>
        )}
        {(["inclusion", "exclusion"] as const).map((kind) => (
          <section key={kind} className="card criteria" aria-labelledby={kind}>
            <h2 id={kind}>{kind === "inclusion" ? "Patients must meet" : "Patients must not meet"}</h2>
            {criteria.every((one) => one.kind !== kind) && <p className="empty">No criteria.</p>}
            <ul>
              {criteria.map(
                (criterion, position) =>
                  criterion.kind === kind && (
                    <CriterionRow
                      key={criterion.key}
                      criterion={criterion}
                      step={steps[position]}
                      totals={attrition?.counts}
                      isCounting={isCounting}
                      onChange={put}
                      onRemove={() => change(criteria.filter(({ key }) => key !== criterion.key))}
                    />
                  ),
              )}
            </ul>
          </section>
        ))}
        <AddCriterion tenant={tenant} valueSets={valueSets} onAdd={(criterion) => change([...criteria, criterion])} />
      </section>
      <aside className="card counting" aria-labelledby="counted">
        <h2 id="counted">Patients with these criteria</h2>
        {attrition ? (
          <>
            <div role="status">
              <VerdictTotals counts={attrition.counts} isBusy={isCounting} />
            </div>
            <AttritionChart attrition={on(attrition)} statements={statements.filter((_, position) => criteria[position]?.isOn)} />
          </>
        ) : (
          <p className="empty">You may not count patients.</p>
        )}
        <div className="actions">
          {mayWrite && (isChanged || isFrozen) && (
            <button
              className="button primary"
              disabled={isSaving || !isChanged}
              onClick={() => startSaving(async () => setFailure(await save(tenant, study, version, criteria)))}
            >
              {isFrozen ? "Save as a draft" : "Save"}
            </button>
          )}
          {isChanged && (
            <button className="button quiet" disabled={isSaving} onClick={() => change(stored)}>
              Discard changes
            </button>
          )}
          {!isChanged && !isFrozen && (version.status === "draft" ? mayWrite : mayApprove) && (
            <button className="button primary" disabled={isSaving} onClick={() => startSaving(async () => setFailure(await advance(tenant, study, version)))}>
              {version.status === "draft" ? "Submit for review" : "Activate"}
            </button>
          )}
        </div>
        <p className="small">
          {isFrozen ? "This version never changes. What you try here is counted, and can be saved as a draft." : "What you try here is counted. It is stored when you save it."}
          {criteria.some(({ isOn }) => !isOn) && " Criteria that are switched off are not saved."}
        </p>
      </aside>
    </div>
  );
}

/** Return the numbers of the criteria that are switched on. */
function on(attrition: Schemas["Attrition"]): Schemas["Attrition"] {
  return { ...attrition, criteria: attrition.criteria.filter(({ is_on: isOn }) => isOn) };
}
