// Compile each block of TypeScript of a page (default: README.md), as a project that uses the built package would.

import { spawnSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";

const page = process.argv[2] ?? "README.md";
const text = await readFile(page, "utf8");
const blocks = [...text.matchAll(/^```(?:ts|typescript)(?: title="([^"]+)")?\n([^]*?)^```$/gm)];
if (blocks.length === 0 || blocks.length !== [...text.matchAll(/^```ts|^```typescript/gm)].length) {
  throw new Error(`${page} has a block of TypeScript that this script does not understand.`);
}

await rm(".readme", { recursive: true, force: true });
await mkdir(".readme");
for (const [index, [, title, code]] of blocks.entries()) {
  // A module may use await, and its names are its own.
  await writeFile(`.readme/${title ?? `block-${index + 1}.ts`}`, `${code}\nexport {};\n`);
}
await writeFile(".readme/tsconfig.json", JSON.stringify({ extends: "../tsconfig.json", include: ["*.ts"] }));
const { status } = spawnSync("npx", ["tsc", "-p", ".readme"], { stdio: "inherit" });
if (status !== 0) {
  process.exit(1);
}
await rm(".readme", { recursive: true });
console.log(`${blocks.length} blocks compile.`);
