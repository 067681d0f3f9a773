// The four phones. Draws them from the state and tells of what was pressed; decides nothing.

import { h, icon, update, type Child } from "./dom";
import type { Acts } from "./acts";
import { other, phones, type CallView, type Kind, type PhoneView, type Role, type State } from "./model";
import { clock, decimal, seconds, spaced, TEXTS, word, type Texts } from "./texts";

export const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"] as const;
const LETTERS: Record<string, string> = {
  "2": "abc", "3": "def", "4": "ghi", "5": "jkl", "6": "mno", "7": "pqrs", "8": "tuv", "9": "wxyz", "0": "+",
};

// One phone on the page: drawn again only when what it shows has changed.
export class PhoneBox {
  readonly element: HTMLElement;
  private drawn = "";

  constructor(private readonly kind: Kind, private readonly role: Role, private readonly acts: Acts) {
    this.element = h("article", { class: `phone phone-${kind}`, "data-phone": `${kind}-${role}` });
  }

  draw(state: State): void {
    const view = phones(state, this.kind)[this.role];
    const wanted = JSON.stringify([
      view, state.lang, state.people, state.listing, state.typed[this.role], state.advice, state.log, state.unread,
    ]);
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    const held = this.element.contains(document.activeElement);
    const texts = TEXTS[state.lang];
    const name = state.people[this.role].name;
    this.element.setAttribute("aria-label", this.kind === "app" ? texts.appOf(name) : texts.mobileOf(name));
    const before = this.element.dataset.state;
    this.element.dataset.state = view.call && view.call.phase !== "ended" ? view.call.phase : view.power;
    update(
      this.element,
      this.kind === "app"
        ? new AppScreen(state, this.role, view, this.acts).draw()
        : mobile(state, this.role, view, this.acts),
    );
    if (this.element.dataset.state === "incoming" && before !== "incoming")
      this.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
    // What had the focus is gone: it goes to what one would press next.
    if (held && !this.element.contains(document.activeElement))
      this.element.querySelector<HTMLElement>("[data-main]")?.focus({ preventScroll: true });
  }
}

function round(name: Parameters<typeof icon>[0], tone: string, label: string, act: string, press: () => void, main = false): HTMLElement {
  return h("button", {
    type: "button", class: `round ${tone}`, "aria-label": label, title: label, "data-act": act,
    "data-main": main, onclick: press,
  }, icon(name));
}

function levels(): HTMLElement {
  return h("div", { class: "levels", "aria-hidden": "true" }, ...Array.from({ length: 7 }, () => h("i")));
}

const timer = (call: CallView): HTMLElement | null =>
  call.upAt === null ? null : h("span", { class: "timer", "data-since": call.upAt, "data-filled": true }, "0:00");

class AppScreen {
  private readonly texts: Texts;
  private readonly peer;

  constructor(
    private readonly state: State, private readonly role: Role, private readonly view: PhoneView,
    private readonly acts: Acts,
  ) {
    this.texts = TEXTS[state.lang];
    this.peer = state.people[other(role)];
  }

  draw(): HTMLElement {
    return h("div", { class: "bezel" },
      h("div", { class: "notch", "aria-hidden": "true" }),
      h("div", { class: "screen" }, this.bar(), this.content()));
  }

  private bar(): HTMLElement {
    const { power } = this.view;
    const label = power === "off" ? this.texts.off : power === "joining" ? this.texts.joining : "";
    return h("div", { class: "statusbar" },
      h("span", { class: "clock", "data-clock": true, "data-filled": true }, ""),
      h("span", { class: `net ${power}` }, icon(power === "off" ? "plane" : "signal", label)));
  }

  private content(): HTMLElement {
    const { call, power } = this.view;
    if (call) return call.phase === "incoming" ? this.incoming(call) : this.inCall(call);
    if (this.role === "buyer" && this.state.advice) return this.advice();
    if (power === "asleep" || power === "off" || this.view.pushed) return this.locked();
    return this.home();
  }

  private who(call: CallView, sub: string): HTMLElement {
    const name = call.card?.name ?? call.shows;
    return h("div", { class: "who" },
      h("div", { class: `face face-${other(this.role)}`, "aria-hidden": "true" }, name.slice(0, 1)),
      h("strong", { class: "name" }, name),
      call.card?.rating ? h("span", { class: "rating" }, icon("star"), decimal(this.state.lang, call.card.rating)) : null,
      call.card?.listing ? h("span", { class: "about" }, call.card.listing) : null,
      h("span", { class: "sub" }, sub));
  }

