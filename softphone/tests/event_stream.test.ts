import assert from "node:assert/strict";
import { test } from "node:test";

import { EventStream } from "../src/event_stream.js";
import type { ServerEvent } from "../src/sse.js";

/** A server that answers each request with the next of `bodies`; undefined: refuses. */
function server(bodies: (string | undefined)[]): { asked: Headers[]; fetch: typeof fetch } {
  const asked: Headers[] = [];
  const answer: typeof fetch = (_url, init) => {
    asked.push(new Headers(init?.headers));
    const body = bodies[asked.length - 1];
    if (body !== undefined) return Promise.resolve(new Response(body));
    if (asked.length <= bodies.length) return Promise.resolve(new Response(null, { status: 503 }));
    return new Promise(() => undefined);
  };
  return { asked, fetch: answer };
}

async function read(bodies: (string | undefined)[], wanted: number, last_id?: string): Promise<[ServerEvent[], Headers[]]> {
  const { asked, fetch } = server(bodies);
  const events: ServerEvent[] = [];
  const stream = new EventStream({
    url: "https://calls.example/v1/app/events",
    token: () => "app_1.secret",
    on_event: (event) => events.push(event),
    fetch,
    last_id,
  });
  stream.start();
  const deadline = Date.now() + 5_000;
  while (asked.length < wanted && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    stream.nudge();
  }
  stream.stop();
  return [events, asked];
}

test("a stream that breaks goes on after the last entry, with its key in a header", async () => {
  const [events, asked] = await read(["id: 7\nevent: call.missed\ndata: {}\n\n", undefined, "id: 8\ndata: {}\n\n"], 4);
  assert.deepEqual(events.map((event) => event.id), ["7", "8"]);
  assert.deepEqual(asked.map((headers) => headers.get("Last-Event-ID")), [null, "7", "7", "8"]);
  assert.ok(asked.every((headers) => headers.get("Authorization") === "Bearer app_1.secret"));
});

test("an app that remembers where it was asks for no more", async () => {
  const [, asked] = await read([], 1, "41");
  assert.equal(asked[0]?.get("Last-Event-ID"), "41");
});
