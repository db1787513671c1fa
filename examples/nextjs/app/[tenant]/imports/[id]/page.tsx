import { formatDate } from "@trially/client";
import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { ImportCounts } from "@/components/import-counts";
import { load } from "@/lib/api";

export const metadata: Metadata = { title: "Import" };

type Props = { params: Promise<{ tenant: string; id: string }> };

/** One import: its counts, and the lines that were not imported. */
export default async function ImportPage({ params }: Props) {
  const { tenant, id } = await params;
  const path = { import_id: id };
  const [read, faults] = await Promise.all([
    load(tenant, (trially, options) => trially.GET("/api/v1/imports/{import_id}", { params: { path }, ...options })),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/imports/{import_id}/errors", { params: { path, query: { limit: 100 } }, ...options }),
    ),
  ]);
  if (read.failure) {
    return <FailureNotice failure={read.failure} />;
  }
  const { created_at, source, state, failure, counts } = read.data;
  return (
    <>
      <p className="crumb">
        <Link href={`/${tenant}/imports`} prefetch={false}>
          ← Imports
        </Link>
      </p>
      <div className="title-row">
        <h1>Import from {source}</h1>
        <p className="total">
          {formatDate(created_at, "instant", { locale: "en-US", timeZone: "UTC" })} UTC · {state}
        </p>
      </div>
      {failure && <p className="notice notice-error">{failure}</p>}
      <section className="card" aria-label="Counts">
        {Object.keys(counts ?? {}).length > 0 ? <ImportCounts counts={counts ?? {}} /> : <p className="empty">No resource was imported.</p>}
      </section>
      <h2>Lines that were not imported</h2>
      {faults.failure && <FailureNotice failure={faults.failure} />}
      {faults.data?.data.length === 0 && <p className="empty">None.</p>}
      {faults.data && faults.data.data.length > 0 && (
        <div className="table-frame">
          <table>
            <caption className="for-readers">Lines that were not imported</caption>
            <thead>
              <tr>
                <th scope="col">Line</th>
                <th scope="col">Record</th>
                <th scope="col">Reason</th>
                <th scope="col">Element</th>
              </tr>
            </thead>
            <tbody>
              {faults.data.data.map((fault) => (
                <tr key={fault.id}>
                  <th scope="row">{fault.line}</th>
                  <td>{[fault.resource_type, fault.resource_id].filter(Boolean).join("/")}</td>
                  <td>
                    {fault.reason}
                    {fault.missing_id && ` Missing: ${fault.missing_id}.`}
                  </td>
                  <td>{fault.pointer && <code>{fault.pointer}</code>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
