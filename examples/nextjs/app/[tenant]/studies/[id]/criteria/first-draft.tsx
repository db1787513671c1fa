"use client";

import { useState, useTransition } from "react";

import { FailureNotice } from "@/components/failure-notice";
import type { Failure } from "@/lib/failures";

import { createFirstDraft } from "./criteria-actions";

/** A study without a version of its protocol: it can be begun. */
export function FirstDraft({ tenant, study, mayWrite }: { tenant: string; study: string; mayWrite: boolean }) {
  const [failure, setFailure] = useState<Failure>();
  const [isPending, startTransition] = useTransition();
  return (
    <section className="card" aria-labelledby="first-draft">
      <h2 id="first-draft">No criteria yet</h2>
      {failure && <FailureNotice failure={failure} />}
      <p>The study has no version of its protocol. A draft can be tried and changed until it is activated.</p>
      {mayWrite && (
        <button
          className="button primary"
          disabled={isPending}
          onClick={() => startTransition(async () => setFailure(await createFirstDraft(tenant, study)))}
        >
          Begin a draft
        </button>
      )}
    </section>
  );
}
