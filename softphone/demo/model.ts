// What the page knows: the one state that every view is drawn from. No DOM, no SIP, no HTTP.

import type { Sentence } from "./story";

export type Role = "buyer" | "seller";
export type Kind = "app" | "mobile";
export type Lang = "ru" | "en";
export const ROLES: readonly Role[] = ["buyer", "seller"];
export const other = (role: Role): Role => (role === "buyer" ? "seller" : "buyer");

export interface Card {
  name: string;
  rating: number | null;
  listing: string | null;
}

export type Phase = "preparing" | "calling" | "ringing" | "incoming" | "up" | "ended";

// One call as one phone has it.
export interface CallView {
  direction: "in" | "out";
  phase: Phase;
  shows: string; // what this phone shows of the other side: a name or a number, as received
  card: Card | null;
  upAt: number | null; // ms since 1970
  muted: boolean;
  mos: number | null; // as Maskline scores it
  loss: number; // as the browser counts it, 0 to 1, in steps
  offered: boolean; // to go on over the mobile network
  moving: boolean; // that was accepted
  ending: string; // key of texts.endings, once ended
}

// on: registered; asleep: closed, a push wakes it; off: cannot be reached; joining: on its way.
export type Power = "on" | "joining" | "asleep" | "off";

export interface PhoneView {
  power: Power;
  call: CallView | null;
  pushed: Card | null; // what a push has just shown
}

export interface Person {
  name: string;
  rating: number;
  user_id: string;
  phone: string; // only in the demo, which plays their carrier too
  dials: string; // the proxy number
}

export interface HistoryEntry {
  id: number;
  at: string;
  outcome: string;
  channel: string | null;
  text: { caller: string | null; callee: string | null };
  caller: { role: Role } | null;
  ring_s: number;
  talk_s: number;
}

export interface LogEntry {
  id: number;
  at: string;
  direction: "in" | "out";
  outcome: string;
  reason?: string | null;
  text?: string | null;
  unread: boolean;
  card: { name: string | null; rating: number | null };
  listing: { title: string } | null;
  ring_s: number;
  talk_s: number;
}

export interface Switches {
  offline: boolean;
  poor: boolean;
  company: boolean;
}

// The advice to use the mobile network instead, before a call.
export interface Advice {
  mos: number;
  reason: string;
  dial: string;
}

export interface State {
  lang: Lang;
  status: "starting" | "ready" | "elsewhere" | "failed";
  people: Record<Role, Person>;
  listing: { id: string; title: string; details: string; price: string };
  sessionId: string;
  apps: Record<Role, PhoneView>;
  mobiles: Record<Role, PhoneView>;
  typed: Record<Role, string>; // on the mobile's display
  switches: Switches;
  advice: Advice | null;
  listening: Role; // whose ears the visitor has
  speaking: "voice" | "microphone";
  sound: boolean;
  history: HistoryEntry[];
  log: LogEntry[];
  unread: number;
  sealed: boolean; // the push of this call was refused: the app cannot be reached
  moved: boolean; // the call that is up changed its network
  last: "" | "ended" | "missed"; // how the call before ended
  said: Sentence;
}

export const phone = (power: Power = "joining"): PhoneView => ({ power, call: null, pushed: null });

export function callView(direction: "in" | "out", phase: Phase, shows: string, card: Card | null = null): CallView {
  return {
    direction, phase, shows, card, upAt: null, muted: false, mos: null, loss: 0, offered: false,
    moving: false, ending: "",
  };
}

// The phone of `role` that talks or is about to; apps before mobiles.
export function busy(state: State, role: Role): Kind | null {
  for (const kind of ["app", "mobile"] as const) {
    const phase = phones(state, kind)[role].call?.phase;
    if (phase !== undefined && phase !== "ended") return kind;
  }
  return null;
}

export const phones = (state: State, kind: Kind): Record<Role, PhoneView> =>
  kind === "app" ? state.apps : state.mobiles;

// Who called, of the call that is under way.
export function caller(state: State): Role | null {
  for (const role of ROLES)
    for (const kind of ["app", "mobile"] as const) {
      const call = phones(state, kind)[role].call;
      if (call?.direction === "out" && call.phase !== "ended") return role;
    }
  return null;
}

// A view of the state that tells whoever asked when it has changed, once for each turn of the loop.
export class Store {
  private readonly watchers: (() => void)[] = [];
  private due = false;

  constructor(readonly state: State) {}

  watch(watcher: () => void): void {
    this.watchers.push(watcher);
  }

  change(work: (state: State) => void): void {
    work(this.state);
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      for (const watcher of this.watchers) watcher();
    });
  }
}
