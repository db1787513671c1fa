import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { load, loadMe } from "@/lib/api";

import { PairList } from "./pair-list";

export const metadata: Metadata = { title: "Possible duplicates" };

const STATES = { open: "To decide", dismissed: "Different persons" } as const;
const PER_PAGE = 10;

type State = keyof typeof STATES;
type Props = {
  params: Promise<{ tenant: string }>;
  searchParams: Promise<{ state?: string; cursor?: string }>;
};

/** Pairs of patients that may be one person, the likeliest first, to merge or to dismiss. */
export default async function Duplicates({ params, searchParams }: Props) {
  const { tenant } = await params;
  const query = await searchParams;
  const state: State = query.state === "dismissed" ? "dismissed" : "open";
  const [{ data: me }, list] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/possible-duplicates", {
        params: { query: { state, cursor: query.cursor, limit: PER_PAGE, total: !query.cursor } },
        ...options,
      }),
    ),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  const total = list.data?.page.total;
  const mayDecide = me.permissions.includes("patients:write");
  return (
    <>
      <div className="title-row">
        <h1>Possible duplicates</h1>
        {typeof total === "number" && <p className="total">{`${total.toLocaleString("en-US")} ${total === 1 ? "pair" : "pairs"}`}</p>}
      </div>
      <nav className="filter" aria-label="Filter by decision">
        {Object.entries(STATES).map(([one, name]) => (
          <Link key={one} href={address(tenant, one as State)} aria-current={one === state ? "true" : undefined} prefetch={false}>
            {name}
          </Link>
        ))}
      </nav>
      {!mayDecide && (
        <p className="notice">
          You may see pairs, but not decide. That needs the permission <code>patients:write</code>.
        </p>
      )}
      {list.failure ? (
        <FailureNotice failure={list.failure} />
      ) : (
        // A new list begins without the notice of the last decision.
        <PairList key={state} tenant={tenant} pairs={list.data.data} mayDecide={mayDecide} />
      )}
      <nav className="pages" aria-label="Pages of the list">
        {query.cursor && <Link href={address(tenant, state)}>← First page</Link>}
        {list.data?.page.next && <Link href={address(tenant, state, list.data.page.next)}>Next page →</Link>}
      </nav>
    </>
  );
}

function address(tenant: string, state: State, cursor?: string): string {
  const query = new URLSearchParams({ ...(state !== "open" && { state }), ...(cursor && { cursor }) }).toString();
  return `/${tenant}/duplicates${query && `?${query}`}`;
}
