/** The mark and the name: those of a tenant, or else of this app. */
export function Logo({ name = "trially", src }: { name?: string; src?: string }) {
  return (
    <span className="logo">
      {src ? (
        // eslint-disable-next-line @next/next/no-img-element -- A picture of a tenant is not optimised.
        <img src={src} alt="" />
      ) : (
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path d="M9 10h14M16 10v13" />
          <circle cx="22.5" cy="21.5" r="2.4" />
        </svg>
      )}
      {name}
    </span>
  );
}
