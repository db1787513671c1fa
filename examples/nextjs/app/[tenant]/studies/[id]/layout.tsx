import Link from "next/link";
import type { ReactNode } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { loadMe } from "@/lib/api";
import { loadStudy } from "@/lib/load-study";
import { RECRUITING, classOfStatus, phaseText } from "@/lib/studies";

import { StudyNavigation } from "./study-navigation";

type Props = { children: ReactNode; params: Promise<{ tenant: string; id: string }> };

/** The head of every page of a study. */
export default async function StudyLayout({ children, params }: Props) {
  const { tenant, id } = await params;
  const [{ data: me }, { data: study, failure }] = await Promise.all([loadMe(tenant), loadStudy(tenant, id)]);
  if (!me) {
    return null; // The frame shows why.
  }
  if (failure) {
    return <FailureNotice failure={failure} />;
  }
  return (
    <>
      <p className="crumb">
        <Link href={`/${tenant}/studies`} prefetch={false}>
          ← Studies
        </Link>
      </p>
      <div className="study-head">
        <h1>{study.title}</h1>
        <p className="total">
          <span className={classOfStatus(study.recruiting_status)}>{RECRUITING[study.recruiting_status]}</span>
          {[study.protocol_number, phaseText(study), study.sponsor].filter(Boolean).join(" · ")}
        </p>
        <StudyNavigation base={`/${tenant}/studies/${id}`} seesMatches={me.permissions.includes("matches:read")} />
      </div>
      {children}
    </>
  );
}
