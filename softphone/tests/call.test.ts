import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { Call } from "../src/call.js";

type Say = (event: unknown) => void;

/** JsSIP's session, as far as a call looks at it. */
class Session {
  readonly connection = undefined;
  readonly said: object[] = [];
  #listeners = new Map<string, Say[]>();
  #ended = false;

  on(name: string, listener: Say): void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  tells(name: string, event: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event);
  }

  isEnded(): boolean {
    return this.#ended;
  }

  terminate(options: object): void {
    assert.equal(this.#ended, false, "as JsSIP, which throws");
    this.#ended = true;
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

function ringing(
  t: TestContext,
  direction: "in" | "out",
  find_link = (): Promise<string | undefined> => Promise.resolve("tel:+74951110001"),
): { call: Call; session: Session; ends: string[]; links: (string | undefined)[] } {
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
    find_link,
  });
  const ends: string[] = [];
  const links: (string | undefined)[] = [];
  call.on("ended", ({ reason, link }) => {
    ends.push(reason);
    links.push(link);
  });
  return { call, session, ends, links };
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

const EMPTY = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:VBwC\r\n";
const GOOD = `${EMPTY}a=candidate:1 1 udp 8265727 192.0.2.1 51849 typ relay\r\n`;
const made = (sdp: string, originator = "local"): object => ({ originator, type: "offer", sdp });

for (const [direction, answer] of [
  ["out", {}],
  ["in", { status_code: 480 }],
] as const) {
  test(`without a candidate nothing is sent, and an ordinary call is offered: ${direction}`, async (t) => {
    const { call, session, ends, links } = ringing(t, direction);
    session.tells("connecting", {});
    session.tells("sdp", made(EMPTY));
    assert.deepEqual(session.said, [answer], "before JsSIP has sent anything");
    assert.equal(call.end_reason, "network");
    await settled();
    assert.equal(call.state, "ended");
    assert.deepEqual([ends, links], [["network"], ["tel:+74951110001"]]);
  });

  test(`a relay that says nothing is waited for, but not for ever: ${direction}`, async (t) => {
    const { session, ends } = ringing(t, direction);
    session.tells("connecting", {});
    t.mock.timers.tick(4_999);
    assert.deepEqual(session.said, []);
    t.mock.timers.tick(1);
    assert.deepEqual(session.said, [answer]);
    session.tells("sdp", made(EMPTY));
    await settled();
    assert.deepEqual(ends, ["network"], "once");
  });
}

test("a call that cannot be made ends soon, whether the ordinary one is found or not", async (t) => {
  for (const find_link of [() => new Promise<undefined>(() => undefined), () => Promise.resolve(undefined)]) {
    const { call, session, ends, links } = ringing(t, "out", find_link);
    session.tells("sdp", made(EMPTY));
    call.hangUp();
    t.mock.timers.tick(2_000);
    await settled();
    assert.deepEqual([ends, links], [["network"], [undefined]]);
    t.mock.timers.reset();
  }
});

test("a slow relay is in time with a candidate, and others are waited for a little", (t) => {
  const { session, ends } = ringing(t, "out");
  let ready = 0;
  const found = (candidate: string): void => {
    session.tells("icecandidate", { candidate: { candidate }, ready: () => (ready += 1) });
  };
  session.tells("connecting", {});
  t.mock.timers.tick(4_900);
  found("candidate:1 1 udp 8265727 192.0.2.1 51849 typ relay");
  found("candidate:2 1 udp 8265727 192.0.2.1 51850 typ relay");
  t.mock.timers.tick(799);
  assert.equal(ready, 0);
  t.mock.timers.tick(1);
  assert.equal(ready, 1);
  session.tells("sdp", made(GOOD));
  t.mock.timers.tick(60_000);
  assert.deepEqual([session.said, ends], [[], []]);
});

test("that there are no more candidates is none", (t) => {
  const { session } = ringing(t, "out");
  session.tells("connecting", {});
  session.tells("icecandidate", { candidate: { candidate: "" }, ready: () => assert.fail() });
  t.mock.timers.tick(5_000);
  assert.deepEqual(session.said, [{}]);
});

test("later descriptions may be what they like, and theirs always", (t) => {
  const { session, ends } = ringing(t, "out");
  session.tells("connecting", {});
  session.tells("sdp", made(GOOD));
  session.tells("sdp", made(EMPTY, "remote"));
  session.tells("sdp", made(EMPTY));
  t.mock.timers.tick(60_000);
  assert.deepEqual([session.said, ends], [[], []]);
});

test("a call that ends while a relay is waited for ends once, and as it did", (t) => {
  const { call, session, ends } = ringing(t, "out");
  session.tells("connecting", {});
  call.hangUp();
  t.mock.timers.tick(60_000);
  assert.deepEqual(ends, ["cancelled"]);
  assert.equal(session.said.length, 1);
});

/** After what is under way in promises. */
async function settled(): Promise<void> {
  for (let count = 0; count < 10; count += 1) await Promise.resolve();
}
