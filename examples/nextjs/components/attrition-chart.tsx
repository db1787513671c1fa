import type { Schemas } from "@trially/client";

import { type VerdictCounts, countText, leftOf } from "@/lib/studies";

type Props = { attrition: Schemas["Attrition"]; /** The criteria in words, in their order. */ statements: readonly string[] };

const ROW = 46;
const BAR = 16;
const BAR_TOP = 24;
const SHORT = 33;
const LONG = 96;

interface Row {
  label: string;
  eligible: number;
  potential: number;
  left: string;
  lost: string;
}

/** How each criterion leaves fewer patients: bars, and the same numbers as a table. */
export function AttritionChart({ attrition, statements }: Props) {
  const all = attrition.patients ?? 0;
  const rows = rowsOf(attrition, statements);
  const last = rows.at(-1);
  return (
    <figure className="attrition">
      <svg width="100%" height={rows.length * ROW} role="img" aria-labelledby="attrition-title attrition-text">
        <title id="attrition-title">Patients left after each criterion</title>
        <desc id="attrition-text">
          {`Of ${countText(attrition.patients)} patients, ${last?.left ?? 0} are left after all criteria. The table below has all numbers.`}
        </desc>
        {rows.map((row, index) => (
          <g key={index} transform={`translate(0 ${index * ROW})`}>
            <text y="15" className="wide">
              {shortened(row.label, LONG)}
            </text>
            <text y="15" className="narrow">
              {shortened(row.label, SHORT)}
            </text>
            <text y="15" x="100%" textAnchor="end">
              <tspan className="lost">{row.lost}</tspan>
              <tspan className="left" dx={row.lost ? 8 : 0}>
                {row.left}
              </tspan>
            </text>
            <rect y={BAR_TOP} width="100%" height={BAR} rx="4" className="bar-all" />
            <rect y={BAR_TOP} width={percent(row.eligible + row.potential, all)} height={BAR} rx="4" className="bar-potential" />
            <rect y={BAR_TOP} width={percent(row.eligible, all)} height={BAR} rx="4" className="bar-eligible" />
          </g>
        ))}
      </svg>
      <figcaption className="legend">
        <span className="key-eligible">Eligible so far</span>
        <span className="key-potential">Not decided for them</span>
        <span className="key-all">Ruled out</span>
      </figcaption>
      <details>
        <summary>The same as a table</summary>
        <div className="table-frame">
          <table>
            <caption className="for-readers">Patients left after each criterion</caption>
            <thead>
              <tr>
                <th scope="col">Criterion</th>
                <th scope="col" className="number">
                  Eligible
                </th>
                <th scope="col" className="number">
                  Not decided
                </th>
                <th scope="col" className="number">
                  Left without it
                </th>
              </tr>
            </thead>
            <tbody>
              {attrition.criteria.map((step, index) => (
                <tr key={index}>
                  <th scope="row" className="wraps">
                    {labelOf(step.kind, statements[index])}
                  </th>
                  <td className="number">{countText(step.remaining?.eligible)}</td>
                  <td className="number">{countText(step.remaining?.potential)}</td>
                  <td className="number">{countText(leftOf(step.without))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

function rowsOf({ patients, criteria }: Schemas["Attrition"], statements: readonly string[]): Row[] {
  const rows: Row[] = [{ label: "All living patients", eligible: patients ?? 0, potential: 0, left: countText(patients), lost: "" }];
  let before = patients ?? undefined;
  criteria.forEach(({ kind, remaining }, index) => {
    const left = leftOf(remaining);
    const lost = before !== undefined && left !== undefined ? before - left : 0;
    const { eligible, potential } = remaining ?? ({} as VerdictCounts);
    rows.push({
      label: labelOf(kind, statements[index]),
      eligible: eligible ?? 0,
      potential: potential ?? 0,
      left: countText(left),
      lost: lost > 0 ? `−${countText(lost)}` : "",
    });
    before = left ?? before;
  });
  return rows;
}

function labelOf(kind: string | undefined, statement: string | undefined): string {
  return kind === "exclusion" ? `Not: ${statement ?? ""}` : (statement ?? "");
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text;
}

function percent(count: number, all: number): string {
  return all > 0 ? `${(100 * count) / all}%` : "0";
}
