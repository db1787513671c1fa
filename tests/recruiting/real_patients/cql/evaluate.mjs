// Evaluates an ELM library for patients with the reference engine of CQL.
//
// node evaluate.mjs LIBRARY.json FOLDER AS_OF EVERY
//
// EVERY is 1 for all patients, 2 for every second one, and so on. FOLDER has FHIR resources as *.ndjson.gz. They become one Bundle for each patient, with the
// resources that the library retrieves. The answer is a JSON object: for each definition, the
// patients for whom it is true, false and null.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fhir from "cql-exec-fhir";
import cql from "cql-execution";

const [libraryPath, folder, asOf, every] = process.argv.slice(2);
const elm = JSON.parse(readFileSync(libraryPath, "utf8"));
const wanted = retrieved(elm);

function retrieved(node, found = new Map()) {
  // The resource types of the library, with the codes that are asked for.
  if (node && typeof node === "object") {
    if (node.type === "Retrieve") {
      const kind = node.dataType.replace(/.*}/, "");
      const codes = (node.codes?.element ?? []).map((each) => each.code);
      found.set(kind, [...(found.get(kind) ?? []), ...codes]);
    }
    Object.values(node).forEach((each) => retrieved(each, found));
  }
  return found;
}

function isWanted(resource) {
  const codes = wanted.get(resource.resourceType);
  const concept = resource.code ?? resource.medicationCodeableConcept ?? resource.vaccineCode;
  const codings = concept?.coding ?? (resource.resourceType === "Encounter" ? [resource.class] : []);
  if (!codes?.length || !codings.length) return codes !== undefined;
  return codings.some((each) => codes.includes(each.code));
}

function* resources() {
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".ndjson.gz"))) {
    if (!wanted.has(name.split(".")[0])) continue;
    const lines = gunzipSync(readFileSync(join(folder, name))).toString("utf8").split("\n");
    for (const line of lines.filter(Boolean)) yield JSON.parse(line);
  }
}

const bundles = new Map();
for (const resource of resources()) {
  if (!isWanted(resource)) continue;
  const subject = resource.subject ?? resource.patient;
  const patient = resource.resourceType === "Patient" ? resource.id : subject.reference.split("/")[1];
  if (!bundles.has(patient)) {
    bundles.set(patient, { resourceType: "Bundle", type: "collection", entry: [] });
  }
  bundles.get(patient).entry.push({ resource });
}

// Patient by patient: the engine keeps all that it has read of the patients of one run.
const executor = new cql.Executor(new cql.Library(elm));
const answers = {};
for (const [number, bundle] of [...bundles.values()].entries()) {
  if (number % every) continue;
  const source = fhir.PatientSource.FHIRv401();
  source.loadBundles([bundle]);
  const results = await executor.exec(source, cql.DateTime.parse(asOf));
  for (const [patient, found] of Object.entries(results.patientResults)) {
    for (const [name, value] of Object.entries(found)) {
      if (name === "Patient") continue;
      answers[name] ??= { true: [], false: [], null: [] };
      answers[name][String(value ?? null)].push(patient);
    }
  }
}
console.log(JSON.stringify(answers));
