// The live picture of the call's way: who is joined to whom, and what each one sees there.

import { svg, update } from "./dom";
import { caller, other, phones, type CallView, type Kind, type Lang, type PhoneView, type Role, type State } from "./model";
import { decimal, spaced, TEXTS, type Texts } from "./texts";

type Flow = "none" | "ringing" | "up" | "failed" | "push";
interface Spot { x: number; y: number; w: number; h: number }
type Name = `${Kind}-${Role}` | `carrier-${Role}` | "maskline";

interface Plan { width: number; height: number; spots: Record<Name, Spot> }

const spot = (x: number, y: number, w: number, h: number): Spot => ({ x, y, w, h });

// Side by side: the buyer left, the seller right.
const WIDE: Plan = {
  width: 900, height: 184,
  spots: {
    "app-buyer": spot(3, 4, 178, 72), "mobile-buyer": spot(3, 108, 178, 72),
    "carrier-buyer": spot(222, 112, 152, 64), maskline: spot(332, 6, 236, 68),
    "carrier-seller": spot(526, 112, 152, 64),
    "app-seller": spot(719, 4, 178, 72), "mobile-seller": spot(719, 108, 178, 72),
  },
};
// On a narrow screen: the buyer above, the seller below.
const NARROW: Plan = {
  width: 358, height: 520,
  spots: {
    "app-buyer": spot(2, 4, 168, 76), "mobile-buyer": spot(188, 4, 168, 76),
    "carrier-buyer": spot(196, 114, 152, 64), maskline: spot(59, 222, 240, 76),
    "carrier-seller": spot(196, 342, 152, 64),
    "app-seller": spot(2, 440, 168, 76), "mobile-seller": spot(188, 440, 168, 76),
  },
};

export class WayBox {
  private drawn = "";

  constructor(private readonly place: HTMLElement) {}

  draw(state: State): void {
    const narrow = this.place.clientWidth < 640;
    const wanted = JSON.stringify([narrow, state.lang, state.people, state.apps, state.mobiles, state.sealed, state.switches, state.typed]);
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    update(this.place, picture(state, narrow ? NARROW : WIDE, narrow));
  }
}

function picture(state: State, plan: Plan, narrow: boolean): SVGElement {
  const texts = TEXTS[state.lang];
  const root = svg("svg", { viewBox: `0 0 ${plan.width} ${plan.height}`, role: "img", "aria-label": inWords(state, texts) });
  for (const role of ["buyer", "seller"] as const) {
    const app = flow(state, "app", role);
    const mobile = flow(state, "mobile", role);
    const out = phones(state, "app")[role].call?.direction ?? "in";
    const mobileOut = phones(state, "mobile")[role].call?.direction ?? "in";
    root.append(
      edge(plan, narrow, `app-${role}`, "maskline", app, out === "out", app === "push" ? texts.push : texts.internet),
      edge(plan, narrow, `mobile-${role}`, `carrier-${role}`, mobile, mobileOut === "out", ""),
      edge(plan, narrow, `carrier-${role}`, "maskline", mobile, mobileOut === "out", ""),
    );
  }
  for (const role of ["buyer", "seller"] as const) {
    const name = state.people[role].name;
    root.append(
      box(plan, `app-${role}`, `${name} · ${texts.app}`, sees(state, "app", role, texts), flow(state, "app", role)),
      box(plan, `mobile-${role}`, `${name} · ${texts.mobile}`, sees(state, "mobile", role, texts), flow(state, "mobile", role)),
      box(plan, `carrier-${role}`, texts.carrier, carrierSees(state, role), flow(state, "mobile", role)),
    );
  }
  const busy = caller(state) !== null;
  root.append(box(plan, "maskline", "Maskline", [texts.maskKnows], busy ? "up" : "none", true));
  return root;
}

function flow(state: State, kind: Kind, role: Role): Flow {
  const view: PhoneView = phones(state, kind)[role];
  const { call } = view;
  if (call?.phase === "up") return "up";
  if (call && call.phase !== "ended") return "ringing";
  if (kind === "app" && caller(state) === other(role)) {
    if (view.pushed) return "push";
    if (state.sealed) return "failed";
  }
  return "none";
}

function shown(call: CallView, lang: Lang): string {
  const name = call.card?.name ?? spaced(call.shows);
  return call.card?.rating ? `${name} ★ ${decimal(lang, call.card.rating)}` : name;
}

