import Link from "next/link";
import type { ReactNode } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { Logo } from "@/components/logo";
import { Navigation } from "@/components/navigation";
import { SignOut } from "@/components/sign-out";
import { loadMe } from "@/lib/api";
import { loadBranding } from "@/lib/branding";
import { requireSession } from "@/lib/session";

type Props = { children: ReactNode; params: Promise<{ tenant: string }> };

/** The frame of every page in a tenant. */
export default async function TenantLayout({ children, params }: Props) {
  const { tenant } = await params;
  const { tenants } = await requireSession();
  const [{ data: me, failure }, branding] = await Promise.all([loadMe(tenant), loadBranding(tenant)]);
  const name = branding?.product_name ?? "trially";
  const base = `/${encodeURIComponent(tenant)}`;
  return (
    <>
      {branding && <link rel="stylesheet" href={`${base}/branding.css`} />}
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <div className="top-inner">
          <Link href="/" className="home" prefetch={false} aria-label={`${name}, first page`}>
            <Logo name={name} src={branding?.logo_url ? `${base}/logo` : undefined} />
          </Link>
          {me && (
            <>
              <span className="tenant">
                {me.tenant.name}
                {tenants.length > 1 && (
                  <Link href="/choose" prefetch={false}>
                    Change
                  </Link>
                )}
              </span>
              <Navigation tenant={tenant} />
              <span className="person">
                <span>{me.display_name ?? me.subject}</span>
                <small>{me.role}</small>
              </span>
            </>
          )}
          <SignOut />
        </div>
      </header>
      <main id="content" className="page" tabIndex={-1}>
        {failure ? <FailureNotice failure={failure} /> : children}
      </main>
    </>
  );
}
