"use client";

import type { Bound } from "@/lib/criteria";

type Props = { bounds: Bound[]; /** What the bounds belong to, for screen readers. */ of: string; isDisabled: boolean; onChange: (bound: Bound, value: number) => void };

/** The numbers of a criterion that can be changed. An entry counts when the person leaves the field. */
export function BoundFields({ bounds, of, isDisabled, onChange }: Props) {
  if (bounds.length === 0) {
    return null;
  }
  return (
    <div className="bounds">
      {bounds.map((bound) => (
        <label key={`${bound.path.join(" ")} ${bound.value}`}>
          <span>{bound.label}</span>
          <input
            type="number"
            step="any"
            defaultValue={bound.value}
            disabled={isDisabled}
            aria-label={`${bound.label}: ${of}`}
            onBlur={({ target }) => {
              const value = target.valueAsNumber;
              if (Number.isFinite(value) && value !== bound.value) {
                onChange(bound, value);
              }
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter") {
                event.preventDefault();
                event.currentTarget.blur();
              }
            }}
          />
          <span>{bound.unit}</span>
        </label>
      ))}
    </div>
  );
}
