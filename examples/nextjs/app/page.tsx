import { redirect } from "next/navigation";

import { signIn } from "@/auth";
import { FailureNotice } from "@/components/failure-notice";
import { Logo } from "@/components/logo";
import { SignOut } from "@/components/sign-out";
import { loadMe } from "@/lib/api";
import { currentSession } from "@/lib/session";

type Search = Promise<{ reason?: string; error?: string }>;

async function startSignIn() {
  "use server";
  await signIn("trially", { redirectTo: "/" });
}

/** The first page: the sign-in, or the way into the person's organisation. */
export default async function Home({ searchParams }: { searchParams: Search }) {
  const { reason, error } = await searchParams;
  if (!reason && !error && (await currentSession())) {
    return <Entrance />;
  }
  return (
    <main className="entrance">
      <Logo />
      <h1>Recruit patients for clinical trials</h1>
      <p className="lead">Find patients for your studies, see why they fit, and import what hospitals send.</p>
      {reason === "ended" && <p className="notice">Your session has ended. Sign in again.</p>}
      {reason === "signed-out" && <p className="notice">You are signed out.</p>}
      {error && (
        <p className="notice notice-error" role="alert">
          The sign-in did not work. {error === "AccessDenied" ? "The access was refused." : "Try again; if it fails again, tell your administrator."}
        </p>
      )}
      <form action={startSignIn}>
        <button className="button primary large">Sign in</button>
      </form>
    </main>
  );
}

async function Entrance() {
  const { data: me, failure } = await loadMe(undefined);
  if (me) {
    redirect(`/${me.tenant.slug}/patients`);
  }
  if (failure.code === "tenant_choice_required") {
    redirect("/choose");
  }
  return (
    <main className="entrance">
      <Logo />
      <FailureNotice failure={failure} />
      <SignOut />
    </main>
  );
}
