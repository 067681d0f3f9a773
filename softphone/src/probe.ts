/**
 * What the network is like before a call.
 *
 * `probeMedia` is the honest measure: two seconds of silence to Maskline's echo, through the very
 * ICE, TURN and media path of a call. `probeHttp` is what is left where that cannot be had: it sees
 * round trips, and loss only as TCP shows it, as a spread of the round trips.
 */

import type { RTCSession } from "jssip/lib/RTCSession";

import type { Measured } from "./app_api.js";
import { answerOptions } from "./call.js";
import { Gathering } from "./gathering.js";
import type { Line } from "./line.js";
import { readSample, type Sample } from "./stats.js";

export interface Probe extends Measured {
  readonly by: "media" | "http";
}

export const ECHO = "preflight";
const SET_UP_MS = 4_000;
const SETTLE_MS = 500;
const WARM_MS = 400;
const EVERY_MS = 100;
const TRIPS = 8;
const TRIP_MS = 2_000;

/**
 * Measures by a silent call of `listen_ms`. All is lost where no sound could come back, for a call would
 * not even be made. Rejects where the echo cannot be reached.
 */
export async function probeMedia(line: Line, rtc: RTCConfiguration, listen_ms = 2_000): Promise<Probe> {
  const context = new AudioContext();
  const silence = context.createMediaStreamDestination();
  // Chromium sends no packet at all of a node that nothing feeds: a hum far below hearing does.
  const hum = new OscillatorNode(context, { frequency: 50 });
  hum.connect(new GainNode(context, { gain: 1e-4 })).connect(silence);
  hum.start();
  try {
    const session = line.dial(ECHO, answerOptions(silence.stream, rtc));
    try {
      return (await answered(session)) ? await listen(session.connection, listen_ms) : echoed([]);
    } finally {
      if (!session.isEnded()) session.terminate();
    }
  } finally {
    void context.close();
  }
}

/** Once the echo answers; false: it was not called, for there is no candidate to call it with. */
async function answered(session: RTCSession): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let gathering: Gathering | undefined;
  try {
    return await new Promise((resolve, reject) => {
      gathering = new Gathering(session, {
        settle_ms: SETTLE_MS,
        on_none: () => {
          resolve(false);
          session.terminate();
        },
      });
      session.on("sending", () => {
        timer = setTimeout(() => {
          reject(new Error("the echo did not answer"));
        }, SET_UP_MS);
      });
      session.on("confirmed", () => {
        resolve(true);
      });
      session.on("failed", ({ cause }) => {
        reject(new Error(cause));
      });
    });
  } finally {
    clearTimeout(timer);
    gathering?.stop();
  }
}

async function listen(connection: RTCPeerConnection, listen_ms: number): Promise<Probe> {
  const samples: Sample[] = [];
  const begun = performance.now();
  while (performance.now() - begun < SET_UP_MS) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    const sample = readSample((await connection.getStats()).values());
    // DTLS has to be through, and the jitter buffer warm, before anything counts.
    if (sample.received === 0) continue;
    samples.push(sample);
    if (sample.at_ms - (samples[0]?.at_ms ?? sample.at_ms) >= WARM_MS + listen_ms) break;
  }
  return echoed(samples);
}

/** What an echo's samples say. It was answered: where nothing came back, all is lost on the way. */
export function echoed(samples: readonly Sample[]): Probe {
  const start = samples[0]?.at_ms ?? 0;
  const warm = samples.filter((one) => one.at_ms - start >= WARM_MS);
  const [first, last] = [warm[0], warm.at(-1)];
  if (first === undefined || last === undefined || last.at_ms <= first.at_ms) {
    return { rtt_ms: 0, jitter_ms: 0, loss: 1, by: "media" };
  }
  const sent = last.sent - first.sent;
  const received = last.received - first.received;
  // Lost there or back: the echo has sequence numbers of its own, so it is told by counting. One
  // way of a call sees about half of it.
  const both = sent > 0 ? Math.max(0, 1 - received / sent) : 1;
  // A packet or two are under way at either end of the stretch.
  const noise = sent > 0 ? 2 / sent : 0;
  const loss = both <= noise ? 0 : 1 - Math.sqrt(1 - Math.min(1, both));
  const rtts = warm.map((one) => one.rtt_ms).filter((one) => one !== undefined);
  const jitters = warm.map((one) => one.jitter_ms).filter((one) => one !== undefined);
  return {
    rtt_ms: Math.round(median(rtts) ?? 0),
    jitter_ms: Math.round(median(jitters) ?? 0),
    loss: Math.round(loss * 1000) / 1000,
    by: "media",
  };
}

/** Measures by requests one after another to `url`. Rejects where none is answered. */
export async function probeHttp(url: string, ask: typeof fetch = fetch.bind(globalThis)): Promise<Probe> {
  const trips: (number | undefined)[] = [];
  for (let count = 0; count <= TRIPS; count += 1) {
    const begun = performance.now();
    const answered = await ask(url, { cache: "no-store", signal: AbortSignal.timeout(TRIP_MS) }).then(
      (answer) => answer.arrayBuffer().then(() => true),
      () => false,
    );
    // The first one also opens the connection.
    if (count > 0) trips.push(answered ? performance.now() - begun : undefined);
  }
  return roundTrips(trips);
}

/** What round trips say; undefined: unanswered. Throws where none was answered. */
export function roundTrips(trips: readonly (number | undefined)[]): Probe {
  const answered = trips.filter((one) => one !== undefined);
  const rtt_ms = median(answered);
  if (rtt_ms === undefined) throw new Error("no answer");
  const steps = answered.slice(1).map((one, index) => Math.abs(one - (answered[index] ?? one)));
  return {
    rtt_ms: Math.round(rtt_ms),
    jitter_ms: Math.round(median(steps) ?? 0),
    loss: Math.round((1 - answered.length / trips.length) * 1000) / 1000,
    by: "http",
  };
}

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  if (high === undefined) return undefined;
  return sorted.length % 2 === 0 && low !== undefined ? (low + high) / 2 : high;
}
