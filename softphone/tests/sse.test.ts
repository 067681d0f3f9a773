import assert from "node:assert/strict";
import { test } from "node:test";

import { LONGEST, SseParser } from "../src/sse.js";

const TEXT = 'retry: 2000\n\nid: 7\nevent: call.missed\ndata: {"a":\ndata: 1}\n\n: alive\r\n\r\nevent:x\rdata:y\r\rdata: half';
const EVENTS = [
  { kind: "call.missed", data: '{"a":\n1}', id: "7" },
  { kind: "x", data: "y", id: "7" },
];

test("events come out whole, wherever the text is cut", () => {
  for (let cut = 0; cut <= TEXT.length; cut += 1) {
    const parser = new SseParser();
    const events = [...parser.feed(TEXT.slice(0, cut)), ...parser.feed(TEXT.slice(cut))];
    assert.deepEqual(events, EVENTS, `cut at ${String(cut)}`);
    assert.equal(parser.retry_ms, 2000);
  }
});

test("one character at a time is as good", () => {
  const parser = new SseParser();
  assert.deepEqual(Array.from(TEXT).flatMap((one) => parser.feed(one)), EVENTS);
});

test("an event without data is none", () => {
  assert.deepEqual(new SseParser().feed("event: x\nid: 3\n\n"), []);
});

test("a server that never ends a line is left", () => {
  const parser = new SseParser();
  assert.throws(() => parser.feed("data: " + "x".repeat(LONGEST)), RangeError);
});
