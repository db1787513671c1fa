"use client";

/** Shown for faults of this app itself. Failures of the API are shown on their page. */
export default function Fault({ error, reset }: { error: Error & { digest?: string }; reset: () => void }) {
  return (
    <main className="entrance">
      <h1>Something went wrong</h1>
      <p className="lead">It is a fault of this app. {error.digest && <>Number for support: <code>{error.digest}</code></>}</p>
      <button className="button primary" onClick={reset}>
        Try again
      </button>
    </main>
  );
}
