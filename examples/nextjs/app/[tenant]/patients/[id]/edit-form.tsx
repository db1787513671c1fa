"use client";

import { useActionState, useEffect, useRef } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { FIELDS, type Field, type Values, labelOf, shownValue } from "@/lib/patient-fields";

import { type Conflict, type SaveState, save } from "./save-action";

type Props = { tenant: string; id: string; version: string; base: Values; hidden: readonly string[]; precision: string | null };

/** The form of a patient. After a version conflict, it asks which change to keep. */
export function EditForm({ tenant, id, version, base, hidden, precision }: Props) {
  const start: SaveState = { version, base, values: base };
  const [state, action, isPending] = useActionState(save.bind(null, tenant, id), start);
  if (state.conflict) {
    return <ConflictForm conflict={state.conflict} action={action} isPending={isPending} />;
  }
  const { failure, outcome, values } = state;
  return (
    <form action={action} className="form">
      {failure && <FailureNotice failure={failure} />}
      <div className="fields">
        {FIELDS.map((field) => (
          <Entry
            key={field.name}
            field={field}
            value={values[field.name] ?? ""}
            isHidden={hidden.includes(field.name)}
            fault={failure?.fields[field.name]}
            hint={field.name === "birth_date" && precision && precision !== "day" ? `Only the ${precision} is known.` : undefined}
          />
        ))}
      </div>
      <div className="actions">
        <button className="button primary" disabled={isPending}>
          {isPending ? "Saving…" : "Save"}
        </button>
        <p role="status">
          {outcome === "saved" && <span className="good">Saved.</span>}
          {outcome === "unchanged" && "Nothing has changed."}
        </p>
      </div>
    </form>
  );
}

type EntryProps = { field: Field; value: string; isHidden: boolean; fault: string | undefined; hint: string | undefined };

function Entry({ field: { name, label, type = "text", choices, required }, value, isHidden, fault, hint }: EntryProps) {
  const note = fault ?? hint;
  const attributes = {
    id: name,
    defaultValue: value,
    "aria-invalid": fault ? true : undefined,
    "aria-describedby": note ? `${name}-note` : undefined,
  };
  return (
    <div className="field">
      <label htmlFor={name}>{label}</label>
      {isHidden ? (
        <input id={name} value={value ? `${value} (partly hidden)` : "Hidden"} readOnly className="hidden-input" aria-description="Your PHI level does not show this field." />
      ) : choices ? (
        // React does not reset a select to a new default, so a new value makes a new one.
        <select key={value} name={name} {...attributes}>
          {!(value in choices) && <option value={value}>{value || "Not known"}</option>}
          {Object.entries(choices).map(([choice, text]) => (
            <option key={choice} value={choice}>
              {text}
            </option>
          ))}
        </select>
      ) : (
        <input name={name} type={type} required={required && value !== ""} autoComplete="off" {...attributes} />
      )}
      {note && (
        <small id={`${name}-note`} className={fault ? "fault" : undefined}>
          {note}
        </small>
      )}
    </div>
  );
}

type ConflictProps = { conflict: Conflict; action: (form: FormData) => void; isPending: boolean };

function ConflictForm({ conflict, action, isPending }: ConflictProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const { fields, theirs, mine } = conflict;
  return (
    <form action={action} className="form conflict">
      <div className="notice notice-warning" role="alert">
        <h3 ref={heading} tabIndex={-1}>
          Someone else changed this patient
        </h3>
        <p>{fields.length > 0 ? "You both changed the fields below. Choose what to keep." : "They changed other fields than you, so both changes can stay."}</p>
      </div>
      {fields.map(({ field, base, mine: own, theirs: other }) => (
        <fieldset key={field}>
          <legend>{labelOf(field)}</legend>
          <Choice field={field} side="theirs" title="Theirs, saved already" value={other} isDefault />
          <Choice field={field} side="mine" title="Mine" value={own} />
          <p className="small">When you opened the page: {shown(field, base)}</p>
        </fieldset>
      ))}
      <Listed title="They also changed, and it stays" names={theirs} />
      <Listed title="You also changed, and it will be saved" names={Object.keys(mine)} values={mine} />
      <div className="actions">
        <button className="button primary" disabled={isPending}>
          {isPending ? "Saving…" : "Save this choice"}
        </button>
        <button className="button quiet" name="discard" value="1" disabled={isPending}>
          Discard my changes
        </button>
      </div>
    </form>
  );
}

type ChoiceProps = { field: string; side: string; title: string; value: unknown; isDefault?: boolean };

function Choice({ field, side, title, value, isDefault }: ChoiceProps) {
  return (
    <label className="choice">
      <input type="radio" name={`choice-${field}`} value={side} defaultChecked={isDefault} />
      <span>
        <small>{title}</small>
        {shown(field, value)}
      </span>
    </label>
  );
}

function Listed({ title, names, values }: { title: string; names: string[]; values?: Values }) {
  if (names.length === 0) {
    return null;
  }
  const texts = names.map((name) => (values ? `${labelOf(name)}: ${shown(name, values[name])}` : labelOf(name)));
  return (
    <p className="small">
      {title}: {texts.join(", ")}.
    </p>
  );
}

function shown(field: string, value: unknown): string {
  return shownValue(field, String(value ?? "")) || "(empty)";
}
