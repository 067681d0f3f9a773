import assert from "node:assert/strict";
import { test } from "node:test";

import { Restart } from "../src/restart.js";

/** JsSIP's session, as far as a restart looks at it. */
class Session {
  established = true;
  ready = true;
  ended: string[] = [];
  sent: { rtcOfferConstraints: object; eventHandlers: { failed: () => void } }[] = [];

  onTransportError(): void {
    this.ended.push("transport");
  }

  onRequestTimeout(): void {
    this.ended.push("timeout");
  }

  isEstablished(): boolean {
    return this.established;
  }

  isReadyToReOffer(): boolean {
    return this.ready;
  }

  _sendReinvite(options: (typeof this.sent)[number]): void {
    this.sent.push(options);
  }
}

test("a call that is up outlives a re-INVITE that nobody answers, and one that is refused", () => {
  const session = new Session();
  let up = true;
  const restart = new Restart(session as never, () => up);
  assert.equal(restart.send(), true);
  const [sent] = session.sent;
  assert.deepEqual(sent?.rtcOfferConstraints, { iceRestart: true });
  sent.eventHandlers.failed();
  session.onTransportError();
  session.onRequestTimeout();
  assert.deepEqual(session.ended, []);
  up = false;
  session.onTransportError();
  session.onRequestTimeout();
  assert.deepEqual(session.ended, ["transport", "timeout"], "as JsSIP has it");
});

test("it is not sent while another one is under way, or before the call is up", () => {
  const session = new Session();
  const restart = new Restart(session as never, () => true);
  session.ready = false;
  assert.equal(restart.send(), false);
  session.ready = true;
  session.established = false;
  assert.equal(restart.send(), false);
  assert.deepEqual(session.sent, []);
});
