// Write .env.local from what `flask demo status` prints on standard input. Other lines of the file stay.
//
//     flask demo status | node scripts/settings.mjs http://localhost:3000

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const FILE = new URL("../.env.local", import.meta.url);
const VARIABLE = /^([A-Z][A-Z0-9_]*)=(.*)$/;

const read = (text) => text.split("\n").map((line) => line.match(VARIABLE)).filter(Boolean).map(([, name, value]) => [name, value]);

const kept = existsSync(FILE) ? readFileSync(FILE, "utf8") : "";
const printed = Object.fromEntries(read(readFileSync(0, "utf8")));
const missing = ["AUTH_TRIALLY_ISSUER", "AUTH_TRIALLY_ID"].filter((name) => !printed[name]);
if (missing.length > 0) {
  console.error(`The demo did not print ${missing.join(" and ")}. Start it with \`make run\` in another terminal.`);
  process.exit(1);
}
// With the same secret, people stay signed in when the app starts again.
const secret = Object.fromEntries(read(kept)).AUTH_SECRET || randomBytes(32).toString("base64url");
const settings = { ...printed, AUTH_SECRET: secret, AUTH_URL: process.argv[2] };
const lines = kept.split("\n").filter((line) => line !== "" && !(line.match(VARIABLE)?.[1] in settings));
writeFileSync(FILE, `${[...lines, ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)].join("\n")}\n`, { mode: 0o600 });
