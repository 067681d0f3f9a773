/**
 * Brings back the sound of a call whose network went away: when the connection to Maskline stands
 * again, a re-INVITE with an ICE restart tells it where we are now. Never ends a call that sounds.
 */

export interface MendingOptions {
  readonly connection: RTCPeerConnection;
  /** Whether Maskline answers over SIP now; false after a while where it does not. */
  readonly alive: () => Promise<boolean>;
  /** Sends the re-INVITE; false: not now. */
  readonly restart: () => boolean;
  /** The way is lost and being sought (true), or found again. */
  readonly on_lost: (lost: boolean) => void;
  /** It did not come back within `patience_ms`. */
  readonly on_over: () => void;
  readonly patience_ms: number;
}

const TRY_EVERY_MS = 4_000;
const LOOK_EVERY_MS = 500;
/** Of a call that is silent though its way seems to stand: the other side may just be muted. */
const DOUBTS = 2;

export class Mending {
  #trying = false;
  #lost = false;
  #stopped = false;
  #doubts = 0;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: MendingOptions) {
    options.connection.addEventListener("iceconnectionstatechange", this.#look);
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Nothing was heard for a while, or something is again. */
  silent(silent: boolean): void {
    this.#doubts = silent ? DOUBTS : 0;
    if (silent) void this.#mend();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#patience);
    this.options.connection.removeEventListener("iceconnectionstatechange", this.#look);
  }

  readonly #look = (): void => {
    const state = this.options.connection.iceConnectionState;
    if (state === "disconnected" || state === "failed") this.#enter(true);
    if (state === "connected" || state === "completed") this.#enter(false);
  };

  #enter(lost: boolean): void {
    if (this.#lost === lost || this.#stopped) return;
    this.#lost = lost;
    clearTimeout(this.#patience);
    if (lost) {
      this.#patience = setTimeout(() => {
        this.stop();
        this.options.on_over();
      }, this.options.patience_ms);
      void this.#mend();
    }
    this.options.on_lost(lost);
  }

  /** Tries until the way is found, or there is no more reason to. */
  async #mend(): Promise<void> {
    if (this.#trying) return;
    this.#trying = true;
    try {
      while (this.#needed()) {
        const alive = await this.options.alive();
        if (!this.#needed()) return;
        const tried = alive && this.options.restart();
        if (tried) this.#doubts = Math.max(0, this.#doubts - 1);
        await this.#pause(tried ? TRY_EVERY_MS : LOOK_EVERY_MS);
      }
    } finally {
      this.#trying = false;
    }
  }

  #needed(): boolean {
    return !this.#stopped && (this.#lost || this.#doubts > 0);
  }

  async #pause(ms: number): Promise<void> {
    const until_ms = performance.now() + ms;
    while (this.#needed() && performance.now() < until_ms) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS / 5));
    }
  }
}
