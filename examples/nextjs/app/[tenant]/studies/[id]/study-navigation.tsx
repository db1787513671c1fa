"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";

const PAGES = [
  ["", "Overview"],
  ["/criteria", "Criteria"],
  ["/matches", "Matches"],
] as const;

/** The pages of a study, with the present one marked. */
export function StudyNavigation({ base, seesMatches }: { base: string; seesMatches: boolean }) {
  const path = usePathname();
  return (
    <nav className="filter" aria-label="Pages of the study">
      {PAGES.filter(([page]) => seesMatches || page !== "/matches").map(([page, name]) => {
        const href = `${base}${page}`;
        const current = path === href ? "page" : page !== "" && path.startsWith(`${href}/`) ? "true" : undefined;
        return (
          <Link key={page} href={href} prefetch={false} aria-current={current}>
            {name}
          </Link>
        );
      })}
    </nav>
  );
}
