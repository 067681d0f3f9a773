// Which sentence tells what is going on: the key of `texts.story` for a state. Pure.

import { busy, caller, ROLES, type CallView, type Kind, type Role, type State } from "./model";
import type { Texts } from "./texts";

export type Sentence = keyof Texts["story"];

// The first that holds is told.
const TELLS: readonly [Sentence, (state: State) => boolean][] = [
  ["starting", (state) => state.status === "starting"],
  ["advice", (state) => state.advice !== null],
  ["preparing", (state) => call(state, "app", "buyer")?.phase === "preparing"],
  ["moving", (state) => ROLES.some((role) => call(state, "app", role)?.moving)],
  ["offered", (state) => call(state, "app", "buyer")?.phase === "up" && call(state, "app", "buyer")?.offered === true],
  ["moved", (state) => talks(state) && state.moved],
  ["talkGsm", (state) => talks(state) && ROLES.some((role) => busy(state, role) === "mobile")],
  ["talkApp", talks],
  ["appRings", (state) => rings(state, "app", "seller")],
  ["unreached", (state) => rings(state, "mobile", "seller") && state.sealed],
  ["gsmRings", (state) => rings(state, "mobile", "seller")],
  ["buyerAppRings", (state) => rings(state, "app", "buyer")],
  ["buyerGsmRings", (state) => rings(state, "mobile", "buyer")],
  ["waking", (state) => ROLES.some((role) => state.apps[role].pushed !== null)],
  ["calling", (state) => caller(state) !== null],
  ["missed", (state) => state.last === "missed"],
  ["ended", (state) => state.last === "ended"],
];

export const story = (state: State): Sentence => TELLS.find(([, holds]) => holds(state))?.[0] ?? "idle";

export function talks(state: State): boolean {
  return ROLES.every((role) => (["app", "mobile"] as const).some((kind) => call(state, kind, role)?.phase === "up"));
}

export function rings(state: State, kind: Kind, role: Role): boolean {
  return call(state, kind, role)?.phase === "incoming";
}

function call(state: State, kind: Kind, role: Role): CallView | null {
  const found = (kind === "app" ? state.apps : state.mobiles)[role].call;
  return found?.phase === "ended" ? null : found;
}
