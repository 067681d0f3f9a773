import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { Call } from "../src/call.js";

type Say = (event: unknown) => void;

/** JsSIP's session, as far as a call looks at it. */
class Session {
  readonly connection = undefined;
  readonly said: object[] = [];
  #listeners = new Map<string, Say>();

  on(name: string, listener: Say): void {
    this.#listeners.set(name, listener);
  }

  tells(name: string, event: unknown): void {
    this.#listeners.get(name)?.(event);
  }

  isEnded(): boolean {
    return false;
  }

  terminate(options: object): void {
    this.said.push(options);
    this.tells("failed", { originator: "local", message: null, cause: "Canceled" });
  }

  onTransportError(): void {
    this.terminate({ cause: "Connection Error" });
  }

  onRequestTimeout(): void {
    this.terminate({ cause: "Request Timeout" });
  }
}

function ringing(t: TestContext, direction: "in" | "out"): { call: Call; session: Session; ends: string[] } {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const session = new Session();
  const call = new Call({
    session: session as never,
    direction,
    session_id: "ses_1",
    card: undefined,
    audio: { element: { pause: () => undefined } as HTMLAudioElement },
    rtc: {},
    alive: () => Promise.resolve(true),
    patience_ms: 20_000,
  });
  const ends: string[] = [];
  call.on("ended", ({ reason }) => ends.push(reason));
  return { call, session, ends };
}

const refused = (status: number): object => ({
  originator: "remote",
  message: { status_code: status, getHeader: () => undefined },
  cause: "Busy",
});

test("SIP says why a call ended, however early the events say that it has", (t) => {
  const { call, session, ends } = ringing(t, "out");
  call.overElsewhere();
  t.mock.timers.tick(1_000);
  session.tells("failed", refused(486));
  t.mock.timers.tick(60_000);
  assert.deepEqual(ends, ["busy"]);
  assert.deepEqual(session.said, [], "and nothing is cancelled that is over");
});

test("an answer that is lost with the connection leaves no call behind", (t) => {
  for (const [direction, reason] of [
    ["out", "network"],
    ["in", "cancelled"],
  ] as const) {
    const { call, session, ends } = ringing(t, direction);
    call.overElsewhere();
    t.mock.timers.tick(2_000);
    assert.deepEqual(ends, [reason]);
    assert.equal(session.said.length, 1);
    t.mock.timers.reset();
  }
});

for (const lost of ["onTransportError", "onRequestTimeout"] as const) {
  test(`a call that rings and loses its connection was not cancelled: ${lost}`, (t) => {
    const { call, session, ends } = ringing(t, "out");
    call.watch(new EventTarget() as RTCPeerConnection);
    session[lost]();
    assert.deepEqual(ends, ["network"]);
  });
}
