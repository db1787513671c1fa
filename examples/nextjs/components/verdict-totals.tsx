import { VERDICTS, type Verdict, type VerdictCounts, countText } from "@/lib/studies";

type Props = { counts: VerdictCounts; /** What surrounds each number, such as a link. */ isBusy?: boolean };

/** The numbers of patients by verdict. */
export function VerdictTotals({ counts, isBusy }: Props) {
  return (
    <dl className="totals" aria-busy={isBusy}>
      {Object.entries(VERDICTS).map(([verdict, { name, meaning }]) => (
        <div key={verdict} className={`total-${verdict}`} title={meaning}>
          <dt>{name}</dt>
          <dd>{countText(counts[verdict as Verdict])}</dd>
        </div>
      ))}
    </dl>
  );
}