function sees(state: State, kind: Kind, role: Role, texts: Texts): string[] {
  const { call, pushed } = phones(state, kind)[role];
  if (!call || call.phase === "ended")
    return kind === "app" && pushed ? [`${texts.push}: ${pushed.name}`] : [];
  const lines = [`${kind === "mobile" && call.direction === "out" ? texts.dialled : texts.sees} ${shown(call, state.lang)}`];
  if (kind === "app") lines.push(call.card?.listing ?? texts.noNumber);
  return lines;
}

function carrierSees(state: State, role: Role): string[] {
  const { call } = phones(state, "mobile")[role];
  if (!call || call.phase === "ended") return [];
  const own = spaced(state.people[role].phone);
  const ours = spaced(call.shows);
  return call.direction === "out" ? [own, `→ ${ours}`] : [ours, `→ ${own}`];
}

function box(plan: Plan, name: Name, title: string, lines: string[], flows: Flow, heart = false): SVGElement {
  const { x, y, w, h } = plan.spots[name];
  const group = svg("g", { class: `spot ${heart ? "heart" : ""} ${flows}`, "data-spot": name });
  const middle = x + w / 2;
  group.append(svg("rect", { x, y, width: w, height: h, rx: heart ? 18 : 14 }));
  const gap = 17;
  let at = y + h / 2 - ((lines.length) * gap) / 2 + 5;
  group.append(svg("text", { x: middle, y: at, class: "title" }, title));
  for (const line of lines) group.append(svg("text", { x: middle, y: (at += gap) }, cut(line, w)));
  return group;
}

// SVG text does not wrap: what is too long is cut, the picture's words stand in full in its label.
const cut = (text: string, width: number): string => {
  const most = Math.floor(width / 6.6);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
};

function edge(plan: Plan, narrow: boolean, from: Name, to: Name, flows: Flow, outward: boolean, label: string): SVGElement {
  const [a, b] = ends(plan.spots[from], plan.spots[to], narrow);
  const d = narrow
    ? `M${a.x} ${a.y}C${a.x} ${(a.y + b.y) / 2} ${b.x} ${(a.y + b.y) / 2} ${b.x} ${b.y}`
    : a.y === b.y ? `M${a.x} ${a.y}H${b.x}` : `M${a.x} ${a.y}Q${b.x} ${a.y} ${b.x} ${b.y}`;
  const group = svg("g", { class: `edge ${flows} ${outward ? "outward" : "inward"}`, "data-edge": `${from}~${to}` });
  group.append(svg("path", { d }));
  if (flows !== "none" && flows !== "failed") group.append(svg("path", { d, class: "pulse" }));
  if (flows === "failed") {
    const x = (a.x + b.x) / 2, y = (a.y + b.y) / 2;
    group.append(svg("path", { class: "cross", d: `M${x - 6} ${y - 6}l12 12m0 -12l-12 12` }));
  }
  if (label && flows !== "none" && flows !== "failed")
    group.append(svg("text", { x: (a.x + b.x) / 2 + (narrow ? 36 : 0), y: (a.y + b.y) / 2 + (narrow ? 4 : -8), class: "way" }, label));
  return group;
}

function ends(from: Spot, to: Spot, narrow: boolean): [{ x: number; y: number }, { x: number; y: number }] {
  const mid = (one: Spot): { x: number; y: number } => ({ x: one.x + one.w / 2, y: one.y + one.h / 2 });
  const a = mid(from), b = mid(to);
  if (narrow) {
    const down = b.y > a.y;
    const bx = Math.max(to.x + 24, Math.min(to.x + to.w - 24, a.x));
    return [{ x: a.x, y: down ? from.y + from.h : from.y }, { x: bx, y: down ? to.y : to.y + to.h }];
  }
  const right = b.x > a.x;
  const below = a.y - b.y > 60;
  if (below) // a carrier joins Maskline from below
    return [{ x: right ? from.x + from.w : from.x, y: a.y }, { x: right ? to.x + 60 : to.x + to.w - 60, y: to.y + to.h }];
  return [{ x: right ? from.x + from.w : from.x, y: a.y }, { x: right ? to.x : to.x + to.w, y: b.y }];
}

// The picture for those who do not see it.
function inWords(state: State, texts: Texts): string {
  const parts: string[] = [];
  for (const role of ["buyer", "seller"] as const)
    for (const kind of ["app", "mobile"] as const) {
      const lines = sees(state, kind, role, texts);
      if (lines.length) parts.push(`${kind === "app" ? texts.appOf(state.people[role].name) : texts.mobileOf(state.people[role].name)}: ${lines.join(", ")}`);
    }
  return parts.length ? `${texts.way}. ${parts.join(". ")}` : texts.way;
}
