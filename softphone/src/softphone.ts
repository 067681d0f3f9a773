/**
 * Maskline in a web app: one object that registers, calls, rings and tells. Ties the other modules
 * together; keeps one user's state, and nothing on disk.
 */

import { AppApi, type Advice, type LogEntry, type Measured } from "./app_api.js";
import { answerOptions, Call, type CallSetup } from "./call.js";
import { readCard } from "./card.js";
import { CredentialKeeper, type Credentials, type CredentialSource } from "./credentials.js";
import { EventStream } from "./event_stream.js";
import { Emitter } from "./events.js";
import { SoftphoneError } from "./errors.js";
import { Line, type LineState } from "./line.js";
import { openMicrophone, type AudioChoice } from "./media.js";
import { NetworkWatch } from "./network.js";
import { readNotice, type HandoverOffer, type HandoverResult, type Missed, type QualityNotice } from "./notices.js";
import { telLink } from "./tel.js";
import { probeHttp, probeMedia, type Probe } from "./probe.js";

export interface SoftphoneOptions {
  /** Where Maskline's HTTP is, e.g. `https://calls.example`. */
  readonly base_url: string;
  readonly credentials: CredentialSource;
  readonly audio?: AudioChoice;
  /** `relay` sends all media through TURN. */
  readonly ice_policy?: RTCIceTransportPolicy;
  /** How long a call that lost its network waits for it before it ends, in seconds; 20. */
  readonly reconnect_s?: number;
  /** From where to read events, e.g. kept in the page's storage; undefined: from now on. */
  readonly last_event_id?: string;
}

export type SoftphoneState =
  | "stopped"
  | "connecting"
  | "registered" // it rings, and may call
  | "waiting"; // for new credentials

export interface SoftphoneEvents {
  state: SoftphoneState;
  incoming: Call;
  /** A call that was missed, maybe while we were offline: a new entry of the call log. Once. */
  missed: Missed;
  /** Any other new entry of the call log. */
  logged: Missed;
  /** What Maskline measures of a call of ours. */
  quality: QualityNotice;
  /** An ordinary call is offered instead of this one: ask the user, then `handover(…)`. */
  handover_offered: HandoverOffer;
  handover: HandoverResult;
  trouble: SoftphoneError;
  /** Keep it for `last_event_id`. */
  event_id: string;
}

/** A preflight's answer, and how to follow it. */
export interface Way extends Advice {
  readonly measured: Probe;
  /** `tel:` and the proxy number: an ordinary call, offered where `channel` is `gsm`. */
  readonly link: string | undefined;
}

/** Shorter than Maskline's own patience with a call from which nothing comes, which is 30 s. */
const RECONNECT_S = 20;

export class Softphone extends Emitter<SoftphoneEvents> {
  readonly api: AppApi;
  readonly #options: SoftphoneOptions;
  readonly #keeper: CredentialKeeper;
  readonly #events: EventStream;
  readonly #calls = new Set<Call>();
  readonly #network: NetworkWatch;
  #line: Line | undefined;
  #state: SoftphoneState = "stopped";

