"use client";

import { useId, useRef, useState } from "react";

import { type FoundCodes, findCodes } from "./criteria-actions";

type Props = { tenant: string; system: "icd10cm" | "rxnorm"; label: string; example: string };

const WAIT_MS = 250;

/** A field for a code. If its system is loaded, words find codes; else the code is typed. */
export function CodeField({ tenant, system, label, example }: Props) {
  const [found, setFound] = useState<FoundCodes>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const list = useId();

  function type(text: string) {
    clearTimeout(timer.current);
    if (text.trim().length > 1) {
      timer.current = setTimeout(async () => setFound(await findCodes(tenant, system, text.trim())), WAIT_MS);
    }
  }

  return (
    <label className="field">
      <span>{label}</span>
      <input name="code" list={list} placeholder={example} autoComplete="off" maxLength={40} onChange={({ target }) => type(target.value)} />
      <datalist id={list}>
        {found?.codes.map(({ code, display }) => (
          <option key={code} value={code}>
            {display}
          </option>
        ))}
      </datalist>
      {found && !found.isLoaded && <small>The operator has not loaded these codes, so words find nothing. Enter a code.</small>}
    </label>
  );
}
