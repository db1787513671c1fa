// Parse each Mermaid diagram of the pages that are named, with the script that the site uses. Exits with 1 if one is invalid.

const { readFileSync } = require("node:fs");
const vm = require("node:vm");

const script = readFileSync(require.resolve("@mermaid-js/tiny/dist/mermaid.tiny.js"), "utf8");
const sandbox = vm.createContext({ console, structuredClone, setTimeout, clearTimeout, URL });
sandbox.globalThis = sandbox.window = sandbox;
// As much of a browser as parsing needs: the sanitizer of labels looks for these, and then passes labels through.
sandbox.document = { nodeType: 9, implementation: {}, createElement: () => ({}), addEventListener() {} };
sandbox.addEventListener = () => {};
sandbox.Element = class {};
vm.runInContext(script, sandbox);

async function check(page) {
  let faults = 0;
  const diagrams = [...readFileSync(page, "utf8").matchAll(/^ *```mermaid\n([^]*?)^ *```/gm)];
  for (const [, diagram] of diagrams) {
    await sandbox.mermaid.parse(diagram).catch((error) => {
      console.error(`${page}: ${error.message}\n${diagram}`);
      faults += 1;
    });
  }
  return { faults, diagrams: diagrams.length };
}

Promise.all(process.argv.slice(2).map(check)).then((checked) => {
  console.log(`${checked.reduce((sum, { diagrams }) => sum + diagrams, 0)} diagrams`);
  process.exitCode = checked.some(({ faults }) => faults > 0) ? 1 : 0;
});
