import type { Failure } from "@/lib/failures";

/** Shows a failure in plain words. */
export function FailureNotice({ failure, children }: { failure: Failure; children?: React.ReactNode }) {
  return (
    <div className="notice notice-error" role="alert">
      <h2>{failure.title}</h2>
      <p>
        {failure.text} {failure.advice}
      </p>
      {children}
      {failure.requestId && (
        <p className="small">
          Number for support: <code>{failure.requestId}</code>
        </p>
      )}
    </div>
  );
}

/** The messages about single fields, where no field can be marked. */
export function FieldMessages({ failure }: { failure: Failure }) {
  const messages = [...new Set(Object.values(failure.fields))];
  return messages.length > 0 ? (
    <ul>
      {messages.map((message) => (
        <li key={message}>{message}</li>
      ))}
    </ul>
  ) : null;
}
