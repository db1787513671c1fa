// Walk through the app in a browser, as people do. Exits with 1 where something is not as expected.

import assert from "node:assert/strict";

import { createTriallyClient, ifMatch } from "@trially/client";

import { checkAccess, openBrowser } from "./browser.mjs";

const { APP_URL, TRIALLY_URL, TRIALLY_TOKEN, CHROMIUM, SCREENSHOTS } = process.env;
const PATIENTS_TO_IMPORT = 12_000;

const other = createTriallyClient({ baseUrl: TRIALLY_URL, token: () => TRIALLY_TOKEN });
const { browser, context, page, faults, urls } = await openBrowser(CHROMIUM, [APP_URL, TRIALLY_URL].map((url) => new URL(url).origin));
const button = (name) => page.getByRole("button", { name, exact: true });
const heading = (name) => page.getByRole("heading", { name });
const seen = (locator) => locator.waitFor();

const steps = {
  "a stranger sees the sign-in": async () => {
    await page.goto(`${APP_URL}/north/patients`);
    await seen(page.getByText("Your session has ended. Sign in again."));
    await page.goto(APP_URL);
    await seen(heading("Recruit patients for clinical trials"));
    await checkAccess(page);
  },
  "the keyboard signs in": async () => {
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await signInAs("Cora Coordinator", "north");
    await seen(heading("Patients"));
    await seen(page.getByText("North Clinic"));
  },
  "the list shows patients, page by page": async () => {
    await seen(page.getByText("31 patients"));
    assert.equal(await page.getByRole("row").count(), 1 + 25);
    assert.match(await page.getByRole("row").nth(1).innerText(), /Testerly, Ada\s+N-1\s+May 17, 1960/);
    await checkAccess(page);
    await page.getByRole("link", { name: "Next page →" }).click();
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 6);
    await page.getByRole("link", { name: "← First page" }).click();
    await page.getByRole("link", { name: "Male", exact: true }).click();
    await seen(page.getByText("1 male patient", { exact: true }));
  },
  "the search finds names, and keeps them out of addresses": async () => {
    await page.getByRole("link", { name: "All", exact: true }).click();
    await page.getByRole("searchbox").fill("mokwell bram");
    await page.keyboard.press("Enter");
    await seen(page.getByText("1 patient found."));
    await seen(page.getByRole("link", { name: "Mockwell, Bram" }));
    await seen(page.getByText("family name (similar) · given name"));
    await page.getByRole("searchbox").fill("Nobody");
    await button("Search").click();
    await seen(page.getByText("No patient found."));
    await button("Clear").click();
    await seen(page.getByRole("link", { name: "Testerly, Ada" }));
    assert.deepEqual(urls.filter((url) => /mo?c?kwell|nobody/i.test(url)), []);
  },
  "an invalid value is shown at its field": async () => {
    await page.getByRole("link", { name: "Testerly, Ada" }).click();
    await page.waitForURL(/patients\/.+/);
    await checkAccess(page);
    await page.getByLabel("Birth date").fill("2990-01-01");
    await button("Save").click();
    await seen(heading("Some values cannot be saved"));
    assert.equal(await page.getByLabel("Birth date").getAttribute("aria-invalid"), "true");
    await page.getByLabel("Birth date").fill("1960-05-17");
    await button("Save").click();
    await seen(page.getByText("Nothing has changed."));
  },
  "a change is saved": async () => {
    await page.getByLabel("Email").fill("ada@example.org");
    await page.getByLabel("Sex").selectOption("other");
    await button("Save").click();
    await seen(page.getByText("Saved."));
    assert.equal(await page.getByLabel("Sex").inputValue(), "other");
    const { data } = await readAda();
    assert.deepEqual([data.email, data.sex], ["ada@example.org", "other"]);
  },
  "a version conflict shows both values, and the person chooses mine": async () => {
    await changeAda({ phone: "555-0199", language: "es" });
    await page.getByLabel("Phone").fill("555-0101");
    await page.getByLabel("City").fill("Duluth");
    await button("Save").click();
    await seen(heading("Someone else changed this patient"));
    const shown = await page.getByRole("group", { name: "Phone" }).innerText();
    assert.match(shown, /Theirs[^]*555-0199[^]*Mine[^]*555-0101[^]*When you opened the page: 555-0100/);
    await seen(page.getByText("They also changed, and it stays: Language."));
    await seen(page.getByText("You also changed, and it will be saved: City: Duluth."));
    await checkAccess(page);
    await screenshot("conflict");
    await page.getByLabel("Mine").check();
    await button("Save this choice").click();
    await seen(page.getByText("Saved."));
    const { data } = await readAda();
    assert.deepEqual([data.phone, data.language, data.address.city], ["555-0101", "es", "Duluth"]);
  },
  "theirs can stay, and mine can be discarded": async () => {
    await changeAda({ phone: "555-0142" });
    await page.getByLabel("Phone").fill("555-0177");
    await button("Save").click();
    await page.getByLabel("Theirs").check();
    await button("Save this choice").click();
    await seen(page.getByText("Nothing has changed."));
    assert.equal(await page.getByLabel("Phone").inputValue(), "555-0142");
    await changeAda({ phone: "555-0143" });
    await page.getByLabel("Phone").fill("555-0178");
    await button("Save").click();
    await button("Discard my changes").click();
    await seen(button("Save"));
    assert.equal(await page.getByLabel("Phone").inputValue(), "555-0143");
    assert.equal((await readAda()).data.phone, "555-0143");
  },
  "a document is searched and read, and its words stay out of addresses": async () => {
    await page.getByLabel("Words in documents").fill("febrile");
    await page.keyboard.press("Enter");
    await seen(page.getByText("1 document found."));
    assert.deepEqual(await page.locator(".snippet mark").allInnerTexts(), ["Fébrile"]);
    await page.getByRole("button", { name: /^Fébrile/ }).click();
    await seen(page.locator(".document-text"));
    assert.match(await page.locator(".document-text").innerText(), /Fébrile <script>alert\(1\)<\/script> with chest pain/);
    await checkAccess(page);
    await screenshot("document");
    await button("Clear").click();
    await seen(page.getByRole("button", { name: "No complaints." }));
    assert.deepEqual(urls.filter((url) => /febrile/i.test(url)), []);
  },
  "possible duplicates are merged, and a merge is undone": async () => {
    await page.getByRole("link", { name: "Possible duplicates" }).click();
    const pair = pairOf("Twicewell, Theodora");
    await seen(pair.getByText("same name · same birth date · same sex · same phone"));
    await checkAccess(page);
    await screenshot("duplicates");
    const { count } = (await other.GET("/api/v1/patients/count")).data;
    await pair.getByRole("button", { name: "Keep this record" }).first().click();
    await seen(page.getByText("The records are merged."));
    await pair.waitFor({ state: "detached" });
    assert.equal((await other.GET("/api/v1/patients/count")).data.count, count - 1);
    const { data: found } = (await other.POST("/api/v1/patients/search", { body: { mrn: "T-2" } })).data;
    assert.deepEqual(found.map(({ mrn, matched }) => [mrn, matched[0].of_replaced_record]), [["T-1", true]]);
    await button("Undo").click();
    await seen(page.getByText("The records stand for themselves again."));
    await seen(pair);
    assert.equal((await other.GET("/api/v1/patients/count")).data.count, count);
  },
  "a pair is dismissed, and taken up again": async () => {
    const pair = pairOf("Doublet, Theodora");
    await pair.getByRole("button", { name: "Different persons" }).click();
    await seen(page.getByText("The pair is not proposed again."));
    await pair.waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Different persons" }).click();
    await pair.getByRole("button", { name: "Decide again" }).click();
    await seen(page.getByText("No pairs."));
    await page.getByRole("link", { name: "To decide" }).click();
    await seen(pair.getByRole("button", { name: "Different persons" }));
  },
  "a file is imported, with progress": async () => {
    await page.getByRole("link", { name: "Imports", exact: true }).click();
    await seen(heading("Earlier imports"));
    await checkAccess(page);
    await page.getByLabel("Choose a file").setInputFiles(fileOfPatients(PATIENTS_TO_IMPORT));
    await page.getByLabel("Comes from").fill("walkers");
    await page.evaluate(rememberProgress);
    await button("Import").click();
    await page.getByText("patients.ndjson is imported").waitFor({ timeout: 60_000 });
    const texts = await page.evaluate(() => globalThis.progressTexts);
    assert.ok(texts.some((text) => /Sending patients\.ndjson/.test(text)), texts.join("\n"));
    const lines = texts.flatMap((text) => text.match(/([\d,]+) of 12,001 lines/)?.[1] ?? []).map((text) => Number(text.replace(",", "")));
    assert.ok(lines.some((count) => count > 0 && count < PATIENTS_TO_IMPORT), texts.join("\n"));
    assert.deepEqual(lines, lines.toSorted?.((one, two) => one - two) ?? lines);
    assert.match(await page.getByRole("table", { name: "Imported resources" }).innerText(), /Patient\s+12,000\s+12,000\s+0/);
    await screenshot("imported");
    await page.getByRole("link", { name: "See why" }).click();
    await seen(heading("Lines that were not imported"));
    await seen(page.getByRole("row", { name: "12001 The content is not valid JSON." }));
    await checkAccess(page);
  },
  "a file that is no import is refused in plain words": async () => {
    await page.getByRole("link", { name: "← Imports" }).click();
    await page.getByLabel("Choose a file").setInputFiles({ name: "empty.ndjson", mimeType: "text/plain", buffer: Buffer.alloc(0) });
    await page.getByLabel("Comes from").fill("walkers");
    await button("Import").click();
    await seen(page.getByText("The body is empty."));
  },
  "a coordinator imports, corrects, merges, imports again, and finds": async () => {
    await importRecords(person("e1", "E-1", "Twostone", "555-1"), person("e2", "E-2", "Twostone-Old", "555-2"), diagnosis("e2"));
    await find("MRN", "E-1", "Twostone, Una");
    await page.getByLabel("Phone").fill("555-9");
    await button("Save").click();
    await seen(page.getByText("The source says: 555-1"));
    await find("MRN", "E-2", "Twostone-Old, Una");
    await page.getByLabel("MRN of the other record").fill("E-1");
    await button("Find it").click();
    await seen(page.getByText("Twostone, Una, born 1961-07-23, MRN E-1, from ehr"));
    await checkAccess(page);
    await button("Merge into this record").click();
    await seen(page.getByText("This record was merged."));
    await screenshot("merged");

    await importRecords(person("e1", "E-1", "Twostone-Married", "555-3"), person("e2", "E-2", "Twostone-Old", "555-2"), diagnosis("e2"));
    await find("Family name", "twostone", "Twostone-Married, Una");
    await seen(page.getByText("The source says: 555-3"));
    assert.equal(await page.getByLabel("Phone").inputValue(), "555-9");
    await seen(page.getByText("Diabetes"));
    await screenshot("corrected");
    await button("Use the source’s phone").click();
    await page.getByText("The source says: 555-3").waitFor({ state: "detached" });
    await page.reload();
    assert.equal(await page.getByLabel("Phone").inputValue(), "555-3");
    await page.goto(`${APP_URL}/north/patients/${await idOf("E-2")}`);
    await button("Undo the merge").click();
    await seen(page.getByText("This record stands for the person."));
    await seen(page.getByText("Diabetes"));
  },
  "no token reaches the browser": async () => {
    const session = await page.evaluate(() => fetch("/api/auth/session").then((answer) => answer.text()));
    assert.match(session, /Cora Coordinator/);
    const html = await page.content();
    assert.deepEqual([session, html].filter((text) => text.includes("eyJ")), []);
    const cookies = (await context.cookies()).filter(({ name }) => name.includes("session-token"));
    assert.ok(cookies.length > 0 && cookies.every(({ httpOnly }) => httpOnly));
  },
  "sign-out ends the session here and at the issuer": async () => {
    await signOut();
    assert.ok(urls.some((url) => url.startsWith(`${TRIALLY_URL}/dev-issuer/`) && url.includes("id_token_hint=")));
    await page.goto(`${APP_URL}/north/patients`);
    await seen(page.getByText("Your session has ended. Sign in again."));
  },
  "masked fields appear as hidden": async () => {
    await signIn("Vera Viewer", "north");
    await seen(page.getByText("Names and numbers of patients are hidden from you"));
    const row = await page.getByRole("row").nth(1).innerText();
    assert.match(row, /Hidden name\s+Hidden\s+1960\s/);
    await checkAccess(page);
    await screenshot("hidden");
    await page.getByRole("link", { name: "Hidden name" }).first().click();
    await seen(page.getByText("Latest events"));
    await seen(page.getByText("Texts of documents are hidden from you"));
    assert.match(await page.locator("dl").innerText(), /Phone\s+Hidden/);
    assert.equal(await button("Save").count(), 0);
    await page.getByRole("link", { name: "Possible duplicates" }).click();
    await seen(page.getByText("What speaks for one person is hidden from you.").first());
    await seen(page.getByText("You may see pairs, but not decide."));
    assert.equal(await button("Different persons").count(), 0);
    await page.getByRole("link", { name: "Imports", exact: true }).click();
    await seen(page.getByText("imports:write"));
    await signOut();
  },
  "a refusal names the permission": async () => {
    await signIn("Axel Auditor", "north");
    await seen(heading("You may not do this"));
    await seen(page.getByText("This request needs the permission patients:read."));
    await signOut();
  },
  "a person with several tenants chooses one": async () => {
    await signIn("Sam Several", "south", /choose/);
    await seen(heading("Choose an organisation"));
    await checkAccess(page);
    await page.getByRole("link", { name: "south" }).click();
    await seen(page.getByText("South Clinic"));
    await seen(page.getByText("0 patients"));
    await page.getByRole("link", { name: "Change" }).click();
    await page.getByRole("link", { name: "north" }).click();
    await seen(page.getByText("12,033 patients"));
    await page.goto(`${APP_URL}/${encodeURIComponent("€\r\nnorth")}/patients`);
    await seen(heading("This page does not exist"));
    assert.match(faults.splice(0).join(), /^console: Failed to load resource[^,]*404[^,]*$/);
    await page.goto(`${APP_URL}/elsewhere/patients`);
    await seen(heading("No access to this organisation"));
    await signOut();
  },
};