  constructor(options: SoftphoneOptions) {
    super();
    this.#options = options;
    this.#keeper = new CredentialKeeper(options.credentials);
    const token = (): string | undefined => this.#keeper.current?.token;
    this.api = new AppApi(options.base_url, token);
    this.#events = new EventStream({
      url: this.api.events_url,
      token,
      last_id: options.last_event_id,
      on_event: ({ kind, data, id }) => {
        this.#heard(kind, data);
        if (id !== "") this.emit("event_id", id);
      },
    });
    this.#network = new NetworkWatch(() => {
      this.#line?.wake();
      this.#events.again();
    });
    this.#keeper.on("fresh", (credentials) => {
      this.#use(credentials);
    });
    this.#keeper.on("trouble", (error) => {
      this.emit("trouble", error);
    });
  }

  get state(): SoftphoneState {
    return this.#state;
  }

  /** Calls that are not over. */
  get calls(): readonly Call[] {
    return [...this.#calls];
  }

  /** Fetches credentials and registers; resolves once both are under way. */
  async start(): Promise<void> {
    if (this.#state !== "stopped") return;
    this.#enter("connecting");
    try {
      await this.#keeper.start();
    } catch (error) {
      this.#enter("stopped");
      throw error;
    }
    this.#events.start();
    this.#network.start();
  }

  /** Ends the calls, unregisters and forgets the credentials. */
  stop(): void {
    for (const call of this.#calls) call.hangUp();
    this.#network.stop();
    this.#events.stop();
    this.#keeper.stop();
    this.#line?.close();
    this.#line = undefined;
    this.#enter("stopped");
  }

  /** Resolves when it rings and may call. */
  async ready(timeout_ms = 15_000): Promise<void> {
    if (this.#state === "registered") return;
    await this.once("state", { timeout_ms, wanted: (state) => state === "registered" });
  }

  /**
   * Calls the other participant of `session_id`, with `stream` instead of the microphone where one
   * is given. Throws SoftphoneError `not_registered`, `busy`, `microphone`.
   */
  async call(session_id: string, stream?: MediaStream): Promise<Call> {
    if (!/^ses_[0-9a-z]{26}$/.test(session_id)) throw new RangeError("not a session id");
    this.#mayCall();
    const audio = this.#options.audio ?? {};
    const opened = stream ?? (await openMicrophone(audio.microphone));
    const line = this.#mayCall();
    const rtc = this.#rtc(line);
    const session = line.dial(session_id, answerOptions(opened, rtc));
    const call = new Call({
      session,
      direction: "out",
      session_id,
      card: undefined,
      audio,
      rtc,
      ...this.#lifeline(line, session_id),
      stream: opened,
      stream_is_ours: stream === undefined,
    });
    call.watch(session.connection);
    this.#keep(call);
    return call;
  }

  /** Measures the network, and asks which way a call should go now. */
  async preflight(session_id: string): Promise<Way> {
    const measured = await this.measure();
    const { rtt_ms, jitter_ms, loss } = measured;
    return this.advice(session_id, { rtt_ms, jitter_ms, loss }, measured.by);
  }

  /** Asks which way a call should go, for what was measured otherwise. */
  async advice(session_id: string, measured: Measured, by: Probe["by"] = "http"): Promise<Way> {
    const advice = await this.api.preflight(session_id, measured);
    return { ...advice, measured: { ...measured, by }, link: telLink(advice.tel) };
  }

  /** By a silent call to Maskline's echo, else by HTTP; nothing at all answers: total loss. */
  async measure(): Promise<Probe> {
    const line = this.#line;
    if (line?.state === "registered" && this.#calls.size === 0) {
      const probe = await probeMedia(line, this.#rtc(line)).catch(() => undefined);
      if (probe !== undefined) return probe;
    }
    const nothing: Probe = { rtt_ms: 2_000, jitter_ms: 0, loss: 1, by: "http" };
    return probeHttp(this.api.probe_url).catch(() => nothing);
  }

  /** Moves our side of `call` to our phone, or back to this app, while the other side stays. */
  async handover(call: Call | string, to: "gsm" | "app" = "gsm"): Promise<void> {
    await this.api.handover(typeof call === "string" ? call : await this.#idOf(call), to);
  }

  /** Rates a call that is over: 1 to 5 stars, issues such as `echo`. */
  async rate(call: Call | string, stars: number, issues: readonly string[] = []): Promise<void> {
    await this.api.rate(typeof call === "string" ? call : await this.#idOf(call), stars, issues);
  }

  /** Calls back from an entry of the log; both sides stay masked. Throws RangeError without a way. */
  callBack(entry: LogEntry, stream?: MediaStream): Promise<Call> {
    const session_id = entry.call_back?.session_id;
    if (session_id === undefined) throw new RangeError("this entry cannot be called back");
    return this.call(session_id, stream);
  }

  #mayCall(): Line {
    if (this.#line?.state !== "registered") {
      throw new SoftphoneError("not_registered", "no connection to Maskline now");
    }
    if (this.#calls.size > 0) throw new SoftphoneError("busy", "a call is up already");
    return this.#line;
  }

  #rtc(line: Line): RTCConfiguration {
    return {
      iceServers: [...line.credentials.ice_servers],
      iceTransportPolicy: this.#options.ice_policy ?? "all",
    };
  }

  #lifeline(line: Line, session_id: string | undefined): Pick<CallSetup, "alive" | "patience_ms" | "find_link"> {
    return {
      alive: () => line.alive(),
      patience_ms: (this.#options.reconnect_s ?? RECONNECT_S) * 1_000,
      find_link: () => this.#findLink(session_id),
    };
  }

  /** New credentials: register with them beside the old ones, which go when nothing needs them. */
  #use(credentials: Credentials): void {
    const old = this.#line;
    const line = new Line(credentials);
    this.#line = line;
    let was_registered = false;
    line.on("state", (state) => {
      if (this.#line !== line) return;
      if (state === "registered") {
        this.#keeper.settled();
        // Where one connection broke the other one may hang, and what was missed be waiting behind it.
        if (was_registered) this.#events.again();
        else this.#events.nudge();
        was_registered = true;
        retire(old, this.#calls);
      }
      if (state === "refused") this.#keeper.refused();
      this.#enter(shown(state));
    });
    line.on("incoming", ({ session, request }) => {
      // One call at a time: who calls meanwhile hears that we are busy.
      if (this.#calls.size > 0) {
        session.terminate({ status_code: 486 });
        return;
      }
      const from = request.from;
      const header = request.getHeader("X-Maskline-Card") as string | undefined;
      const card = readCard(header, from.display_name, from.uri.user);
      const call = new Call({
        session,
        direction: "in",
        session_id: card.session_id,
        card,
        audio: this.#options.audio ?? {},
        rtc: this.#rtc(line),
        ...this.#lifeline(line, card.session_id),
      });
      this.#keep(call);
      this.emit("incoming", call);
    });
    line.open();
    if (old !== undefined) this.#events.start();
  }

  #keep(call: Call): void {
    this.#calls.add(call);
    // A call needs its events, and where it comes through they most likely do.
    this.#events.nudge();
    call.on("ended", () => {
      this.#calls.delete(call);
    });
  }

  #heard(kind: string, data: string): void {
    const notice = readNotice(kind, data);
    switch (notice?.kind) {
      case "call.started":
      case "call.up":
        for (const call of this.#calls) {
          if (call.session_id === notice.session_id) call.call_id ??= notice.call_id;
        }
        break;
      case "call.ended":
        // By its id alone: the session may have a newer call by now.
        for (const call of this.#calls) {
          if (call.call_id === notice.call_id) call.overElsewhere();
        }
        break;
      case "call.missed":
        this.emit("missed", notice);
        break;
      case "call_log":
        this.emit("logged", notice);
        break;
      case "call.quality":
        this.emit("quality", notice);
        break;
      case "call.handover_offered":
        this.emit("handover_offered", notice);
        break;
      case "call.handover":
        this.emit("handover", notice);
        break;
      case "end":
        if (notice.reason === "expired" || notice.reason === "revoked") this.#keeper.refused();
        break;
      case undefined:
        break;
    }
  }

  /** Of an ordinary call to the other participant. */
  async #findLink(session_id: string | undefined): Promise<string | undefined> {
    if (session_id === undefined) return undefined;
    const session = await this.api.session(session_id).catch(() => undefined);
    return telLink(session?.dial?.tel);
  }

  async #idOf(call: Call): Promise<string> {
    if (call.call_id !== undefined) return call.call_id;
    const { items } = await this.api.currentCalls();
    const found = items.find((one) => one.session_id === call.session_id);
    if (found === undefined) throw new SoftphoneError("ended", "the call is not up");
    call.call_id = found.call_id;
    return found.call_id;
  }

  #enter(state: SoftphoneState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }
}

function shown(state: LineState): SoftphoneState {
  switch (state) {
    case "registered":
      return "registered";
    case "refused":
      return "waiting";
    case "closed":
    case "connecting":
    case "registering":
      return "connecting";
  }
}

/** Closes a line that another one has replaced, once its calls are over. */
function retire(line: Line | undefined, calls: ReadonlySet<Call>): void {
  if (line === undefined || line.state === "closed") return;
  const wait = [...calls].map(
    (call) =>
      new Promise<void>((resolve) => {
        call.on("ended", () => {
          resolve();
        });
      }),
  );
  void Promise.all(wait).then(() => {
    line.close();
  });
}
