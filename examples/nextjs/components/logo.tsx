/** The mark and the name. */
export function Logo() {
  return (
    <span className="logo">
      <svg viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" />
        <path d="M9 10h14M16 10v13" />
        <circle cx="22.5" cy="21.5" r="2.4" />
      </svg>
      trially
    </span>
  );
}
