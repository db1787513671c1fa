import { formatDate, type Schemas } from "@trially/client";
import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { load, loadMe } from "@/lib/api";

import { UploadForm } from "./upload-form";

export const metadata: Metadata = { title: "Imports" };

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<{ cursor?: string }> };

const STATES: Record<string, string> = { running: "Running", done: "Done", failed: "Failed", stopped: "Out of time", deleting: "Being deleted" };

/** The form for a new import, and the list of earlier ones. */
export default async function Imports({ params, searchParams }: Props) {
  const { tenant } = await params;
  const { cursor } = await searchParams;
  const [{ data: me }, sources, list] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) => trially.GET("/api/v1/sources", { params: { query: { sort: "name", limit: 200 } }, ...options })),
    load(tenant, (trially, options) => trially.GET("/api/v1/imports", { params: { query: { cursor, limit: 15 } }, ...options })),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  return (
    <>
      <div className="title-row">
        <h1>Imports</h1>
      </div>
      {me.permissions.includes("imports:write") ? (
        <UploadForm tenant={tenant} sources={(sources.data?.data ?? []).map(({ name }) => name)} />
      ) : (
        <p className="notice">
          You may see imports, but not start one. That needs the permission <code>imports:write</code>.
        </p>
      )}
      <h2>Earlier imports</h2>
      {list.failure ? <FailureNotice failure={list.failure} /> : <ImportTable tenant={tenant} imports={list.data.data} />}
      <nav className="pages" aria-label="Pages of the list">
        {cursor && <Link href={`/${tenant}/imports`}>← First page</Link>}
        {list.data?.page.next && <Link href={`/${tenant}/imports?cursor=${encodeURIComponent(list.data.page.next)}`}>Next page →</Link>}
      </nav>
    </>
  );
}

function ImportTable({ tenant, imports }: { tenant: string; imports: Schemas["Import"][] }) {
  if (imports.length === 0) {
    return <p className="empty">Nothing has been imported yet.</p>;
  }
  return (
    <div className="table-frame">
      <table>
        <caption className="for-readers">Earlier imports</caption>
        <thead>
          <tr>
            <th scope="col">Started</th>
            <th scope="col">From</th>
            <th scope="col">State</th>
            <th scope="col" className="number">
              Resources
            </th>
            <th scope="col" className="number">
              Errors
            </th>
          </tr>
        </thead>
        <tbody>
          {imports.map((one) => (
            <tr key={one.id}>
              <th scope="row">
                <Link href={`/${tenant}/imports/${one.id}`} prefetch={false}>
                  {formatDate(one.created_at, "instant", { locale: "en-US", timeZone: "UTC" })} UTC
                </Link>
              </th>
              <td>{one.source}</td>
              <td>
                <span className={`tag state-${one.state}`}>{STATES[one.state ?? ""] ?? one.state}</span>
              </td>
              <td className="number">{resourcesOf(one).toLocaleString("en-US")}</td>
              <td className="number">{(one.error_count ?? 0).toLocaleString("en-US")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function resourcesOf(one: Schemas["Import"]): number {
  return Object.values(one.counts ?? {}).reduce((sum, count) => sum + count.read, 0);
}
