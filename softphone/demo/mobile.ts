// A mobile of the demo's carrier: an ordinary phone number whose phone happens to be in the browser.
// It knows numbers and nothing else; Maskline's app library has no part in it.

import * as JsSIP from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession";

import type { MobileLine } from "./backend";

const GATHER_MS = 500;

export interface MobileEvents {
  registered(on: boolean): void;
  rings(number: string): void;
  progress(): void; // the other end rings
  up(): void;
  stream(stream: MediaStream): void;
  ended(why: "over" | "missed" | "declined" | "busy" | "failed" | "cancelled"): void;
}

const WHY: Partial<Record<string, "missed" | "declined" | "busy" | "cancelled">> = {
  Busy: "busy", Rejected: "declined", Canceled: "cancelled", "No Answer": "missed", Unavailable: "missed",
};

export class Mobile {
  private agent: JsSIP.UA | undefined;
  private session: RTCSession | undefined;
  private stream: MediaStream | undefined;
  private incoming = false;

  constructor(
    private readonly line: MobileLine,
    private readonly element: HTMLAudioElement,
    private readonly events: MobileEvents,
  ) {}

  get busy(): boolean {
    return this.session !== undefined;
  }

  switchOn(): void {
    if (this.agent) return;
    const host = location.hostname;
    const bare = host.replace(/^\[|\]$/g, "");
    const socket = new JsSIP.WebSocketInterface(`ws://${host}:${this.line.ws_port.toString()}/ws`);
    const agent = new JsSIP.UA({
      sockets: [socket],
      uri: `sip:${this.line.username}@${bare.includes(":") ? `[${bare}]` : bare}`,
      password: this.line.password,
      register_expires: 120,
      session_timers: false,
      user_agent: "demo-mobile",
    });
    agent.on("registered", () => { this.events.registered(true); });
    agent.on("unregistered", () => { this.events.registered(false); });
    agent.on("registrationFailed", () => { this.events.registered(false); });
    agent.on("newRTCSession", ({ session, originator }: { session: RTCSession; originator: string }) => {
      if (originator !== "remote") return;
      if (this.session) {
        session.terminate({ status_code: 486 });
        return;
      }
      this.keep(session, true);
      this.events.rings(session.remote_identity.uri.user);
    });
    this.agent = agent;
    agent.start();
  }

  switchOff(): void {
    this.hangUp();
    this.agent?.stop();
    this.agent = undefined;
    this.events.registered(false);
  }

  dial(number: string, stream: MediaStream): void {
    if (!this.agent || this.session) return;
    this.stream = stream;
    const session = this.agent.call(number, this.options(stream));
    this.keep(session, false);
    this.watch(session.connection);
  }

  answer(stream: MediaStream): void {
    this.stream = stream;
    this.session?.answer(this.options(stream));
  }

  // Ends, gives up or declines: the person is busy, says the carrier.
  hangUp(): void {
    const { session } = this;
    if (!session || session.isEnded()) return;
    if (this.incoming && !session.isEstablished()) session.terminate({ status_code: 486 });
    else session.terminate();
  }

  press(key: string): void {
    const connection = this.session?.connection as RTCPeerConnection | undefined;
    connection?.getSenders().find((one) => one.dtmf)?.dtmf?.insertDTMF(key, 160, 70);
  }

  private options(mediaStream: MediaStream): { mediaStream: MediaStream; mediaConstraints: { audio: boolean; video: boolean } } {
    return { mediaStream, mediaConstraints: { audio: true, video: false } };
  }

  private keep(session: RTCSession, incoming: boolean): void {
    this.session = session;
    this.incoming = incoming;
    let gathering: ReturnType<typeof setTimeout> | undefined;
    session.on("peerconnection", ({ peerconnection }) => { this.watch(peerconnection); });
    session.on("icecandidate", ({ ready }) => { gathering ??= setTimeout(ready, GATHER_MS); });
    session.on("progress", () => { if (!this.incoming) this.events.progress(); });
    session.on("confirmed", () => { this.events.up(); });
    const over = (cause: string, talked: boolean): void => {
      if (this.session !== session) return;
      clearTimeout(gathering);
      this.session = undefined;
      for (const track of this.stream?.getTracks() ?? []) track.stop();
      this.stream = undefined;
      this.element.srcObject = null;
      this.events.ended(talked ? "over" : WHY[cause] ?? "failed");
    };
    session.on("ended", ({ cause }) => { over(cause, true); });
    session.on("failed", ({ cause }) => { over(cause, false); });
  }

  private watch(connection: RTCPeerConnection): void {
    connection.addEventListener("track", ({ track, streams }) => {
      const stream = streams[0] ?? new MediaStream([track]);
      this.element.srcObject = stream;
      void this.element.play().catch(() => undefined);
      this.events.stream(stream);
    });
  }
}
