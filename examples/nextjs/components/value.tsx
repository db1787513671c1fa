/** Shows a value, or that it is hidden from the reader, or that it is not known. */
export function Value({ value, isHidden }: { value: string; isHidden: boolean }) {
  if (value) {
    return <>{value}</>;
  }
  return isHidden ? (
    <span className="hidden-value" title="Your PHI level does not show this field.">
      Hidden
    </span>
  ) : (
    <span className="unknown-value">
      <span aria-hidden="true">–</span>
      <span className="for-readers">not known</span>
    </span>
  );
}
