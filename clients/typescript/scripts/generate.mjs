// Write src/schema.ts and src/keyed-routes.ts from openapi.json.

import { readFile, writeFile } from "node:fs/promises";

import openapiTS, { COMMENT_HEADER, astToString } from "openapi-typescript";

const folder = new URL("../", import.meta.url);
const api = JSON.parse(await readFile(new URL("openapi.json", folder), "utf8"));

// A field of a request that has a default may be left out.
const types = await openapiTS(api, { defaultNonNullable: false });
await writeFile(new URL("src/schema.ts", folder), COMMENT_HEADER + astToString(types));

const keyed = Object.entries(api.paths)
  .filter(([, methods]) => (methods.post?.parameters ?? []).some(isKey))
  .map(([path]) => `  ${JSON.stringify(path)},\n`);
await writeFile(
  new URL("src/keyed-routes.ts", folder),
  `${COMMENT_HEADER}\n/** The routes whose POST takes an Idempotency-Key. */\nexport const KEYED_ROUTES: ReadonlySet<string> = new Set([\n${keyed.join("")}]);\n`,
);

function isKey(parameter) {
  const [name] = parameter.$ref?.split("/").slice(-1) ?? [];
  return (name ? api.components.parameters[name] : parameter).name === "Idempotency-Key";
}
