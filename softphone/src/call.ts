/** One call, from the first ring to its end, as a page shows it. Wraps JsSIP's session. */

import type { AnswerOptions, EndEvent, RTCSession } from "jssip/lib/RTCSession";

import { endReason, type EndReason } from "./call_end.js";
import type { Card } from "./card.js";
import { SoftphoneError } from "./errors.js";
import { Emitter } from "./events.js";
import { Gathering } from "./gathering.js";
import { closeStream, openMicrophone, Speaker, type AudioChoice } from "./media.js";
import { Mending } from "./mending.js";
import { Restart } from "./restart.js";
import { between, readSample, type Quality, type Sample } from "./stats.js";

export type CallState =
  | "calling" // sent, nothing rings yet
  | "ringing" // there, or here for an incoming call
  | "connecting" // answered here; the sound is being set up
  | "up"
  | "ended";

export interface CallEvents {
  state: CallState;
  /** The other side's sound, once. It is played already. */
  stream: MediaStream;
  /** Once a second while it is up: what the last seconds were like. */
  quality: Quality;
  /** No sound has come for a while, or it comes again. */
  silent: boolean;
  /** The network is lost and the way sought again (true: show so), or found. */
  reconnecting: boolean;
  /** `link`: an ordinary call to the same person, where the network ended this one. */
  ended: { reason: EndReason; link: string | undefined };
}

export interface CallSetup {
  readonly session: RTCSession;
  readonly direction: "in" | "out";
  readonly session_id: string | undefined;
  readonly card: Card | undefined;
  readonly audio: AudioChoice;
  readonly rtc: RTCConfiguration;
  /** For an outgoing call; opened when answering. */
  readonly stream?: MediaStream | undefined;
  /** Opened by us, and so closed by us. */
  readonly stream_is_ours?: boolean;
  /** Whether Maskline answers over SIP now. */
  readonly alive: () => Promise<boolean>;
  /** How long a call that lost its network waits for it. */
  readonly patience_ms: number;
  /** `tel:` and the proxy number of the other side, where there is one. Never rejects. */
  readonly find_link: () => Promise<string | undefined>;
}

const QUALITY_EVERY_MS = 1_000;
const WINDOW = 5; // samples
const SILENT_MS = 3_000;
/** How long a slow ICE server may keep a call waiting after the first candidate. */
const GATHER_MS = 800;
/** How long SIP may take to say why a call ended, after the events said that it has. */
const GRACE_MS = 2_000;
/** How long a call that cannot be made may look for the ordinary one to offer instead. */
const LINK_MS = 2_000;

export class Call extends Emitter<CallEvents> {
  readonly direction: "in" | "out";
  readonly session_id: string | undefined;
  /** Of who calls; undefined for a call of ours. */
  readonly card: Card | undefined;
  readonly #session: RTCSession;
  readonly #setup: CallSetup;
  readonly #speaker: Speaker;
  #state: CallState;
  #stream: MediaStream | undefined;
  #stream_is_ours: boolean;
  #remote: MediaStream | undefined;
  #reason: EndReason | undefined;
  #answered = false;
  #no_way = false;
  #silent = false;
  #heard_ms = 0;
  #samples: Sample[] = [];
  #ticker: ReturnType<typeof setInterval> | undefined;
  readonly #gathering: Gathering;
  #grace: ReturnType<typeof setTimeout> | undefined;
  #mending: Mending | undefined;
  /** `tel:` and the proxy number of the other side, once known: an ordinary call instead of this one. */
  link: string | undefined;
  /** Known once the events say so; see Softphone. */
  call_id: string | undefined;

