// Walk through the app in a browser, as people do. Exits with 1 where something is not as expected.

import assert from "node:assert/strict";

import { createTriallyClient, ifMatch } from "@trially/client";

import { checkAccess, openBrowser } from "./browser.mjs";

const { APP_URL, TRIALLY_URL, TRIALLY_TOKEN, CHROMIUM, SCREENSHOTS } = process.env;
const PATIENTS_TO_IMPORT = 12_000;
const NORTH = { line: "rgb(29, 53, 87)", link: "rgb(107, 33, 104)" };
const SOUTH = { line: "rgb(122, 46, 14)", link: "rgb(122, 46, 14)" };
/** The colours that the tenants have chosen, as browsers compute them. */

const other = createTriallyClient({ baseUrl: TRIALLY_URL, token: () => TRIALLY_TOKEN });
const { browser, context, page, faults, urls } = await openBrowser(CHROMIUM, [APP_URL, TRIALLY_URL].map((url) => new URL(url).origin));
const button = (name) => page.getByRole("button", { name, exact: true });
const choice = (name) => page.getByRole("combobox", { name, exact: true });
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
  "a tenant has its own name, colours and logo": async () => {
    await seen(page.getByRole("link", { name: "North Trials, first page" }));
    assert.deepEqual(await brandColors(), NORTH);
    await page.locator(".logo img").evaluate((image) => image.decode());
    await checkAccess(page);
    await screenshot("north-branding");
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
  "a study shows its numbers, as a picture and as a table": async () => {
    await page.getByRole("link", { name: "Studies", exact: true }).click();
    await seen(page.getByText("1 study", { exact: true }));
    await checkAccess(page);
    await page.getByRole("link", { name: "A study" }).click();
    await seen(page.getByRole("img", { name: "Patients left after each criterion" }));
    assert.deepEqual(await totals(), ["1", "29", "1"]);
    await seen(page.getByText("3 of 4 criteria are evaluated from records (75 %). 1 asks a person about some patients."));
    await page.getByText("The same as a table").click();
    await seen(page.getByRole("row", { name: "HbA1c of at least 7 % 1 29 31" }));
    await checkAccess(page);
    await screenshot("study");
  },
  "a criterion that is switched off, changed or added is counted at once": async () => {
    await ofStudy("Criteria");
    const hba1c = page.getByRole("switch", { name: "HbA1c of at least 7 %" });
    await hba1c.click();
    await counted(["30", "1", "0"]);
    await checkAccess(page);
    await screenshot("criterion-off");
    await hba1c.click();
    await counted(["1", "29", "1"]);
    await page.getByLabel("At least: HbA1c of at least 7 %").fill("8.5");
    await page.keyboard.press("Enter");
    await counted(["0", "29", "2"]);
    await seen(page.getByRole("switch", { name: "HbA1c of at least 8.5 %" }));
    await choice("Patients").selectOption("must not meet it");
    await choice("It is about").selectOption("a diagnosis");
    await button("Add").click();
    await seen(page.getByText("Choose a diagnosis, or enter the beginning of a code."));
    await choice("Diagnosis").selectOption("Asthma");
    await button("Add").click();
    await seen(page.getByRole("switch", { name: "Asthma" }));
    await choice("It is about").selectOption("a measured value");
    await page.getByLabel("At least", { exact: true }).fill("9");
    await choice("Measurement").selectOption("Hemoglobin (g/dL)");
    await button("Add").click();
    await seen(page.getByRole("switch", { name: "Hemoglobin of at least 9 g/dL, most recent value" }));
    await page.getByRole("button", { name: "Remove: Heart failure" }).click();
    await page.getByRole("switch", { name: "Heart failure" }).waitFor({ state: "detached" });
  },
  "what was tried is saved as a draft": async () => {
    await button("Save as a draft").click();
    await page.waitForURL(/version=2$/);
    await seen(button("Submit for review"));
    const { data } = await other.GET("/api/v1/studies/{study_id}/versions/{version}/criteria", {
      params: { path: { study_id: studyId(), version: 2 } },
    });
    assert.deepEqual(
      data.criteria.map(({ kind, statement, review_state }) => [kind, statement, review_state]),
      [
        ["inclusion", "Age of 18 years or more", "reviewed"],
        ["inclusion", "HbA1c of at least 8.5 %", "reviewed"],
        ["inclusion", "Men accept a home visit", "reviewed"],
        ["exclusion", "Asthma", "reviewed"],
        ["inclusion", "Hemoglobin of at least 9 g/dL, most recent value", "reviewed"],
      ],
    );
    assert.deepEqual(data.criteria[3].expression.condition.in.valueset, ["asthma"]);
  },
  "proposed criteria are corrected, accepted and rejected": async () => {
    await page.getByLabel("Eligibility text").fill("Inclusion Criteria:\n* BMI >= 25 kg/m2\n* Likes to walk\n");
    await button("Read and propose").click();
    await seen(page.getByText("2 statements are new, 2 to decide."));
    await checkAccess(page);
    await screenshot("proposals");
    await page.getByLabel("At least: BMI >= 25 kg/m2").fill("27");
    await page.keyboard.press("Enter");
    await button("Accept as corrected").click();
    await seen(page.getByRole("switch", { name: "BMI >= 25 kg/m2" }));
    await seen(page.getByLabel("At least: BMI >= 25 kg/m2"));
    assert.equal(await page.getByLabel("At least: BMI >= 25 kg/m2").inputValue(), "27");
    await button("Reject").click();
    await page.getByRole("heading", { name: "Likes to walk" }).waitFor({ state: "detached" });
  },
  "a match shows the evidence of each criterion": async () => {
    await ofStudy("Matches");
    await seen(page.getByText("1 patient. All inclusions are met, and no exclusion is."));
    await checkAccess(page);
    await page.getByRole("link", { name: "Testerly, Ada" }).click();
    await seen(page.getByText("Criterion by criterion"));
    const evidence = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "HbA1c of at least 7 %" }) });
    assert.match(await evidence.innerText(), /Fits[^]*Hemoglobin A1c[^]*LOINC 4548-4[^]*8\.1 %[^]*Sep 1, 2026/);
    await checkAccess(page);
    await screenshot("match");
  },
  "why not? names the criterion, and what would change it": async () => {
    await ofStudy("Matches");
    await page.getByRole("link", { name: "Potential", exact: true }).click();
    await seen(page.getByText("29 patients."));
    await page.getByRole("link", { name: "Next page →" }).click();
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 9);
    await page.getByLabel("Name or MRN of a patient").fill("Mockwell");
    await button("Find").click();
    await page.getByRole("link", { name: "Mockwell, Bram" }).click();
    await seen(page.locator(".verdict", { hasText: "Ineligible" }));
    const first = page.locator(".result").first();
    assert.match(await first.innerText(), /HbA1c of at least 7 %\s+Rules out[^]*6 %/);
    await first.getByText("What would change it").click();
    await seen(first.locator(".ways li").first());
    assert.deepEqual(urls.filter((url) => /mockwell/i.test(url)), []);
    await screenshot("why-not");
  },
  "a person includes a patient, and takes it back": async () => {
    await page.getByLabel("Reason").fill("Known from another study");
    await button("Include").click();
    await seen(page.getByText("The decision is saved."));
    await seen(page.getByText("Included: Known from another study"));
    await checkAccess(page);
    await page.getByRole("link", { name: "← Ineligible patients" }).click();
    await seen(page.getByRole("row", { name: /Mockwell, Bram\s*included/ }));
    await page.getByRole("link", { name: "Mockwell, Bram" }).click();
    await button("Take back").click();
    await seen(page.getByText("Only the criteria count again."));
    await seen(page.getByText("Nobody has decided."));
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
    await find("E-1", "Twostone, Una");
    await page.getByLabel("Phone", { exact: true }).fill("555-9");
    await button("Save").click();
    await seen(page.getByText("The source says: 555-1"));
    await find("E-2", "Twostone-Old, Una");
    await page.getByLabel("MRN of the other record").fill("E-1");
    await button("Find it").click();
    await seen(page.getByText("Twostone, Una, born 1961-07-23, MRN E-1, from ehr"));
    await checkAccess(page);
    await button("Merge into this record").click();
    await seen(page.getByText("This record was merged."));
    await screenshot("merged");

    await importRecords(person("e1", "E-1", "Twostone-Married", "555-3"), person("e2", "E-2", "Twostone-Old", "555-2"), diagnosis("e2"));
    await find("twostone", "Twostone-Married, Una");
    await seen(page.getByText("The source says: 555-3"));
    assert.equal(await page.getByLabel("Phone", { exact: true }).inputValue(), "555-9");
    await seen(page.getByText("Diabetes"));
    await screenshot("corrected");
    await button("Use the source’s phone").click();
    await page.getByText("The source says: 555-3").waitFor({ state: "detached" });
    await page.reload();
    assert.equal(await page.getByLabel("Phone", { exact: true }).inputValue(), "555-3");
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
    await seen(page.getByText("1 patient", { exact: true }));
    await seen(page.getByRole("link", { name: "South Studies, first page" }));
    await waitForColors(SOUTH);
    assert.equal(await page.locator(".logo img").count(), 0);
    await checkAccess(page);
    await screenshot("south-branding");
    // The study and the patient have the ids of those of the other organisation.
    const [study, patient] = [await idOfStudy(), await idOf("N-1")];
    await page.goto(`${APP_URL}/south/studies/${study}`);
    await seen(heading("Another study with this id"));
    await seen(page.getByText("No version of the protocol is active"));
    await page.goto(`${APP_URL}/south/studies/${study}/matches/${patient}`);
    await seen(page.getByText("The study has no active version of its protocol."));
    await page.goto(`${APP_URL}/south/patients/${patient}`);
    await seen(heading("Southerly, Sue"));
    await page.goto(`${APP_URL}/north/studies/${study}/matches/${patient}`);
    await seen(heading("Testerly, Ada"));
    await page.getByRole("link", { name: "Change" }).click();
    await page.waitForURL(/choose/);
    await page.getByRole("link", { name: "north" }).click();
    await seen(page.getByText("12,033 patients"));
    await waitForColors(NORTH);
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

/** Open another page of the study. */
/** Return the colours of the line above the page and of a link. */
function brandColors() {
  return page.evaluate(() => ({
    line: getComputedStyle(document.querySelector(".top")).borderTopColor,
    link: getComputedStyle(document.querySelector("nav a[aria-current]")).color,
  }));
}

/** Wait for the style sheet of another tenant, which loads after the page. */
async function waitForColors(expected) {
  await page.waitForFunction(
    ({ line }) => getComputedStyle(document.querySelector(".top")).borderTopColor === line,
    expected,
  );
  assert.deepEqual(await brandColors(), expected);
}

async function ofStudy(name) {
  await page.getByRole("navigation", { name: "Pages of the study" }).getByRole("link", { name, exact: true }).click();
}

/** Return the numbers of eligible, potential and ineligible patients that the page shows. */
function totals() {
  return page.locator(".totals dd").allInnerTexts();
}

async function counted(expected) {
  await page.waitForFunction((texts) => [...document.querySelectorAll(".totals dd")].map((one) => one.innerText).join() === texts, expected.join());
  await page.locator('.totals[aria-busy="false"]').waitFor();
}

function studyId() {
  return page.url().match(/studies\/([0-9a-f-]+)/)[1];
}

async function idOfStudy() {
  return (await other.GET("/api/v1/studies")).data.data[0].id;
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

async function find(value, name) {
  await page.goto(`${APP_URL}/north/patients`);
  await page.getByLabel("Name, MRN, phone, email or birth date").fill(value);
  await button("Search").click();
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
