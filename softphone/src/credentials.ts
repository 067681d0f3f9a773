/**
 * Short-lived credentials: fetched through the platform, renewed before they run out.
 *
 * They are kept in memory only.
 */

import { backoff_ms, RECONNECT } from "./backoff.js";
import { Emitter } from "./events.js";
import { SoftphoneError } from "./errors.js";

/** The answer of `POST /v1/users/{id}/app-credentials`, passed on by the platform as it is. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** Bearer key of the app API. */
  readonly token: string;
  readonly ws_url: string;
  readonly sip_uri: string;
  readonly ice_servers: readonly RTCIceServer[];
  /** RFC 3339. */
  readonly expires_at: string;
}

/** Why new credentials are wanted. */
export type Reason = "start" | "renewal" | "refused";

/** Asks the platform's own backend, which knows who its user is, for new credentials. */
export type CredentialSource = (reason: Reason) => Promise<Credentials>;

const SOONEST_MS = 1_000;

/** The time left until renewal: at four fifths of a lifetime, a little earlier by chance. */
export function renewal_ms(now_ms: number, expires_ms: number, random: number): number {
  const left_ms = expires_ms - now_ms;
  return Math.max(SOONEST_MS, Math.round(left_ms * (0.8 - random * 0.1)));
}

/** Checks what the callback gave. Throws SoftphoneError `credentials`. */
export function checkCredentials(given: unknown): Credentials {
  const fields = (typeof given === "object" && given !== null ? given : {}) as Record<string, unknown>;
  for (const name of ["username", "password", "token", "ws_url", "sip_uri", "expires_at"]) {
    if (typeof fields[name] !== "string" || fields[name] === "") {
      throw new SoftphoneError("credentials", `the credentials have no ${name}`);
    }
  }
  if (Number.isNaN(Date.parse(fields["expires_at"] as string))) {
    throw new SoftphoneError("credentials", "expires_at is no time");
  }
  if (!Array.isArray(fields["ice_servers"] ?? [])) {
    throw new SoftphoneError("credentials", "ice_servers is no list");
  }
  return { ice_servers: [], ...fields } as unknown as Credentials;
}

interface KeeperEvents {
  /** New ones: register with them, ask with their token. */
  fresh: Credentials;
  /** The callback failed; it is asked again. */
  trouble: SoftphoneError;
}

/** Owns the credentials in use and the timer that renews them. */
export class CredentialKeeper extends Emitter<KeeperEvents> {
  #current: Credentials | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: Promise<void> | undefined;
  #failures = 0;
  #stopped = false;

  constructor(
    private readonly source: CredentialSource,
    private readonly clock: () => number = Date.now,
    private readonly random: () => number = Math.random,
  ) {
    super();
  }

  get current(): Credentials | undefined {
    return this.#current;
  }

  /** Fetches now. Throws SoftphoneError `credentials` where the callback fails. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.#fetch("start");
  }

  /** Those in use were refused: fetch others, with back-off. Asked twice, it asks once. */
  refused(): void {
    this.#again("refused", backoff_ms(this.#failures + 1, RECONNECT, this.random()));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#current = undefined;
  }

  #again(reason: Reason, wait_ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#asking ??= this.#fetch(reason)
        .catch((error: unknown) => {
          this.emit("trouble", error as SoftphoneError);
          this.#again(reason, backoff_ms(this.#failures + 1, RECONNECT, this.random()));
        })
        .finally(() => {
          this.#asking = undefined;
        });
    }, Math.min(wait_ms, 2 ** 31 - 1));
  }

  async #fetch(reason: Reason): Promise<void> {
    let given: unknown;
    try {
      given = await this.source(reason);
    } catch (cause) {
      this.#failures += 1;
      throw new SoftphoneError("credentials", "no credentials could be fetched", { cause });
    }
    if (this.#stopped) return;
    this.#current = checkCredentials(given);
    // A refusal counts as one until something registers: see settled().
    if (reason === "refused") this.#failures += 1;
    const expires_ms = Date.parse(this.#current.expires_at);
    this.#again("renewal", renewal_ms(this.clock(), expires_ms, this.random()));
    this.emit("fresh", this.#current);
  }

  /** Those in use work. */
  settled(): void {
    this.#failures = 0;
  }
}