async function signIn(name, tenant, landing = /patients/) {
  await page.goto(APP_URL);
  await button("Sign in").click();
  await signInAs(name, tenant, landing);
}

async function signInAs(name, tenant, landing = /patients/) {
  const members = page.getByRole("region", { name: tenant });
  await members.getByRole("button", { name }).click();
  await page.waitForURL(landing);
}

async function signOut() {
  await button("Sign out").click();
  await seen(page.getByText("You are signed out."));
}

function pairOf(name) {
  return page.getByRole("article", { name: `${name} and ${name}` });
}

async function readAda() {
  const { data } = await other.POST("/api/v1/patients/search", { body: { mrn: "N-1" } });
  return other.GET("/api/v1/patients/{patient_id}", { params: { path: { patient_id: data.data[0].id } } });
}

async function changeAda(body) {
  const read = await readAda();
  await other.PATCH("/api/v1/patients/{patient_id}", {
    params: { path: { patient_id: read.data.id }, header: ifMatch(read) },
    body,
  });
}

const person = (id, mrn, family, phone) => ({
  resourceType: "Patient",
  id,
  identifier: [{ type: { text: "MRN" }, value: mrn }],
  name: [{ family, given: ["Una"] }],
  telecom: [{ system: "phone", value: phone }],
  gender: "female",
  birthDate: "1961-07-23",
});

