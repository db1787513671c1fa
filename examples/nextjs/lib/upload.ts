/** Upload a file with progress. XMLHttpRequest is used because fetch does not tell how much is sent. */

import type { Failure } from "./failures";
import type { UploadEvent } from "./upload-events";

export interface Watcher {
  onSent(bytes: number): void;
  onEvent(event: UploadEvent): void;
}

const BROKEN: Failure = {
  code: "network_error",
  title: "The connection broke",
  text: "The import may go on at the server.",
  advice: "Look at the list below before you try again.",
  requestId: "",
  fields: {},
};

/** Upload a file to the route of this app. Returns a function that cancels it. */
export function upload(url: string, file: File, source: string, watcher: Watcher): () => void {
  const request = new XMLHttpRequest();
  let seen = 0;
  let isOver = false;
  const readEvents = () => {
    const end = request.responseText.lastIndexOf("\n") + 1;
    for (const line of request.responseText.slice(seen, end).split("\n").filter(Boolean)) {
      const event = JSON.parse(line) as UploadEvent;
      isOver ||= event.kind !== "progress";
      watcher.onEvent(event);
    }
    seen = Math.max(seen, end);
  };
  request.upload.onprogress = ({ loaded }) => watcher.onSent(loaded);
  request.upload.onload = () => watcher.onSent(file.size);
  request.onprogress = () => request.status === 200 && readEvents();
  request.onloadend = () => {
    if (request.status === 200) {
      readEvents();
    }
    if (!isOver) {
      watcher.onEvent({ kind: "failed", failure: BROKEN });
    }
  };
  request.open("POST", url);
  request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
  request.setRequestHeader("X-Source", encodeURIComponent(source));
  request.send(file);
  return () => {
    isOver = true;
    request.abort();
  };
}

/** Return the number of lines of an NDJSON file, compressed or not; undefined for other files. */
export async function countLines(file: File): Promise<number | undefined> {
  const isCompressed = /\.gz$/i.test(file.name);
  if (!/\.(ndjson|jsonl)(\.gz)?$/i.test(file.name)) {
    return undefined;
  }
  const bytes = file.stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
  const reader = (isCompressed ? bytes.pipeThrough(new DecompressionStream("gzip")) : bytes).getReader();
  let lines = 0;
  let last = 10;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return last === 10 ? lines : lines + 1;
    }
    for (let at = value.indexOf(10); at !== -1; at = value.indexOf(10, at + 1)) {
      lines += 1;
    }
    last = value.at(-1) ?? last;
  }
}