  private incoming(call: CallView): HTMLElement {
    const { texts, acts, role } = this;
    return h("div", { class: "callscreen ringing" },
      this.who(call, texts.incoming),
      h("div", { class: "buttons" },
        round("phone", "red", texts.decline, "decline", () => acts.hangUp("app", role)),
        round("phone", "green", texts.answer, "answer", () => acts.answer("app", role), true)));
  }

  private inCall(call: CallView): HTMLElement {
    const { texts, acts, role } = this;
    const up = call.phase === "up";
    const sub = call.phase === "ended" ? word(texts.endings, call.ending)
      : texts.phases[call.phase];
    return h("div", { class: `callscreen ${call.phase}` },
      this.who(call, up ? "" : sub),
      up ? h("div", { class: "talk" }, timer(call), levels(), this.mos(call)) : null,
      call.offered && up ? this.offer(call) : null,
      call.phase === "ended" ? null : h("div", { class: "buttons" },
        up ? round(call.muted ? "mute" : "mic", call.muted ? "on" : "plain", call.muted ? texts.unmute : texts.mute, "mute", () => acts.mute(role)) : null,
        up && !call.offered && !call.moving ? round("swap", "plain", texts.toPhone, "to-phone", () => acts.toPhone(role)) : null,
        round("phone", "red", texts.hangUp, "hang-up", () => acts.hangUp("app", role), true)));
  }

  private mos(call: CallView): Child {
    if (call.moving) return h("span", { class: "mos" }, this.texts.moving);
    if (call.mos === null)
      return call.loss < 0.03 ? null : h("span", { class: "mos bad" }, this.texts.losing(Math.round(call.loss * 100).toString()));
    const level = call.mos >= 3.6 ? "good" : call.mos >= 3.1 ? "fair" : "bad";
    return h("span", { class: `mos ${level}` }, this.texts.quality(decimal(this.state.lang, call.mos)));
  }

  private offer(call: CallView): HTMLElement {
    const { texts, acts, role } = this;
    return h("div", { class: "sheet", role: "group", "aria-label": texts.offerTitle },
      h("strong", {}, texts.offerTitle), h("span", {}, call.moving ? texts.moving : texts.offerText),
      call.moving ? null : h("button", { type: "button", class: "wide primary", "data-act": "accept-offer", onclick: () => acts.toPhone(role) }, texts.toPhone),
      call.moving ? null : h("button", { type: "button", class: "wide", "data-act": "stay", onclick: () => acts.stay(role) }, texts.stay));
  }

  private advice(): HTMLElement {
    const { texts, acts } = this;
    const { advice, lang } = this.state;
    return h("div", { class: "callscreen advice" },
      h("div", { class: "weak", "aria-hidden": "true" }, icon("signal")),
      h("strong", {}, texts.adviceTitle),
      h("span", { class: "sub" }, texts.adviceText(decimal(lang, advice?.mos ?? 1))),
      h("button", { type: "button", class: "wide primary", "data-act": "by-phone", "data-main": true, onclick: () => acts.callByPhone() }, texts.callByPhone),
      h("span", { class: "num" }, spaced(advice?.dial ?? "")),
      h("button", { type: "button", class: "wide", "data-act": "anyway", onclick: () => acts.callAnyway() }, texts.callAnyway));
  }

  private locked(): HTMLElement {
    const { texts, acts, role, view } = this;
    return h("div", { class: "locked" },
      h("span", { class: "bigclock", "data-clock": true, "data-filled": true }, ""),
      view.pushed
        ? h("div", { class: "banner" }, icon("bell"), h("span", {}, h("strong", {}, view.pushed.name), texts.wakeNote))
        : h("span", { class: "sub" }, view.power === "off" ? texts.off : texts.asleep),
      view.power === "asleep"
        ? h("button", { type: "button", class: "wide", "data-act": "app-power", onclick: () => acts.toggleApp(role) }, texts.open)
        : null);
  }