const diagnosis = (patient) => ({
  resourceType: "Condition",
  id: `c-${patient}`,
  subject: { reference: `Patient/${patient}` },
  code: { text: "Diabetes" },
  onsetDateTime: "2019-05-14",
});

async function importRecords(...resources) {
  await page.goto(`${APP_URL}/north/imports`);
  const buffer = Buffer.from(resources.map((one) => JSON.stringify(one)).join("\n"));
  await page.getByLabel("Choose a file").setInputFiles({ name: "ehr.ndjson", mimeType: "", buffer });
  await page.getByLabel("Comes from").fill("ehr");
  await button("Import").click();
  await seen(page.getByText("ehr.ndjson is imported"));
}

async function find(label, value, name) {
  await page.goto(`${APP_URL}/north/patients`);
  await page.getByLabel(label, { exact: true }).fill(value);
  await button("Search").click();
  await seen(page.getByText("1 patient found."));
  await page.getByRole("link", { name }).click();
  await page.waitForURL(/patients\/.+/);
}

async function idOf(mrn) {
  const { data } = await other.POST("/api/v1/patients/search", { body: { mrn, record_status: "all" } });
  return data.data[0].id;
}

function fileOfPatients(count) {
  const patients = Array.from({ length: count }, (_, index) =>
    JSON.stringify({ resourceType: "Patient", id: `w${index}`, name: [{ family: `Walker${index}`, given: ["Will"] }], gender: "male", birthDate: "1970" }),
  );
  return { name: "patients.ndjson", mimeType: "", buffer: Buffer.from(`${patients.join("\n")}\nnot JSON\n`) };
}

/** Runs in the page: keep every text of the progress. */
function rememberProgress() {
  globalThis.progressTexts = [];
  new MutationObserver(() => {
    const text = document.querySelector(".progress")?.innerText;
    if (text && text !== globalThis.progressTexts.at(-1)) {
      globalThis.progressTexts.push(text);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}

async function screenshot(name) {
  if (SCREENSHOTS) {
    await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true });
  }
}

try {
  for (const [name, walk] of Object.entries(steps)) {
    const started = Date.now();
    await walk().catch(async (error) => {
      await screenshot("failure");
      console.error(`${await page.locator("body").innerText()}\n`);
      throw new Error(`${name}, at ${page.url()}`, { cause: error });
    });
    assert.deepEqual(faults, [], name);
    console.log(`ok: ${name} (${Date.now() - started} ms)`);
  }
} finally {
  await browser.close();
}
