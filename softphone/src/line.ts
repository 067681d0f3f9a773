/**
 * One device's connection to Maskline: WebSocket, registration, calls in and out. The only module
 * that drives JsSIP's user agent. Logs nothing, for SIP messages name who calls.
 */

import { UA } from "jssip";
import type { IncomingRequest } from "jssip/lib/SIPMessage";
import type { CallOptions, RegistrationFailedListener, RTCSessionEvent } from "jssip/lib/UA";
import type { RTCSession } from "jssip/lib/RTCSession";

import { backoff_ms, RECONNECT } from "./backoff.js";
import type { Credentials } from "./credentials.js";
import { Emitter } from "./events.js";
import { SipSocket } from "./socket.js";

export type LineState =
  | "closed"
  | "connecting" // no WebSocket yet, or again
  | "registering"
  | "registered" // rings
  | "refused"; // the credentials are over: get others

interface LineEvents {
  state: LineState;
  incoming: { session: RTCSession; request: IncomingRequest };
}

const REGISTER_EXPIRES_S = 120;
/** How long Maskline may take to answer a REGISTER before the connection counts as dead. */
const ANSWER_MS = 4_000;
const LOOK_AGAIN_MS = 200;
const REFUSALS = new Set([401, 403, 404, 407]);

export class Line extends Emitter<LineEvents> {
  readonly #ua: UA;
  readonly #socket: SipSocket;
  readonly host: string;
  #state: LineState = "closed";
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly credentials: Credentials) {
    super();
    this.host = credentials.sip_uri.replace(/^.*@/, "");
    this.#socket = new SipSocket(credentials.ws_url);
    this.#ua = new UA({
      // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- JsSIP asks for its members only
      sockets: [this.#socket],
      uri: credentials.sip_uri,
      authorization_user: credentials.username,
      password: credentials.password,
      register: true,
      register_expires: REGISTER_EXPIRES_S,
      session_timers: false,
      // The first try anew; those after it are the socket's.
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 2,
      user_agent: "Maskline",
    });
    this.#ua.on("connecting", () => {
      this.#enter("connecting");
    });
    this.#ua.on("connected", () => {
      this.#enter("registering");
    });
    this.#ua.on("disconnected", () => {
      clearTimeout(this.#retry);
      this.#enter("connecting");
    });
    this.#ua.on("registered", () => {
      this.#failures = 0;
      this.#enter("registered");
    });
    this.#ua.on("unregistered", () => {
      if (this.#ua.isConnected()) this.#enter("registering");
    });
    this.#ua.on("registrationFailed", this.#failed);
    this.#ua.on("newRTCSession", (event: RTCSessionEvent) => {
      if ((event.originator as string) !== "remote") return;
      this.emit("incoming", { session: event.session, request: event.request as IncomingRequest });
    });
  }

  get state(): LineState {
    return this.#state;
  }

  open(): void {
    this.#enter("connecting");
    this.#ua.start();
  }

  /** Unregisters and lets go; calls that are up are ended. */
  close(): void {
    clearTimeout(this.#retry);
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#ua.stop();
    this.emit("state", "closed");
  }

  /** Whether Maskline answers; a connection over which it does not is given up, and begun anew. */
  async alive(): Promise<boolean> {
    if (this.#state === "closed" || this.#state === "refused") return false;
    if (!this.#ua.isConnected()) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      return false;
    }
    const heard = this.#socket.hears(ANSWER_MS);
    this.#ua.register();
    return (await heard) && this.#ua.isRegistered();
  }

  /** The network is back, or another one: what waits is tried now, what stands is proved. */
  wake(): void {
    if (this.#ua.isConnected()) void this.alive();
    else this.#socket.hurry();
  }

  /** Calls `user` of our host: a session, or the echo that the measurement asks for. */
  dial(user: string, options: CallOptions): RTCSession {
    return this.#ua.call(`sip:${user}@${this.host}`, options);
  }

  readonly #failed: RegistrationFailedListener = (event) => {
    // JsSIP gives no response where none came, whatever its types say.
    const response = event.response as typeof event.response | null;
    if (response !== null && REFUSALS.has(response.status_code)) {
      this.#enter("refused");
      return;
    }
    if (!this.#ua.isConnected() || this.#state === "closed") return;
    // Not even a word: the connection only seems to be one.
    if (response === null) void this.#socket.hears(ANSWER_MS);
    this.#failures += 1;
    this.#enter("registering");
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      if (this.#ua.isConnected()) this.#ua.register();
    }, backoff_ms(this.#failures, RECONNECT, Math.random()));
  };

  #enter(state: LineState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }
}
