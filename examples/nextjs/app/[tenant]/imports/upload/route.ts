/** Passes a file on to the API, and says how far the import is, line by line. */

import { ProblemError, type Schemas, type TriallyClient, typeOfFile } from "@trially/client";

import { clientFor } from "@/lib/api";
import { toFailure } from "@/lib/failures";
import { currentSession } from "@/lib/session";
import type { UploadEvent } from "@/lib/upload-events";

type Import = Schemas["Import"];
type Context = { params: Promise<{ tenant: string }> };

const LOOK_EVERY_MS = 400;

export async function POST(request: Request, { params }: Context): Promise<Response> {
  const { tenant } = await params;
  if (!isFromThisApp(request)) {
    return new Response("Only this app's own pages may upload.", { status: 403 });
  }
  const session = await currentSession();
  if (!session) {
    return new Response("Sign in.", { status: 401 });
  }
  if (!request.body) {
    return new Response("Send a file.", { status: 400 });
  }
  const trially = clientFor(session, tenant);
  const events = new TextEncoderStream();
  const writer = events.writable.getWriter();
  const say = (event: UploadEvent) => writer.write(`${JSON.stringify(event)}\n`).catch(() => undefined);
  void importFile(trially, request, request.body, say).finally(() => writer.close().catch(() => undefined));
  return new Response(events.readable, { headers: { "Content-Type": "application/x-ndjson", "Cache-Control": "no-store" } });
}

/** The cookie alone is no proof: another site's page could send it along. */
function isFromThisApp({ headers }: Request): boolean {
  const site = headers.get("Sec-Fetch-Site");
  const origin = headers.get("Origin");
  return site ? site === "same-origin" : origin !== null && new URL(origin).host === headers.get("Host");
}

async function importFile(
  trially: TriallyClient,
  request: Request,
  body: ReadableStream<Uint8Array>,
  say: (event: UploadEvent) => unknown,
): Promise<void> {
  const known = new Map<string, string>();
  let stop = false;
  try {
    const name = decodeURIComponent(request.headers.get("X-File-Name") ?? "");
    const source = decodeURIComponent(request.headers.get("X-Source") ?? "");
    for (const one of await runningImports(trially)) {
      known.set(one.id ?? "", one.updated_at ?? "");
    }
    const watching = watch(trially, known, say, () => stop);
    const upload = trially.POST("/api/v1/imports", {
      params: { query: { source } },
      body,
      headers: { "Content-Type": typeOfFile(name) ?? "application/octet-stream" },
      signal: request.signal,
    });
    const { data } = await upload.finally(() => (stop = true));
    await watching;
    // Only an upload with `Prefer: respond-async` is answered with a job.
    if (!("counts" in data)) {
      throw new TypeError("The API answered with a job.");
    }
    await say({ kind: "ended", result: data });
  } catch (error) {
    stop = true;
    if (!(error instanceof ProblemError)) {
      console.error(error);
    }
    const failure = error instanceof ProblemError ? toFailure(error) : undefined;
    await say({ kind: "failed", failure: failure ?? { ...UNKNOWN } });
  }
}

const UNKNOWN = { code: "", title: "This did not work", text: "The file could not be imported.", advice: "Try again.", requestId: "", fields: {} };

/** Say how far the import is, until `isOver`. The API names it only at its end, so it is the one that moves. */
async function watch(
  trially: TriallyClient,
  known: Map<string, string>,
  say: (event: UploadEvent) => unknown,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const moving = (await runningImports(trially)).filter((one) => known.get(one.id ?? "") !== one.updated_at);
    const [mine] = moving;
    // With two at once it is unknown which is this one.
    if (mine && moving.length === 1 && !isOver()) {
      await say({ kind: "progress", lines: linesOf(mine), faults: mine.error_count ?? 0 });
    }
  }
}

/** Return the running imports that this person started. Progress is a courtesy, so a failure is no failure of the import. */
async function runningImports(trially: TriallyClient): Promise<Import[]> {
  try {
    const [{ data: me }, { data: running }] = await Promise.all([
      trially.GET("/api/v1/me"),
      trially.GET("/api/v1/imports", { params: { query: { state: "running" } } }),
    ]);
    return running.data.filter((one) => one.started_by === me.subject);
  } catch (error) {
    if (error instanceof ProblemError) {
      return [];
    }
    throw error;
  }
}

/** Return the number of lines that an import has read. */
function linesOf(one: Import): number {
  const read = Object.values(one.counts ?? {}).map((count) => count.read);
  const passedOver = Object.values(one.passed_over ?? {});
  return [...read, ...passedOver, one.error_count ?? 0].reduce((sum, count) => sum + count, 0);
}
