// What the phones tell of themselves and of their calls, as the state has it.

import { busy, callView, phones, ROLES, type Card, type Kind, type Role, type State } from "./model";

const ENDED_MS = 2600;
const RECORDS_AGAIN_MS = [300, 1200];

export interface Stage {
  state(): State;
  set(work: (state: State) => void): void;
  deafen(key: string): void;
  refresh(): void; // the records: something has come to an end
}

export class Told {
  private readonly fading = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly stage: Stage) {}

  registered(kind: Kind, role: Role, on: boolean): void {
    this.stage.set((state) => {
      const view = phones(state, kind)[role];
      if (on) view.power = "on";
      else if (view.power === "on") view.power = "joining";
      if (state.status === "starting" && ROLES.every((one) => state.apps[one].power !== "joining" && state.mobiles[one].power !== "joining"))
        state.status = "ready";
    });
  }

  rings(kind: Kind, role: Role, shows: string, card: Card | null): void {
    this.unfade(kind, role);
    this.stage.set((state) => {
      const view = phones(state, kind)[role];
      view.pushed = null;
      view.call = callView("in", "incoming", shows, card);
    });
  }

  phase(kind: Kind, role: Role, phase: "ringing"): void {
    this.stage.set((state) => {
      const call = phones(state, kind)[role].call;
      if (call?.direction === "out" && (call.phase === "calling" || call.phase === "preparing")) call.phase = phase;
    });
  }

  up(kind: Kind, role: Role): void {
    this.stage.set((state) => {
      const call = phones(state, kind)[role].call;
      if (!call) return;
      call.phase = "up";
      call.upAt ??= Date.now();
      if (kind === "mobile" && state.apps[role].call?.moving) state.moved = true;
    });
  }

  ended(kind: Kind, role: Role, why: string): void {
    const key = `${kind}-${role}`;
    this.stage.deafen(key);
    this.stage.set((state) => {
      const call = phones(state, kind)[role].call;
      if (!call) return;
      const moved = kind === "app" && call.moving && state.mobiles[role].call?.phase === "up";
      call.ending = moved ? "moved" : why;
      state.last = call.upAt !== null ? "ended" : why === "missed" || role === "seller" ? "missed" : "ended";
      if (kind === "mobile" && !moved && state.apps[role].call?.moving) Object.assign(state.apps[role].call, { moving: false, offered: false });
      call.phase = "ended";
      if (ROLES.every((one) => busy(state, one) === null)) Object.assign(state, { moved: false, sealed: false });
    });
    this.unfade(kind, role);
    this.fading.set(key, setTimeout(() => { this.stage.set((state) => {
      const view = phones(state, kind)[role];
      if (view.call?.phase === "ended") view.call = null;
    }); }, ENDED_MS));
    for (const wait_ms of RECORDS_AGAIN_MS) setTimeout(() => { this.stage.refresh(); }, wait_ms);
  }

  // In steps, so that the phone is not drawn again every second.
  lost(role: Role, share: number): void {
    const step = Math.round(share * 20) / 20;
    if (this.stage.state().apps[role].call?.loss === step) return;
    this.stage.set((state) => { const call = state.apps[role].call; if (call) call.loss = step; });
  }

  unfade(kind: Kind, role: Role): void {
    clearTimeout(this.fading.get(`${kind}-${role}`));
  }

  handedOver(role: Role, result: string): void {
    this.stage.set((state) => {
      const call = state.apps[role].call;
      if (result === "done") state.moved = true;
      else if (call) Object.assign(call, { moving: false, offered: false });
    });
  }
}
