import assert from "node:assert/strict";
import { test } from "node:test";

import { ageOn, compareVersions, eachItem, eachPage, formatDate, ifMatch, isDate, today } from "../dist/index.js";

const english = { locale: "en-US", timeZone: "America/Los_Angeles" };

test("a date shows no more than its precision, in every time zone", () => {
  const zone = process.env.TZ;
  for (process.env.TZ of ["America/Los_Angeles", "Pacific/Kiritimati"]) {
    assert.equal(formatDate("1981-01-01", "year", english), "1981");
    assert.equal(formatDate("1981-05-01", "month", english), "May 1981");
    assert.equal(formatDate("1981-05-01", "day", english), "May 1, 1981");
    assert.equal(formatDate("1981-05-01", null, english), "May 1, 1981");
    assert.equal(formatDate("2020-05-01T00:00:00Z", "month", english), "May 2020");
    assert.match(formatDate("2020-05-01T03:00:00Z", "instant", english), /^Apr 30, 2020, 8:00\sPM$/);
  }
  process.env.TZ = zone ?? "";
  assert.deepEqual([formatDate(null, "day"), formatDate(undefined), formatDate("")], ["", "", ""]);
  assert.throws(() => formatDate("yesterday"), RangeError);
});

test("an age is as exact as the birth date", () => {
  assert.deepEqual(ageOn("1980-05-17", "day", "2026-05-16"), { min: 45, max: 45 });
  assert.deepEqual(ageOn("1980-05-17", "day", "2026-05-17"), { min: 46, max: 46 });
  assert.deepEqual(ageOn("1980-02-29", "day", "2025-02-28"), { min: 44, max: 44 });
  assert.deepEqual(ageOn("1980-01-01", "year", "2026-05-17"), { min: 45, max: 46 });
  assert.deepEqual(ageOn("1980-05-01", "month", "2026-05-17"), { min: 45, max: 46 });
  assert.deepEqual(ageOn("2026-01-01", "year", "2026-05-17"), { min: 0, max: 0 });
  assert.equal(ageOn(null, null), undefined);
});

test("today is written as the API writes dates, and only days that exist are dates", () => {
  assert.equal(today(new Date(2026, 0, 5, 23, 59)), "2026-01-05");
  assert.deepEqual(["2024-02-29", "2025-02-29", "2025-13-01", "1980-1-1", "", "1980-01-01T00:00:00Z"].map(isDate), [true, false, false, false, false, false]);
});

test("eachItem and eachPage go through all pages, and do not go round in circles", async () => {
  const pages = { "": [[1, 2], "b"], b: [[], "c"], c: [[3], null] };
  const read = async (cursor = "") => ({ data: pages[cursor][0], page: { next: pages[cursor][1], has_more: false } });
  assert.deepEqual(await Array.fromAsync?.(eachItem(read)) ?? (await collect(eachItem(read))), [1, 2, 3]);
  assert.equal((await collect(eachPage(read))).length, 3);
  const circle = async () => ({ data: [1], page: { next: "same", has_more: true } });
  await assert.rejects(collect(eachItem(circle)), RangeError);
});

async function collect(items) {
  const all = [];
  for await (const item of items) {
    all.push(item);
  }
  return all;
}

test("versions: fields that both changed conflict, the others do not", () => {
  const base = { phone: "1", email: null, address: { city: "Duluth" }, sex: "female" };
  const theirs = { phone: "2", email: "x@example.org", address: { city: "Duluth" }, sex: "female" };
  const mine = { phone: "3", sex: "male", address: { city: "Duluth" } };
  assert.deepEqual(compareVersions(base, mine, theirs, ["phone", "email", "sex", "address"]), {
    patch: { phone: "3", sex: "male" },
    conflicts: [{ field: "phone", base: "1", mine: "3", theirs: "2" }],
    theirs: ["email"],
  });
  // Both made the same change.
  assert.deepEqual(compareVersions(base, { phone: "2" }, theirs), { patch: {}, conflicts: [], theirs: ["phone"] });
  assert.deepEqual(compareVersions(base, { email: null }, theirs), { patch: {}, conflicts: [], theirs: ["email"] });
  assert.deepEqual(ifMatch({ version: '"3"' }), { "If-Match": '"3"' });
  assert.deepEqual(ifMatch({ id: "1", etag: '"4"' }), { "If-Match": '"4"' });
  assert.throws(() => ifMatch({ version: null, data: { etag: '"4"' } }), TypeError);
  assert.throws(() => ifMatch({ id: "1" }), TypeError);
});
