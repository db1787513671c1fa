// A browser that remembers what went wrong in it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Start a browser. `origins` are the only ones that its pages may reach. */
export async function openBrowser(executablePath, origins) {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const faults = [];
  const urls = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("response", (response) => response.status() >= 500 && faults.push(`${response.status()}: ${response.url()}`));
  page.on("request", (request) => {
    urls.push(request.url());
    if (/^(https?|wss?):/.test(request.url()) && !origins.includes(new URL(request.url()).origin)) {
      faults.push(`external request: ${request.url()}`);
    }
  });
  return { browser, context, page, faults, urls };
}

/** Check a page's accessibility (WCAG 2 AA, contrast included) in light and in dark colours, and its width on a phone. */
export async function checkAccess(page) {
  await page.evaluate(AXE);
  // Only contrast depends on the colours.
  const checks = { dark: ["color-contrast"], light: undefined };
  for (const [colorScheme, rules] of Object.entries(checks)) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(runOnly ? { runOnly } : {}), rules);
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    assert.deepEqual(found, [], `${page.url()} in ${colorScheme} colours`);
  }
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await page.setViewportSize({ width, height });
  assert.equal(overflow, 0, `${page.url()} is wider than a phone`);
}
