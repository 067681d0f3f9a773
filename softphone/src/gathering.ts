/**
 * Where the sound of a call can come to is all in its offer, or its answer. This waits until something
 * is, and tells where nothing will be: nobody is to be rung, and nothing answered, for such a call.
 */

import type { RTCSession } from "jssip/lib/RTCSession";

/** How long the first candidate may take: TLS to a relay and two requests, over a poor network. */
export const WAY_MS = 5_000;

export interface GatheringOptions {
  /** How long a slow ICE server may keep a call waiting after the first candidate. */
  readonly settle_ms: number;
  /** There is no candidate; the session sends nothing if it is terminated now. Once at most. */
  readonly on_none: () => void;
}

export class Gathering {
  readonly #options: GatheringOptions;
  /** The first description is made, or given up; those of a call that is up may be what they like. */
  #over = false;
  #limit: ReturnType<typeof setTimeout> | undefined;
  #settling: ReturnType<typeof setTimeout> | undefined;

  /** Of a session that is not answered yet, nor has begun to make its offer. */
  constructor(session: RTCSession, options: GatheringOptions) {
    this.#options = options;
    session.on("connecting", () => {
      if (!this.#over) this.#limit ??= setTimeout(this.#none, WAY_MS);
    });
    session.on("icecandidate", ({ candidate, ready }) => {
      if (candidate.candidate === "") return; // says that there are no more
      clearTimeout(this.#limit);
      this.#settling ??= setTimeout(() => {
        this.#settling = undefined;
        ready();
      }, options.settle_ms);
    });
    session.on("sdp", ({ originator, sdp }) => {
      if ((originator as string) !== "local" || this.#over) return;
      if (/^a=candidate:/m.test(sdp)) this.#end();
      else this.#none();
    });
  }

  stop(): void {
    this.#end();
    clearTimeout(this.#settling);
  }

  readonly #none = (): void => {
    this.#end();
    this.#options.on_none();
  };

  #end(): void {
    this.#over = true;
    clearTimeout(this.#limit);
  }
}
