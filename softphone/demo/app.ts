// The marketplace's app of one user: the softphone library, as a platform would use it.

import { Softphone, type Call, type EndReason, type HandoverOffer, type HandoverResult, type QualityNotice, type Way } from "../src/index";
import { credentials } from "./backend";
import type { Role } from "./model";
import { MARK } from "./radio";

export interface AppEvents {
  registered(on: boolean): void;
  rings(call: Call): void;
  progress(): void;
  up(): void;
  stream(stream: MediaStream): void;
  quality(mos: number, good: boolean): void; // of our own side
  loss(share: number): void;
  offered(): void;
  handover(result: string): void;
  missed(): void;
  ended(reason: EndReason): void;
}

export class App {
  private readonly phone: Softphone;
  private running = false;

  // `radio`: its media goes through the demo's radio.
  constructor(
    private readonly role: Role,
    element: HTMLAudioElement,
    private readonly events: AppEvents,
    radio: boolean,
  ) {
    this.phone = new Softphone({
      base_url: location.origin,
      credentials: async () => {
        const given = await credentials(this.role);
        return radio ? { ...given, ice_servers: [...given.ice_servers, { urls: MARK }] } : given;
      },
      audio: { element },
    });
    this.phone.on("state", (state) => { events.registered(state === "registered"); });
    this.phone.on("incoming", (call) => {
      this.follow(call);
      events.rings(call);
    });
    this.phone.on("missed", () => { events.missed(); });
    this.phone.on("quality", (notice: QualityNotice) => {
      if (notice.mos !== undefined && notice.data["side"] !== "other") events.quality(notice.mos, notice.data["state"] === "good");
    });
    this.phone.on("handover_offered", (offer: HandoverOffer) => { if (offer.to === "gsm") events.offered(); });
    this.phone.on("handover", (result: HandoverResult) => { events.handover(result.result); });
  }

  get call(): Call | undefined {
    return this.phone.calls[0];
  }

  open(): void {
    if (this.running) return;
    this.running = true;
    this.phone.start().catch(() => {
      // The backend or Maskline is not there (yet): tried again until closed.
      if (!this.running) return;
      this.running = false;
      setTimeout(() => { this.open(); }, 1500);
    });
  }

  close(): void {
    this.running = false;
    this.phone.stop();
  }

  preflight(sessionId: string): Promise<Way> {
    return this.phone.preflight(sessionId);
  }

  async dial(sessionId: string, stream: MediaStream): Promise<void> {
    this.follow(await this.phone.call(sessionId, stream));
  }

  async answer(stream: MediaStream): Promise<void> {
    await this.call?.answer(stream);
  }

  hangUp(): void {
    this.call?.hangUp();
  }

  mute(muted: boolean): void {
    this.call?.mute(muted);
  }

  async toPhone(): Promise<void> {
    if (this.call) await this.phone.handover(this.call, "gsm");
  }

  private follow(call: Call): void {
    call.on("state", (state) => {
      if (state === "ringing") this.events.progress();
      if (state === "up") this.events.up();
    });
    call.on("stream", (stream) => { this.events.stream(stream); });
    call.on("quality", ({ loss }) => { this.events.loss(loss ?? 0); });
    call.on("ended", ({ reason }) => { this.events.ended(reason); });
  }
}
