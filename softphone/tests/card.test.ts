import assert from "node:assert/strict";
import { test } from "node:test";

import { readCard } from "../src/card.js";

const CARD = {
  call_id: "call_1",
  session_id: "ses_1",
  conversation_id: "chat-81",
  role: "buyer",
  name: "Анна «А»",
  rating: 4.9,
  listing: { id: "L-42", title: "Lada Vesta 2019" },
  facts: { verified: true },
};

function header(card: unknown): string {
  const versioned: unknown = typeof card === "object" && card !== null && !Array.isArray(card) ? { v: 1, ...card } : card;
  return Buffer.from(JSON.stringify(versioned), "utf8").toString("base64url");
}

test("the card of the header is read, in any script", () => {
  const card = readCard(header(CARD), "display name", "ses_0");
  assert.deepEqual(card, CARD);
});

test("without a header the display name is the card", () => {
  const card = readCard(undefined, "Anna", "ses_0");
  assert.equal(card.name, "Anna");
  assert.equal(card.session_id, "ses_0");
  assert.equal(card.call_id, undefined);
});

for (const [what, text] of [
  ["not base64", "%%%"],
  ["not JSON", Buffer.from("no").toString("base64url")],
  ["not UTF-8", Buffer.from([0xc3, 0x28]).toString("base64url")],
  ["a list", header([1])],
  ["null", header(null)],
  ["of a version to come", header({ ...CARD, v: 2 })],
  ["far too long", "A".repeat(5_000)],
] as const) {
  test(`a header that is ${what} gives no more than the display name`, () => {
    assert.equal(readCard(text, "Anna", "x").name, "Anna");
  });
}

test("fields of other types are left out", () => {
  const card = readCard(header({ name: 7, rating: "5", listing: "L", facts: [] }), "Anna", "x");
  assert.equal(card.name, "Anna");
  assert.equal(card.rating, undefined);
  assert.equal(card.listing, undefined);
  assert.deepEqual(card.facts, {});
});
