import assert from "node:assert/strict";
import { test } from "node:test";

import { endReason, type EndFacts, type EndReason } from "../src/call_end.js";
import { Emitter } from "../src/events.js";
import { readNotice } from "../src/notices.js";
import { telLink } from "../src/tel.js";

const OUT: EndFacts = { local: false, answered: false, incoming: false };
const IN: EndFacts = { ...OUT, incoming: true };

const ENDS: readonly (readonly [string, EndFacts, EndReason])[] = [
  ["either hangs up", { ...OUT, answered: true }, "hung_up"],
  ["we give up ringing", { ...OUT, local: true, cause: "Canceled" }, "cancelled"],
  ["they decline", { ...OUT, status: 603 }, "declined"],
  ["they are busy", { ...OUT, status: 486 }, "busy"],
  ["nothing of theirs rings", { ...OUT, status: 480 }, "unreachable"],
  ["we are blocked", { ...OUT, status: 403 }, "blocked"],
  ["the session is over", { ...OUT, status: 410 }, "not_allowed"],
  ["we are a stranger", { ...OUT, status: 404 }, "not_allowed"],
  ["all lines are taken", { ...OUT, status: 503 }, "unavailable"],
  ["there is no microphone", { ...OUT, local: true, cause: "User Denied Media Access" }, "microphone"],
  ["the connection goes", { ...OUT, local: true, cause: "Connection Error" }, "network"],
  ["they give up", { ...IN, cause: "Canceled" }, "cancelled"],
  ["another device answers", { ...IN, reason: 'SIP;cause=200;text="Call completed elsewhere"' }, "answered_elsewhere"],
  ["we decline", { ...IN, local: true, cause: "Rejected" }, "declined"],
  ["it is none of these", { ...OUT, status: 499 }, "failed"],
];

for (const [when, facts, reason] of ENDS) {
  test(`a call where ${when} ended because of: ${reason}`, () => {
    assert.equal(endReason(facts), reason);
  });
}

test("a tel: link is made of a number, and of nothing else", () => {
  assert.equal(telLink("+74951110001"), "tel:+74951110001");
  assert.equal(telLink("+74951110001,,4711"), "tel:+74951110001,,4711");
  for (const other of ["74951110001", "+7 495", "+7495;ext=1", "javascript:alert(1)", "", null, undefined]) {
    assert.equal(telLink(other), undefined);
  }
});

test("notices are typed; what is unknown or broken is passed over", () => {
  assert.deepEqual(readNotice("call.up", '{"call_id":"c","session_id":"s"}'), { kind: "call.up", call_id: "c", session_id: "s" });
  assert.deepEqual(readNotice("call.handover_offered", '{"call_id":"c","to":"gsm","reason":"loss"}'), {
    kind: "call.handover_offered",
    call_id: "c",
    to: "gsm",
    reason: "loss",
  });
  for (const [kind, data] of [["call.new", '{"call_id":"c"}'], ["call.up", "{"], ["call.up", "null"], ["call.up", "{}"]] as const) {
    assert.equal(readNotice(kind, data), undefined);
  }
});

class Bell extends Emitter<{ rings: number }> {
  ring(n: number): void {
    this.emit("rings", n);
  }
}

test("a listener that has stopped hears no more, and others go on", () => {
  const bell = new Bell();
  const heard: string[] = [];
  const stop = bell.on("rings", (n) => heard.push(`a${String(n)}`));
  bell.on("rings", (n) => heard.push(`b${String(n)}`));
  bell.ring(1);
  stop();
  stop();
  bell.ring(2);
  assert.deepEqual(heard, ["a1", "b1", "b2"]);
});

test("waiting for an event has a deadline", async () => {
  const bell = new Bell();
  const waited = bell.once("rings", { timeout_ms: 1_000, wanted: (n) => n > 1 });
  bell.ring(1);
  bell.ring(2);
  assert.equal(await waited, 2);
  await assert.rejects(bell.once("rings", { timeout_ms: 1 }), /no rings within 1 ms/);
});
