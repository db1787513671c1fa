import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { load, loadMe } from "@/lib/api";
import { RECRUITING, type Study, classOfStatus, countText, phaseText } from "@/lib/studies";

export const metadata: Metadata = { title: "Studies" };

const PER_PAGE = 25;

type Status = Study["recruiting_status"];
type Props = {
  params: Promise<{ tenant: string }>;
  searchParams: Promise<{ status?: string; cursor?: string }>;
};

/** The studies that the tenant recruits for, page by page. */
export default async function Studies({ params, searchParams }: Props) {
  const { tenant } = await params;
  const query = await searchParams;
  const status = (Object.keys(RECRUITING) as Status[]).find((one) => one === query.status);
  const [{ data: me }, list] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/studies", {
        params: { query: { recruiting_status: status, sort: "title", cursor: query.cursor, limit: PER_PAGE, total: !query.cursor } },
        ...options,
      }),
    ),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  const total = list.data?.page.total;
  return (
    <>
      <div className="title-row">
        <h1>Studies</h1>
        {typeof total === "number" && <p className="total">{`${countText(total)} ${total === 1 ? "study" : "studies"}`}</p>}
      </div>
      <nav className="filter" aria-label="Filter by recruiting">
        {[undefined, ...(Object.keys(RECRUITING) as Status[])].map((one) => (
          <Link key={one ?? "all"} href={address(tenant, one)} aria-current={one === status ? "true" : undefined} prefetch={false}>
            {one ? RECRUITING[one] : "All"}
          </Link>
        ))}
      </nav>
      {list.failure ? <FailureNotice failure={list.failure} /> : <StudyTable tenant={tenant} studies={list.data.data} />}
      <nav className="pages" aria-label="Pages of the list">
        {query.cursor && <Link href={address(tenant, status)}>← First page</Link>}
        {list.data?.page.next && <Link href={address(tenant, status, list.data.page.next)}>Next page →</Link>}
      </nav>
    </>
  );
}

function StudyTable({ tenant, studies }: { tenant: string; studies: Study[] }) {
  if (studies.length === 0) {
    return <p className="empty">No studies.</p>;
  }
  return (
    <div className="table-frame">
      <table>
        <caption className="for-readers">Studies</caption>
        <thead>
          <tr>
            <th scope="col">Study</th>
            <th scope="col">Protocol</th>
            <th scope="col">Phase</th>
            <th scope="col">Recruiting</th>
            <th scope="col" className="number">
              Target
            </th>
          </tr>
        </thead>
        <tbody>
          {studies.map((study) => (
            <tr key={study.id}>
              <th scope="row" className="wraps">
                <Link href={`/${tenant}/studies/${study.id}`} prefetch={false}>
                  {study.title}
                </Link>
                <p className="matched">{study.conditions.join(" · ")}</p>
              </th>
              <td className="figure">{study.protocol_number}</td>
              <td>{phaseText(study)}</td>
              <td>
                <span className={classOfStatus(study.recruiting_status)}>{RECRUITING[study.recruiting_status]}</span>
              </td>
              <td className="number">{study.target_enrollment === null ? "–" : countText(study.target_enrollment)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function address(tenant: string, status: Status | undefined, cursor?: string): string {
  const query = new URLSearchParams({ ...(status && { status }), ...(cursor && { cursor }) }).toString();
  return `/${tenant}/studies${query && `?${query}`}`;
}
