"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { type DragEvent, type FormEvent, useRef, useState } from "react";

import { FailureNotice } from "@/components/failure-notice";
import { ImportCounts } from "@/components/import-counts";
import type { Failure } from "@/lib/failures";
import { countLines, upload } from "@/lib/upload";
import type { UploadEvent } from "@/lib/upload-events";

type Ended = Extract<UploadEvent, { kind: "ended" }>["result"];

type State =
  | { phase: "choosing" }
  | { phase: "sending"; file: File; sent: number }
  | { phase: "importing"; file: File; lines: number; faults: number; total: number | undefined }
  | { phase: "ended"; file: File; result: Ended }
  | { phase: "failed"; failure: Failure };

/** Chooses a file, sends it, and shows how far the sending and then the import are. */
export function UploadForm({ tenant, sources }: { tenant: string; sources: string[] }) {
  const router = useRouter();
  const [state, setState] = useState<State>({ phase: "choosing" });
  const [file, setFile] = useState<File>();
  const [isOver, setIsOver] = useState(false);
  const cancel = useRef<() => void>(undefined);
  const isBusy = state.phase === "sending" || state.phase === "importing";

  async function start(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const source = String(new FormData(event.currentTarget).get("source"));
    if (!file) {
      return;
    }
    setState({ phase: "sending", file, sent: 0 });
    // The route cannot renew the session's cookie while it answers.
    await fetch("/api/auth/session").catch(() => undefined);
    let total: number | undefined;
    let isEnded = false;
    const importing = (lines: number, faults: number) => setState({ phase: "importing", file, lines, faults, total });
    const counting = countLines(file).then((lines) => (total = lines)).catch(() => undefined);
    cancel.current = upload(`/${tenant}/imports/upload`, file, source, {
      onSent: (sent) => (sent < file.size ? setState({ phase: "sending", file, sent }) : importing(0, 0)),
      onEvent: async (said) => {
        if (said.kind === "progress") {
          await counting;
          if (!isEnded) {
            importing(said.lines, said.faults);
          }
        } else {
          isEnded = true;
          setState(said.kind === "ended" ? { phase: "ended", file, result: said.result } : { phase: "failed", failure: said.failure });
          router.refresh();
        }
      },
    });
  }

  function stop() {
    cancel.current?.();
    setState({ phase: "choosing" });
  }

  function drop(event: DragEvent) {
    event.preventDefault();
    setIsOver(false);
    setFile(event.dataTransfer.files[0] ?? file);
  }

  return (
    <section className="card" aria-labelledby="new-import">
      <h2 id="new-import">Import a file</h2>
      <form onSubmit={start} className="upload">
        <label
          className={isOver ? "drop over" : "drop"}
          onDragOver={(event) => {
            event.preventDefault();
            setIsOver(true);
          }}
          onDragLeave={() => setIsOver(false)}
          onDrop={drop}
        >
          <input type="file" accept=".ndjson,.jsonl,.json,.gz,.zip" onChange={(event) => setFile(event.target.files?.[0])} disabled={isBusy} />
          <strong>{file ? file.name : "Choose a file, or drop it here"}</strong>
          <small>{file ? sizeText(file.size) : "FHIR R4: a Bundle (.json) or NDJSON (.ndjson), also compressed (.gz, .zip)"}</small>
        </label>
        <label className="field">
          <span>Comes from</span>
          <input name="source" list="sources" required maxLength={64} disabled={isBusy} autoComplete="off" />
          <datalist id="sources">
            {sources.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
          <small>The name of the system that gave the records their ids. A newer file from the same system updates its patients. Each hospital needs a name of its own.</small>
        </label>
        <div className="actions">
          <button className="button primary" disabled={!file || isBusy}>
            Import
          </button>
          {state.phase === "sending" && (
            <button type="button" className="button quiet" onClick={stop}>
              Cancel
            </button>
          )}
        </div>
      </form>
      <Progress state={state} />
      {state.phase === "failed" && <FailureNotice failure={state.failure} />}
      {state.phase === "ended" && <Result tenant={tenant} result={state.result} name={state.file.name} />}
    </section>
  );
}

function Progress({ state }: { state: State }) {
  if (state.phase === "sending") {
    const share = Math.floor((state.sent / state.file.size) * 100);
    return <Bar label={`Sending ${state.file.name}`} value={state.sent} max={state.file.size} text={`${share} %`} />;
  }
  if (state.phase === "importing") {
    const { lines, total, faults } = state;
    const text = [total === undefined ? `${count(lines)} lines` : `${count(lines)} of ${count(total)} lines`, faults > 0 && `${count(faults)} with errors`];
    // Without a value, the bar shows that something is going on.
    return <Bar label="Importing" value={lines > 0 && total ? Math.min(lines, total) : undefined} max={total ?? 1} text={text.filter(Boolean).join(", ")} />;
  }
  return null;
}

function Bar({ label, value, max, text }: { label: string; value: number | undefined; max: number; text: string }) {
  return (
    <div className="progress" data-phase={label.split(" ")[0]?.toLowerCase()}>
      <span id="progress-label">{label}</span>
      <span>{text}</span>
      <progress aria-labelledby="progress-label" value={value} max={max} />
    </div>
  );
}

function Result({ tenant, result, name }: { tenant: string; result: Ended; name: string }) {
  const isDone = result.state === "done";
  const faults = result.error_count ?? 0;
  return (
    <div className={isDone ? "notice notice-good" : "notice notice-error"} role="status">
      <h3>{isDone ? `${name} is imported` : `${name} was not imported completely`}</h3>
      {result.failure && <p>{result.failure}</p>}
      <ImportCounts counts={result.counts ?? {}} />
      <p>
        {faults === 0 ? "Every line was imported. " : `${count(faults)} ${faults === 1 ? "line was" : "lines were"} not imported. `}
        <Link href={`/${tenant}/imports/${result.id}`}>{faults === 0 ? "Details" : "See why"}</Link>
      </p>
    </div>
  );
}

const count = (value: number) => value.toLocaleString("en-US");

function sizeText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${(bytes / 1000 ** power).toLocaleString("en-US", { maximumFractionDigits: 1 })} ${units[power]}`;
}
