// Puts phones, voices and backend together: what a visitor does and what the phones tell becomes
// the one state that everything is drawn from.

import type { Acts } from "./acts";
import { App } from "./app";
import { Audible } from "./audible";
import * as backend from "./backend";
import { Mobile } from "./mobile";
import {
  busy, callView, phone, phones, ROLES, type Kind, type Lang, type Role, type State, type Store,
  type Switches,
} from "./model";
import { prepareRadio } from "./radio";
import { APP_ENDINGS, cardOf, complete } from "./reading";
import type { Sound } from "./sound";
import { story } from "./story";
import { Told } from "./told";

const RETRY_MS = 1500;

export class Director implements Acts {
  private readonly elements: Record<string, HTMLAudioElement> = {};
  private readonly audible: Audible;
  private readonly told: Told;
  private apps: Partial<Record<Role, App>> = {};
  private mobiles: Partial<Record<Role, Mobile>> = {};
  private readonly feed = new backend.Feed();

  constructor(
    private readonly store: Store,
    private readonly audio: Sound,
  ) {
    this.audible = new Audible(audio, this.elements);
    this.told = new Told({
      state: () => this.state,
      set: (work) => { this.set(work); },
      deafen: (key) => { audio.deafen(key); },
      refresh: () => { this.refresh(); },
    });
  }

  private get state(): State {
    return this.store.state;
  }

  private set(work: (state: State) => void): void {
    this.store.change((state) => {
      work(state);
      state.said = story(state);
    });
    this.audible.follow(this.state);
  }

  // -- beginning -------------------------------------------------------------------------------

  async start(): Promise<void> {
    this.listen();
    try {
      this.take(await backend.show(this.state.lang));
    } catch {
      this.set((state) => { state.status = "failed"; });
      setTimeout(() => void this.start(), RETRY_MS);
    }
  }

  private listen(): void {
    this.feed.start({
      push: (push) => { this.pushed(push); },
      refused: () => { this.set((state) => { state.sealed = true; }); },
      event: () => { this.refresh(); },
      elsewhere: () => {
        this.closeAll();
        this.set((state) => { state.status = "elsewhere"; });
      },
      open: () => { if (this.state.status === "failed") this.set((state) => { state.status = "ready"; }); },
      lost: () => { this.set((state) => { if (state.status === "ready") state.status = "failed"; }); },
    });
  }

  private take(shown: backend.Shown): void {
    this.closeAll();
    this.set((state) => {
      Object.assign(state, {
        lang: shown.lang, people: shown.people, listing: shown.listing, sessionId: shown.session_id,
        switches: shown.switches, history: shown.history, log: shown.log, unread: shown.unread,
        status: "starting", advice: null, sealed: false, moved: false, last: "",
      });
      for (const role of ROLES) {
        state.apps[role] = phone();
        state.mobiles[role] = phone();
        state.typed[role] = shown.people[role].dials;
      }
    });
    this.audio.warm(shown.lang);
    void prepareRadio();
    for (const role of ROLES) {
      this.apps[role] = this.makeApp(role);
      this.mobiles[role] = this.makeMobile(role, shown.mobiles[role]);
      this.mobiles[role].switchOn();
      if (role === "seller" && shown.switches.offline) this.set((state) => { state.apps.seller.power = "off"; });
      else this.apps[role].open();
    }
  }

  private closeAll(): void {
    for (const role of ROLES) {
      this.apps[role]?.close();
      this.mobiles[role]?.switchOff();
    }
    this.apps = {};
    this.mobiles = {};
  }

  private element(key: string): HTMLAudioElement {
    return (this.elements[key] ??= Object.assign(new Audio(), { autoplay: true, muted: true }));
  }

  private makeApp(role: Role): App {
    const key = `app-${role}`;
    const app: App = new App(role, this.element(key), {
      registered: (on) => { if (this.apps[role] === app) this.told.registered("app", role, on); },
      rings: (call) => { this.told.rings("app", role, call.card?.name ?? "", cardOf(call)); },
      progress: () => { this.told.phase("app", role, "ringing"); },
      up: () => { this.told.up("app", role); },
      stream: (stream) => { this.audio.hear(key, stream); },
      quality: (mos, good) => { this.set((state) => { const call = state.apps[role].call; if (call) Object.assign(call, { mos, offered: call.offered && !good }); }); },
      loss: (share) => { this.told.lost(role, share); },
      offered: () => { this.set((state) => { const call = state.apps[role].call; if (call?.phase === "up" && !call.moving) call.offered = true; }); },
      handover: (result) => { this.told.handedOver(role, result); },
      missed: () => { this.refresh(); },
      ended: (reason) => { this.told.ended("app", role, APP_ENDINGS[reason] ?? "failed"); },
    }, role === "buyer");
    return app;
  }

