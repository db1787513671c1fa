import type { Schemas } from "@trially/client";

type Props = { counts: Record<string, Schemas["Count"]> };

/** What an import read, by type of resource. */
export function ImportCounts({ counts }: Props) {
  const rows = Object.entries(counts).sort(([one], [other]) => one.localeCompare(other));
  if (rows.length === 0) {
    return null;
  }
  const text = (value: number) => value.toLocaleString("en-US");
  return (
    <table className="counts">
      <caption className="for-readers">Imported resources</caption>
      <thead>
        <tr>
          <th scope="col">Resource</th>
          <th scope="col">Read</th>
          <th scope="col">New</th>
          <th scope="col">Changed</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([type, count]) => (
          <tr key={type}>
            <th scope="row">{type}</th>
            <td>{text(count.read)}</td>
            <td>{text(count.new)}</td>
            <td>{text(count.changed)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
