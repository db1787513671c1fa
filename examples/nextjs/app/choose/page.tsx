import type { Metadata } from "next";
import Link from "next/link";
import { redirect } from "next/navigation";

import { Logo } from "@/components/logo";
import { SignOut } from "@/components/sign-out";
import { requireSession } from "@/lib/session";

export const metadata: Metadata = { title: "Choose an organisation" };

async function open(form: FormData) {
  "use server";
  const name = String(form.get("tenant")).trim().toLowerCase();
  redirect(name ? `/${encodeURIComponent(name)}/patients` : "/choose");
}

/** For people with several tenants. The choice is part of the address, so two tabs may show two tenants. */
export default async function Choose() {
  const { tenants } = await requireSession();
  return (
    <main className="entrance">
      <Logo />
      <h1>Choose an organisation</h1>
      {tenants.length > 0 ? (
        <ul className="choices">
          {tenants.map((tenant) => (
            <li key={tenant}>
              <Link href={`/${encodeURIComponent(tenant)}/patients`} prefetch={false}>
                {tenant}
                <span aria-hidden="true">→</span>
              </Link>
            </li>
          ))}
        </ul>
      ) : (
        <form action={open} className="stack">
          <label className="field">
            <span>Short name of the organisation</span>
            <input name="tenant" required pattern="[a-zA-Z0-9\-]+" autoComplete="organization" placeholder="riverbend-clinic" />
          </label>
          <button className="button primary">Open</button>
        </form>
      )}
      <SignOut />
    </main>
  );
}