  private makeMobile(role: Role, line: backend.MobileLine): Mobile {
    const key = `mobile-${role}`;
    const mobile: Mobile = new Mobile(line, this.element(key), {
      registered: (on) => { if (this.mobiles[role] === mobile) this.told.registered("mobile", role, on); },
      rings: (number) => { this.told.rings("mobile", role, number, null); },
      progress: () => { this.told.phase("mobile", role, "ringing"); },
      up: () => { this.told.up("mobile", role); },
      stream: (stream) => { this.audio.hear(key, stream); },
      ended: (why) => { this.told.ended("mobile", role, why); },
    });
    return mobile;
  }

  // -- what the phones tell --------------------------------------------------------------------

  private pushed(push: backend.Push): void {
    const { role } = push;
    if (this.state.apps[role].power === "off") return;
    this.set((state) => { state.apps[role].pushed = backend.cardOf(push); });
    this.apps[role]?.open();
    setTimeout(() => { this.set((state) => { state.apps[role].pushed = null; }); }, 9000);
  }

  private refresh(): void {
    this.takeRecords(backend.records());
  }

  // Unless another conversation was begun meanwhile.
  private takeRecords(asked: Promise<backend.Records>): void {
    const { sessionId } = this.state;
    asked.then((found) => {
      if (this.state.sessionId === sessionId) this.set((state) => { Object.assign(state, found); });
    }).catch(() => undefined);
  }

  // -- what a visitor does (Acts) --------------------------------------------------------------

  call(): void {
    void this.callInApp(true);
  }

  callAnyway(): void {
    void this.callInApp(false);
  }

  private async callInApp(measured: boolean): Promise<void> {
    const app = this.apps.buyer;
    if (!app || busy(this.state, "buyer") !== null) return;
    this.audio.wake();
    this.told.unfade("app", "buyer");
    const { name, rating } = this.state.people.seller;
    const card = { name, rating, listing: this.state.listing.title };
    this.set((state) => {
      state.advice = null;
      state.apps.buyer.call = callView("out", "preparing", name, card);
    });
    try {
      if (measured) {
        const way = await app.preflight(this.state.sessionId);
        if (!this.isPreparing()) return;
        if (way.channel === "gsm" && way.dial) {
          const advice = { mos: way.mos, reason: way.reason, dial: way.dial };
          this.set((state) => {
            state.apps.buyer.call = null;
            state.advice = advice;
          });
          return;
        }
      }
      this.set((state) => { if (state.apps.buyer.call) state.apps.buyer.call.phase = "calling"; });
      await app.dial(this.state.sessionId, this.audio.mouth("buyer"));
    } catch {
      this.told.ended("app", "buyer", "failed");
    }
  }

  private isPreparing(): boolean {
    return this.state.apps.buyer.call?.phase === "preparing";
  }

  callByPhone(): void {
    const { advice } = this.state;
    this.set((state) => { state.advice = null; });
    if (advice) this.dial("buyer", advice.dial);
  }

  callBack(): void {
    this.seen();
    const app = this.apps.seller;
    if (busy(this.state, "seller") !== null) return;
    if (this.state.apps.seller.power !== "on" || !app) {
      this.dial("seller", this.state.people.seller.dials);
      return;
    }
    this.audio.wake();
    const { name, rating } = this.state.people.buyer;
    this.told.unfade("app", "seller");
    this.set((state) => { state.apps.seller.call = callView("out", "calling", name, { name, rating, listing: state.listing.title }); });
    app.dial(this.state.sessionId, this.audio.mouth("seller")).catch(() => { this.told.ended("app", "seller", "failed"); });
  }

  seen(): void {
    const newest = this.state.log[0];
    if (!newest || this.state.unread === 0) return;
    this.takeRecords(backend.seen(newest.at));
  }

  private dial(role: Role, typed: string): void {
    const mobile = this.mobiles[role];
    const number = complete(typed);
    if (!mobile || mobile.busy || this.state.mobiles[role].power !== "on") return;
    this.audio.wake();
    this.told.unfade("mobile", role);
    this.set((state) => { state.mobiles[role].call = callView("out", "calling", number); });
    mobile.dial(number, this.audio.mouth(role));
  }

