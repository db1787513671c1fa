import { signOutHere } from "@/lib/sign-out";

/** Ends the session here and at the issuer. */
export function SignOut() {
  return (
    <form action={signOutHere}>
      <button className="button quiet">Sign out</button>
    </form>
  );
}
