/** Request bodies: what is sent as it is, what is sent as JSON, and what is refused. */

/** A body that is sent as it is. */
export type RawBody =
  | string
  | Blob
  | ArrayBuffer
  | ArrayBufferView
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** A FHIR resource as an object. */
export interface Resource {
  resourceType: string;
  [element: string]: unknown;
}

/** What an import accepts: a file or its bytes, a FHIR resource as an object, or several resources as an array. */
export type UploadBody = RawBody | Resource | readonly Resource[];

/** Keeps strings, files, streams and the like from passing as an object all of whose fields are optional. */
export interface PlainObject {
  /** Strings have it. */
  charAt?: never;
  /** Numbers have it. */
  toFixed?: never;
  /** Files have it. */
  arrayBuffer?: never;
  /** Bytes have it. */
  byteLength?: never;
  /** Streams have it. */
  getReader?: never;
  /** Promises have it. */
  then?: never;
  /** Forms, maps and arrays have it. */
  forEach?: never;
}

/** A body as `fetch` takes it, and its Content-Type. */
export interface PreparedBody {
  body: BodyInit;
  type: string;
  /** Whether the body can be sent only once. */
  isStream: boolean;
}

const TYPES_BY_ENDING: readonly (readonly [string, string])[] = [
  [".gz", "application/gzip"],
  [".zip", "application/zip"],
  [".tgz", "application/gzip"],
  [".ndjson", "application/fhir+ndjson"],
  [".jsonl", "application/fhir+ndjson"],
  [".json", "application/fhir+json"],
];

/** Return the Content-Type for a file to import, by the ending of its name; undefined if it is unknown. */
export function typeOfFile(name: string): string | undefined {
  const lower = name.toLowerCase();
  return TYPES_BY_ENDING.find(([ending]) => lower.endsWith(ending))?.[1];
}

/**
 * Return a body as it has to be sent. `given` is the Content-Type that the caller chose, `json` that of the route.
 * Throws `TypeError` for a body that would be sent wrongly.
 */
export function prepareBody(body: unknown, given: string | null, json: string): PreparedBody {
  if (isForm(body)) {
    throw new TypeError("The API takes no forms. Send an object, or a file as it is.");
  }
  if (isRaw(body)) {
    const type = given || typeOfRaw(body);
    if (!type) {
      throw new TypeError(
        'A raw body needs a Content-Type: headers: { "Content-Type": "application/fhir+ndjson" }, or a Blob with a type.',
      );
    }
    const isStream = !(typeof body === "string" || isBlob(body) || isBytes(body));
    return { body: isStream ? toStream(body) : (body as BodyInit), type, isStream };
  }
  if (given && !isJson(given)) {
    throw new TypeError(`An object is sent as JSON, which is not ${given}. Send a string, a Blob or a stream.`);
  }
  return { body: toJson(body), type: given || json, isStream: false };
}

function isRaw(body: unknown): body is RawBody {
  return typeof body === "string" || isBlob(body) || isBytes(body) || isReadable(body);
}

function isBlob(body: unknown): body is Blob {
  return /^\[object (Blob|File)\]$/.test(Object.prototype.toString.call(body));
}

function isBytes(body: unknown): body is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(body) || Object.prototype.toString.call(body) === "[object ArrayBuffer]";
}

function isReadable(body: unknown): body is ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && ("getReader" in body || Symbol.asyncIterator in body);
}

function isForm(body: unknown): boolean {
  return body instanceof FormData || body instanceof URLSearchParams;
}

function isJson(type: string): boolean {
  return /^[^;]*[/+]json\s*(;|$)/i.test(type);
}

function typeOfRaw(body: RawBody): string | undefined {
  if (!isBlob(body)) {
    return undefined;
  }
  return ("name" in body && typeOfFile(String(body.name))) || body.type || undefined;
}

function toStream(body: unknown): ReadableStream<Uint8Array> {
  if (typeof body === "object" && body !== null && "getReader" in body) {
    return body as ReadableStream<Uint8Array>;
  }
  const chunks = (body as AsyncIterable<Uint8Array | string>)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (done) {
        controller.close();
      } else {
        controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
      }
    },
    async cancel(reason) {
      await chunks.return?.(reason);
    },
  });
}

/** Return JSON that says all that `body` holds. `JSON.stringify` makes `{}` of a File, a Map or a Promise. */
function toJson(body: unknown): string {
  return JSON.stringify(body, function (this: Record<string, unknown>, name: string, value: unknown) {
    const original = this[name];
    // An invalid Date becomes null.
    if (isPlain(value) && (original === value || (hasToJson(original) && value !== null))) {
      return value;
    }
    throw new TypeError(`${name ? `"${name}" of the body` : "The body"} cannot be sent as JSON: it is ${describe(original)}.`);
  });
}

function hasToJson(value: unknown): boolean {
  return typeof value === "object" && value !== null && "toJSON" in value;
}

function isPlain(value: unknown): boolean {
  if (typeof value === "number") {
    return Number.isFinite(value);
  }
  if (typeof value !== "object" || value === null) {
    return ["string", "boolean", "undefined"].includes(typeof value) || value === null;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype as object) === null;
}

function describe(value: unknown): string {
  return typeof value === "object" && value !== null ? `a ${value.constructor?.name ?? "object"}` : String(value);
}