  answer(kind: Kind, role: Role): void {
    this.audio.wake();
    const stream = this.audio.mouth(role);
    if (kind === "mobile") this.mobiles[role]?.answer(stream);
    else this.apps[role]?.answer(stream).catch(() => undefined);
  }

  hangUp(kind: Kind, role: Role): void {
    const call = phones(this.state, kind)[role].call;
    if (kind === "mobile") this.mobiles[role]?.hangUp();
    else if (call?.phase === "preparing") this.told.ended("app", role, "cancelled");
    else this.apps[role]?.hangUp();
  }

  mute(role: Role): void {
    const muted = !this.state.apps[role].call?.muted;
    this.apps[role]?.mute(muted);
    this.set((state) => { const call = state.apps[role].call; if (call) call.muted = muted; });
  }

  toPhone(role: Role): void {
    this.set((state) => { const call = state.apps[role].call; if (call) Object.assign(call, { moving: true, offered: false }); });
    this.apps[role]?.toPhone().catch(() => { this.told.handedOver(role, "refused"); });
  }

  stay(role: Role): void {
    this.set((state) => { const call = state.apps[role].call; if (call) call.offered = false; });
  }

  toggleApp(role: Role): void {
    if (this.state.apps[role].power === "asleep") {
      this.set((state) => { state.apps[role].power = "joining"; });
      this.apps[role]?.open();
      return;
    }
    if (busy(this.state, role) === "app") return;
    this.set((state) => { state.apps[role].power = "asleep"; });
    this.apps[role]?.close();
  }

  power(role: Role): void {
    const mobile = this.mobiles[role];
    if (this.state.mobiles[role].power === "off") {
      this.set((state) => { state.mobiles[role].power = "joining"; });
      mobile?.switchOn();
      return;
    }
    this.set((state) => { state.mobiles[role].power = "off"; });
    mobile?.switchOff();
  }

  press(role: Role, key: string): void {
    const { call } = this.state.mobiles[role];
    if (call && call.phase !== "ended") {
      if (call.phase === "up" && key !== "C") this.mobiles[role]?.press(key);
      return;
    }
    this.set((state) => {
      const now = state.typed[role];
      const fresh = now === state.people[role].dials;
      if (key === "C") state.typed[role] = fresh ? "" : now.slice(0, -1);
      else state.typed[role] = ((fresh ? "" : now) + key).slice(0, 16);
    });
  }

  green(role: Role): void {
    const { call } = this.state.mobiles[role];
    if (call?.phase === "incoming") this.answer("mobile", role);
    else if (!call || call.phase === "ended") {
      if (this.state.typed[role] === "") this.set((state) => { state.typed[role] = state.people[role].dials; });
      else this.dial(role, this.state.typed[role]);
    }
  }

  red(role: Role): void {
    const { call } = this.state.mobiles[role];
    if (call && call.phase !== "ended") this.mobiles[role]?.hangUp();
    else this.set((state) => { state.typed[role] = state.people[role].dials; });
  }

  be(role: Role): void {
    this.audio.wake();
    this.set((state) => { state.listening = role; });
    if (this.state.speaking === "microphone") void this.takeMicrophone(role);
  }

  speak(): void {
    this.audio.wake();
    if (this.state.speaking === "microphone") {
      this.audio.silenceMicrophone();
      this.set((state) => { state.speaking = "voice"; });
    } else void this.takeMicrophone(this.state.listening);
  }

  private async takeMicrophone(role: Role): Promise<void> {
    const got = await this.audio.speakAs(role).then(() => true, () => false);
    this.set((state) => { state.speaking = got ? "microphone" : "voice"; });
  }

  sound(): void {
    this.audio.wake();
    this.set((state) => { state.sound = !state.sound; });
  }

  language(lang: Lang): void {
    if (lang === this.state.lang) return;
    localStorage.setItem("lang", lang);
    this.set((state) => { state.lang = lang; });
    backend.show(lang).then((shown) => { this.take(shown); }).catch(() => undefined);
  }

  flip(name: keyof Switches): void {
    const on = !this.state.switches[name];
    this.set((state) => { state.switches[name] = on; });
    backend.flip({ [name]: on }).catch(() => { this.set((state) => { state.switches[name] = !on; }); });
    if (name !== "offline") return;
    this.set((state) => { state.apps.seller.power = on ? "off" : "joining"; });
    if (on) this.apps.seller?.close();
    else this.apps.seller?.open();
  }

  again(): void {
    backend.again(this.state.lang).then((shown) => { this.take(shown); }).catch(() => undefined);
  }

  useHere(): void {
    void this.start();
  }
}
