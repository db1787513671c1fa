import type { Metadata } from "next";
import Link from "next/link";

import { FailureNotice } from "@/components/failure-notice";
import { PatientTable } from "@/components/patient-table";
import { load, loadMe } from "@/lib/api";

import { Search } from "./search";

export const metadata: Metadata = { title: "Patients" };

const SEXES = ["female", "male", "other", "unknown"] as const;
const PER_PAGE = 25;

type Props = {
  params: Promise<{ tenant: string }>;
  searchParams: Promise<{ sex?: string; cursor?: string }>;
};

/** The list of patients, page by page, and the search. */
export default async function Patients({ params, searchParams }: Props) {
  const { tenant } = await params;
  const query = await searchParams;
  const sex = SEXES.find((one) => one === query.sex);
  const [{ data: me }, list, count] = await Promise.all([
    loadMe(tenant),
    load(tenant, (trially, options) =>
      trially.GET("/api/v1/patients", { params: { query: { sex, cursor: query.cursor, limit: PER_PAGE } }, ...options }),
    ),
    load(tenant, (trially, options) => trially.GET("/api/v1/patients/count", { params: { query: { sex } }, ...options })),
  ]);
  if (!me) {
    return null; // The frame shows why.
  }
  const total = count.data?.count;
  return (
    <>
      <div className="title-row">
        <h1>Patients</h1>
        {total !== undefined && <p className="total">{`${total.toLocaleString("en-US")} ${sex ?? ""} ${total === 1 ? "patient" : "patients"}`}</p>}
      </div>
      {list.failure ? (
        <FailureNotice failure={list.failure}>
          {list.failure.code === "invalid_cursor" && (
            <p>
              <Link href={`/${tenant}/patients`}>First page</Link>
            </p>
          )}
        </FailureNotice>
      ) : (
        <Search tenant={tenant} me={{ phi_level: me.phi_level }}>
          <Filter tenant={tenant} sex={sex} />
          {list.data.data.length > 0 ? (
            <PatientTable tenant={tenant} patients={list.data.data} caption="Patients" />
          ) : (
            <p className="empty">
              No patients yet. <Link href={`/${tenant}/imports`}>Import a file</Link>.
            </p>
          )}
          <nav className="pages" aria-label="Pages of the list">
            {query.cursor && <Link href={address(tenant, sex)}>← First page</Link>}
            {list.data.page.next && <Link href={address(tenant, sex, list.data.page.next)}>Next page →</Link>}
          </nav>
        </Search>
      )}
    </>
  );
}

function Filter({ tenant, sex }: { tenant: string; sex: string | undefined }) {
  return (
    <nav className="filter" aria-label="Filter by sex">
      {[undefined, ...SEXES].map((one) => (
        <Link key={one ?? "all"} href={address(tenant, one)} aria-current={one === sex ? "true" : undefined} prefetch={false}>
          {one ? one[0]?.toUpperCase() + one.slice(1) : "All"}
        </Link>
      ))}
    </nav>
  );
}

function address(tenant: string, sex: string | undefined, cursor?: string): string {
  const query = new URLSearchParams({ ...(sex && { sex }), ...(cursor && { cursor }) }).toString();
  return `/${tenant}/patients${query && `?${query}`}`;
}
