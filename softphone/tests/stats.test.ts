import assert from "node:assert/strict";
import { test } from "node:test";

import { echoed, median, roundTrips } from "../src/probe.js";
import { between, readSample, type Sample } from "../src/stats.js";

const REPORT = [
  { type: "inbound-rtp", kind: "audio", timestamp: 1000, packetsReceived: 90, packetsLost: 10, jitter: 0.0123, bytesReceived: 9000 },
  { type: "inbound-rtp", kind: "video", timestamp: 1000, packetsReceived: 5, packetsLost: 5 },
  { type: "outbound-rtp", kind: "audio", timestamp: 1000, packetsSent: 100 },
  { type: "candidate-pair", timestamp: 1001, nominated: false, state: "succeeded", currentRoundTripTime: 9 },
  { type: "candidate-pair", timestamp: 1001, nominated: true, state: "succeeded", currentRoundTripTime: 0.05 },
];

test("a report is read in milliseconds, sound only", () => {
  assert.deepEqual(readSample(REPORT), {
    at_ms: 1001,
    received: 90,
    lost: 10,
    sent: 100,
    bytes_received: 9000,
    jitter_ms: 12.3,
    rtt_ms: 50,
    lost_there: undefined,
  });
});

test("RTCP's round trip goes before ICE's", () => {
  const far = { type: "remote-inbound-rtp", kind: "audio", timestamp: 1, roundTripTime: 0.2, fractionLost: 0.3 };
  const sample = readSample([...REPORT, far]);
  assert.equal(sample.rtt_ms, 200);
  assert.equal(sample.lost_there, 0.3);
});

test("the loss of a stretch is the worse of both directions", () => {
  const before = sample({ received: 100, lost: 0 });
  const after = sample({ at_ms: 1000, received: 190, lost: 10, lost_there: 0.02 });
  assert.equal(between(before, after).loss, 0.1);
  assert.equal(between(before, { ...after, lost_there: 0.5 }).loss, 0.5);
});

test("nothing received and nothing lost says nothing of loss", () => {
  assert.equal(between(sample({}), sample({ at_ms: 1000 })).loss, undefined);
});

test("an echo that lacks a fifth there and back lost a tenth each way", () => {
  const samples = Array.from({ length: 26 }, (_, n) =>
    sample({ at_ms: n * 100, sent: n * 5, received: Math.floor(n * 5 * 0.81), rtt_ms: 80, jitter_ms: 5 }),
  );
  const probe = echoed(samples);
  assert.equal(probe.by, "media");
  assert.equal(probe.rtt_ms, 80);
  assert.ok(Math.abs(probe.loss - 0.1) < 0.02, String(probe.loss));
});

test("packets under way are not lost", () => {
  const samples = Array.from({ length: 26 }, (_, n) => sample({ at_ms: n * 100, sent: n * 5 + 2, received: n * 5 }));
  assert.equal(echoed(samples).loss, 0);
});

test("an echo that was answered and is not heard is lost", () => {
  assert.deepEqual(echoed([]), { rtt_ms: 0, jitter_ms: 0, loss: 1, by: "media" });
  assert.equal(echoed([sample({ at_ms: 500 })]).loss, 1);
});

test("round trips give median, spread and what was not answered", () => {
  assert.deepEqual(roundTrips([20, 30, undefined, 20, 30]), { rtt_ms: 25, jitter_ms: 10, loss: 0.2, by: "http" });
  assert.throws(() => roundTrips([undefined]), /no answer/);
});

test("the median of none is none", () => {
  assert.equal(median([]), undefined);
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1]), 2.5);
});

function sample(more: Partial<Sample>): Sample {
  return {
    at_ms: 0,
    received: 0,
    lost: 0,
    sent: 0,
    bytes_received: 0,
    jitter_ms: undefined,
    rtt_ms: undefined,
    lost_there: undefined,
    ...more,
  };
}