  private home(): HTMLElement {
    const { texts, acts, role, state, view } = this;
    if (role === "buyer")
      return h("div", { class: "home" },
        h("div", { class: "shot", "data-car": true, "data-filled": true }),
        h("strong", {}, state.listing.title), h("span", { class: "price" }, state.listing.price),
        h("span", { class: "sub" }, this.peer.name, " ", icon("star"), decimal(state.lang, this.peer.rating)),
        h("span", { class: "gap" }),
        h("button", { type: "button", class: "wide primary", "data-act": "call", disabled: view.power !== "on", onclick: () => acts.call() }, icon("phone"), texts.call));
    const entries = state.log.slice(0, 5);
    return h("div", { class: "home calls" },
      h("div", { class: "head" }, h("strong", {}, texts.callLog),
        state.unread ? h("button", { type: "button", class: "badge", "data-act": "seen", "aria-label": texts.markSeen(state.unread), title: texts.markSeen(state.unread), onclick: () => acts.seen() }, String(state.unread)) : null,
        h("button", { type: "button", class: "mini", "aria-label": texts.close, title: texts.close, "data-act": "app-power", onclick: () => acts.toggleApp(role) }, icon("moon"))),
      entries.length === 0 ? h("span", { class: "sub empty" }, texts.noCalls) : h("ul", {}, ...entries.map((entry) =>
        h("li", { class: `${entry.outcome}${entry.unread ? " unread" : ""}` },
          icon(entry.outcome === "missed" ? "missed" : entry.direction),
          h("span", { class: "line" }, h("b", {}, entry.card.name ?? ""), h("small", {}, `${clock(state.lang, entry.at)} · ${word(texts.outcomes, entry.outcome)}${entry.talk_s >= 1 ? ` · ${seconds(state.lang, entry.talk_s)}` : ""}`)),
          h("button", { type: "button", class: "mini call", "aria-label": `${texts.callBack}: ${entry.card.name ?? ""}`, title: texts.callBack, "data-act": `back-${entry.id}`, onclick: () => acts.callBack() }, icon("phone"))))));
  }
}

function mobile(state: State, role: Role, view: PhoneView, acts: Acts): HTMLElement {
  const texts = TEXTS[state.lang];
  const off = view.power === "off";
  return h("div", { class: "body" },
      h("div", { class: "ear", "aria-hidden": "true" }),
      h("div", { class: "lcd", "aria-live": "off" }, ...lcd(state, role, view, texts)),
      h("div", { class: "nav" },
        key("green", icon("phone"), texts.green, "green", () => acts.green(role), off),
        key("clear", "C", texts.clear, "clear", () => acts.press(role, "C"), off),
        key("redkey", icon("phone"), texts.red, "red", () => acts.red(role), off)),
      h("div", { class: "keys" }, ...KEYS.map((one) =>
        key("digit", h("span", {}, one, h("small", {}, LETTERS[one] ?? "")), texts.key(one), `key-${one}`, () => acts.press(role, one), off))),
      h("button", { type: "button", class: "power", "aria-label": `${off ? texts.switchOn : texts.switchOff}: ${texts.mobileOf(state.people[role].name)}`, title: off ? texts.switchOn : texts.switchOff, "aria-pressed": String(off), "data-act": "power", onclick: () => acts.power(role) }, icon("power")));
}

function key(tone: string, face: Child, label: string, act: string, press: () => void, off: boolean): HTMLElement {
  return h("button", { type: "button", class: `key ${tone}`, "aria-label": label, "data-act": act, "data-main": tone === "green", disabled: off, onclick: press }, face);
}

function lcd(state: State, role: Role, view: PhoneView, texts: Texts): Child[] {
  const { call } = view;
  if (view.power === "off") return [h("span", { class: "dark" }, texts.isOff)];
  const bar = h("span", { class: "lcdbar" }, icon("signal"), h("span", { "data-clock": true, "data-filled": true }, ""));
  if (!call) {
    const typed = state.typed[role];
    const known = typed === state.people[role].dials;
    return [bar, h("span", { class: "small" }, texts.number), h("span", { class: "digits" }, spaced(typed)),
      h("span", { class: "small" }, known ? texts.proxyOf(state.people[other(role)].name) : " ")];
  }
  const line = call.phase === "ended" ? word(texts.endings, call.ending) : texts.phases[call.phase];
  return [bar, h("span", { class: "small" }, line), h("span", { class: "digits" }, spaced(call.shows)),
    call.phase === "up" ? h("span", { class: "small row" }, timer(call), levels()) : h("span", { class: "small" }, " ")];
}
