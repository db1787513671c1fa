"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";

const PAGES = [
  ["patients", "Patients"],
  ["studies", "Studies"],
  ["duplicates", "Possible duplicates"],
  ["imports", "Imports"],
] as const;

/** The pages of a tenant, with the present one marked. */
export function Navigation({ tenant }: { tenant: string }) {
  const path = usePathname();
  return (
    <nav aria-label="Pages">
      {PAGES.map(([page, name]) => {
        const href = `/${tenant}/${page}`;
        const current = path === href ? "page" : path.startsWith(`${href}/`) ? "true" : undefined;
        return (
          <Link key={page} href={href} prefetch={false} aria-current={current}>
            {name}
          </Link>
        );
      })}
    </nav>
  );
}