  constructor(setup: CallSetup) {
    super();
    this.#setup = setup;
    this.#session = setup.session;
    this.#stream = setup.stream;
    this.#stream_is_ours = setup.stream_is_ours ?? false;
    this.#speaker = new Speaker(setup.audio);
    this.direction = setup.direction;
    this.session_id = setup.session_id;
    this.card = setup.card;
    this.call_id = setup.card?.call_id;
    this.#state = setup.direction === "in" ? "ringing" : "calling";
    this.#gathering = new Gathering(setup.session, {
      settle_ms: GATHER_MS,
      on_none: () => {
        this.#noWay();
      },
    });
    this.#listen();
  }

  get state(): CallState {
    return this.#state;
  }

  get end_reason(): EndReason | undefined {
    return this.#reason;
  }

  get muted(): boolean {
    return this.#session.isMuted().audio ?? false;
  }

  get local_stream(): MediaStream | undefined {
    return this.#stream;
  }

  get remote_stream(): MediaStream | undefined {
    return this.#remote;
  }

  /** Of the last seconds; undefined before there was any sound. */
  get quality(): Quality | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    return first !== undefined && last !== undefined && first !== last ? between(first, last) : undefined;
  }

  /** Takes an incoming call, with `stream` instead of the microphone where one is given. */
  async answer(stream?: MediaStream): Promise<void> {
    if (this.direction !== "in" || this.#state !== "ringing") throw new SoftphoneError("ended", "it does not ring");
    const opened = stream ?? (await openMicrophone(this.#setup.audio.microphone));
    // The await above may have outlived the call.
    if ((this.#state as CallState) !== "ringing") {
      if (stream === undefined) closeStream(opened);
      throw new SoftphoneError("ended", "the call is over");
    }
    this.#stream = opened;
    this.#stream_is_ours = stream === undefined;
    this.#enter("connecting");
    this.#session.answer(answerOptions(opened, this.#setup.rtc));
  }

  /** Refuses an incoming call: for the person, not for this device alone. */
  decline(): void {
    this.#terminate({ status_code: 603, reason_phrase: "Decline" });
  }

  /** Ends it, or gives up ringing. */
  hangUp(): void {
    if (this.direction === "in" && this.#state === "ringing") this.decline();
    else this.#terminate({});
  }

  mute(muted = true): void {
    if (muted) this.#session.mute({ audio: true });
    else this.#session.unmute({ audio: true });
  }

  /** Presses keys: 0–9, *, #, A–D. Sent as RFC 4733 events, which phones know. */
  press(keys: string): void {
    if (!/^[0-9*#A-D]{1,32}$/.test(keys)) throw new RangeError("keys are 0-9, *, #, A-D");
    const sender = this.#audioSender();
    if (sender?.dtmf) sender.dtmf.insertDTMF(keys, 160, 70);
  }

  /** Another microphone, without a break. */
  async useMicrophone(wanted: MediaTrackConstraints): Promise<void> {
    const stream = await openMicrophone(wanted);
    const [track] = stream.getAudioTracks();
    const sender = this.#audioSender();
    if (track === undefined || !sender) return;
    track.enabled = !this.muted;
    await sender.replaceTrack(track);
    if (this.#stream_is_ours) closeStream(this.#stream);
    this.#stream = stream;
    this.#stream_is_ours = true;
  }

  async useSpeaker(deviceId: string): Promise<void> {
    await this.#speaker.use(deviceId);
  }

  /** The network is lost, and the way sought again. */
  get reconnecting(): boolean {
    return this.#mending?.lost ?? false;
  }

  /**
   * Ended elsewhere, as the events say. SIP says why, mostly a moment later: it has the word. But what
   * it says may be lost with the connection.
   */
  overElsewhere(): void {
    this.#grace ??= setTimeout(() => {
      if (this.#state !== "up") this.#reason ??= this.direction === "in" ? "cancelled" : "network";
      this.#terminate({});
    }, GRACE_MS);
  }

  #terminate(options: { status_code?: number; reason_phrase?: string }): void {
    if (this.#state === "ended" || this.#session.isEnded()) return;
    this.#session.terminate(options);
  }

  #audioSender(): RTCRtpSender | undefined {
    const connection = this.#session.connection as RTCPeerConnection | undefined;
    return connection?.getSenders().find((one) => one.track?.kind === "audio");
  }

  #listen(): void {
    const session = this.#session;
    session.on("progress", () => {
      if (this.direction === "out") this.#enter("ringing");
    });
    session.on("peerconnection", ({ peerconnection }) => {
      this.watch(peerconnection);
    });
    session.on("accepted", () => {
      this.#answered = true;
      if (this.direction === "out") this.#up();
    });
    session.on("confirmed", () => {
      this.#up();
    });
    session.on("failed", this.#over);
    session.on("ended", this.#over);
  }

  /** Follows the sound of `connection`; called by JsSIP's event, or by who dialled before we were. */
  watch(connection: RTCPeerConnection): void {
    connection.addEventListener("track", ({ track, streams }) => {
      if (track.kind !== "audio" || this.#remote !== undefined) return;
      this.#remote = streams[0] ?? new MediaStream([track]);
      void this.#speaker.play(this.#remote);
      this.emit("stream", this.#remote);
    });
    if (this.#mending !== undefined) return;
    const restart = new Restart(this.#session, () => {
      if (this.#state === "up") return true;
      this.#reason ??= "network"; // JsSIP would say that it was cancelled here
      return false;
    });
    this.#mending = new Mending({
      connection,
      alive: this.#setup.alive,
      patience_ms: this.#setup.patience_ms,
      restart: () => restart.send(),
      on_lost: (lost) => {
        this.emit("reconnecting", lost);
      },
      on_over: () => {
        this.#reason = "network";
        this.#terminate({});
      },
    });
  }

  /**
   * No sound could come here: nobody is rung for it. Of who answers this device alone is not to be had, so
   * that the call goes on to others, or to the phone.
   */
  #noWay(): void {
    this.#reason ??= "network";
    this.#no_way = true;
    this.#terminate(this.direction === "in" ? { status_code: 480 } : {});
  }

  async #findLink(): Promise<void> {
    this.link ??= await this.#setup.find_link();
  }

  #up(): void {
    if (this.#state === "up" || this.#state === "ended") return;
    this.#heard_ms = performance.now();
    this.#ticker = setInterval(() => void this.#measure(), QUALITY_EVERY_MS);
    this.#enter("up");
    // Found out while there is a network, for when there is none.
    void this.#findLink();
  }

  async #measure(): Promise<void> {
    const connection = this.#session.connection as RTCPeerConnection | undefined;
    if (!connection || connection.connectionState === "closed") return;
    const report = await connection.getStats();
    if (this.#state !== "up") return;
    const sample = readSample(report.values());
    const before = this.#samples.at(-1);
    this.#samples = [...this.#samples, sample].slice(-WINDOW);
    if (before === undefined) return;
    const now_ms = performance.now();
    if (sample.received > before.received) this.#heard_ms = now_ms;
    this.#setSilent(now_ms - this.#heard_ms > SILENT_MS);
    const quality = this.quality;
    if (quality !== undefined) this.emit("quality", quality);
  }

  #setSilent(silent: boolean): void {
    if (this.#silent === silent) return;
    this.#silent = silent;
    this.#mending?.silent(silent);
    this.emit("silent", silent);
  }

  readonly #over = (event: EndEvent): void => {
    if (this.#state === "ended") return;
    // JsSIP gives no message where none came, whatever its types say.
    const message = event.message as (EndEvent["message"] & { status_code?: number }) | null;
    const reason = message?.getHeader("Reason");
    this.#reason ??= endReason({
      local: (event.originator as string) === "local",
      answered: this.#answered && this.#state === "up",
      incoming: this.direction === "in",
      status: message?.status_code,
      reason,
      cause: event.cause,
    });
    clearInterval(this.#ticker);
    this.#gathering.stop();
    clearTimeout(this.#grace);
    this.#mending?.stop();
    this.#speaker.stop();
    if (this.#stream_is_ours) closeStream(this.#stream);
    if (!this.#no_way) {
      this.#tell(this.#reason);
      return;
    }
    // It never was up, so the ordinary call to offer is not known yet.
    const late = new Promise((resolve) => setTimeout(resolve, LINK_MS));
    void Promise.race([this.#findLink(), late]).then(() => {
      this.#tell("network");
    });
  };

  #tell(reason: EndReason): void {
    this.#enter("ended");
    this.emit("ended", { reason, link: reason === "network" ? this.link : undefined });
  }

  #enter(state: CallState): void {
    if (this.#state === state || this.#state === "ended") return;
    this.#state = state;
    this.emit("state", state);
  }
}

/** What JsSIP needs to answer or to call with `stream`. */
export function answerOptions(stream: MediaStream, rtc: RTCConfiguration): AnswerOptions {
  return { mediaStream: stream, mediaConstraints: { audio: true, video: false }, pcConfig: rtc };
}
