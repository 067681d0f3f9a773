// Everything on the page but the phones and the picture: listing, switches, history, call log.

import type { Acts } from "./acts";
import { h, icon, svg, update } from "./dom";
import { busy, other, ROLES, type HistoryEntry, type Role, type State, type Switches } from "./model";
import { clock, decimal, seconds, TEXTS, word, type Texts } from "./texts";

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
};

// Draws a part again only when what it is drawn from has changed.
class Part {
  private drawn = "";

  constructor(private readonly id: string) {}

  draw(from: unknown, make: () => (Node | string | null)[]): void {
    const wanted = JSON.stringify(from);
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    const place = byId(this.id);
    update(place, ...make());
  }
}

export class PageView {
  private readonly parts = new Map<string, Part>();

  constructor(private readonly acts: Acts) {}

  draw(state: State): void {
    const texts = TEXTS[state.lang];
    document.documentElement.lang = state.lang;
    document.title = texts.title;
    const part = (id: string): Part => {
      const found = this.parts.get(id) ?? new Part(id);
      this.parts.set(id, found);
      return found;
    };
    part("top").draw([state.lang, state.sound], () => this.top(state, texts));
    part("listing").draw([state.lang, state.listing, state.people, state.switches.company, state.status, busy(state, "buyer")], () => this.listing(state, texts));
    part("switches").draw([state.lang, state.switches, state.status], () => this.switches(state, texts));
    part("story").draw([state.lang, state.said], () => [texts.story[state.said]]);
    part("history").draw([state.lang, state.history, state.people], () => this.history(state, texts));
    part("log").draw([state.lang, state.log, state.unread, state.people], () => this.log(state, texts));
    for (const role of ROLES)
      part(`side-${role}`).draw([state.lang, state.people, state.listening, state.speaking], () => this.side(state, role, texts));
    part("notice").draw([state.lang, state.status], () => this.notice(state, texts));
    byId("notice").hidden = state.status !== "elsewhere" && state.status !== "failed";
    update(byId("way-title"), texts.way, h("small", {}, texts.wayHint));
  }

  private top(state: State, texts: Texts): Node[] {
    const language = (lang: "en" | "ru", label: string, name: string): HTMLElement =>
      h("button", { type: "button", "data-act": `lang-${lang}`, lang, "aria-label": name, "aria-pressed": String(state.lang === lang), onclick: () => this.acts.language(lang) }, label);
    return [
      h("h1", { class: "brand" }, logo(), "Maskline"),
      h("span", { class: "tagline" }, texts.tagline),
      h("button", { type: "button", class: "ghost", "data-act": "sound", "aria-pressed": String(state.sound), onclick: () => this.acts.sound() }, icon(state.sound ? "bell" : "x"), texts.sound),
      h("div", { class: "segmented", role: "group", "aria-label": texts.language }, language("en", "EN", "English"), language("ru", "RU", "Русский")),
    ];
  }

  private listing(state: State, texts: Texts): Node[] {
    const seller = state.people.seller;
    return [
      h("div", { class: "shot" }, car()),
      h("div", { class: "facts" },
        h("h2", {}, state.listing.title),
        h("p", { class: "price" }, state.listing.price),
        h("p", { class: "sub" }, state.listing.details),
        h("p", { class: "owner" },
          h("span", { class: "face face-seller", "aria-hidden": "true" }, seller.name.slice(0, 1)),
          h("span", {}, h("b", {}, seller.name), h("small", {}, icon("star"), decimal(state.lang, seller.rating), " · ", state.switches.company ? texts.companySeller : texts.privateSeller))),
        h("button", { type: "button", class: "wide primary big", "data-act": "call", id: "call", disabled: state.status !== "ready" || busy(state, "buyer") !== null, onclick: () => this.acts.call() }, icon("phone"), texts.call)),
    ];
  }

  private switches(state: State, texts: Texts): Node[] {
    const one = (name: keyof Switches, what: string, hint: string, sign: Parameters<typeof icon>[0]): HTMLElement =>
      h("button", { type: "button", class: "switch", role: "switch", "aria-checked": String(state.switches[name]), "data-act": `switch-${name}`, onclick: () => this.acts.flip(name) },
        icon(sign), h("span", {}, h("b", {}, what), h("small", {}, hint)), h("i", { class: "knob", "aria-hidden": "true" }));
    return [
      h("h2", {}, texts.whatIf),
      one("offline", texts.offline, texts.offlineHint, "plane"),
      one("poor", texts.poor, texts.poorHint, "signal"),
      one("company", texts.company, texts.companyHint, "building"),
      h("button", { type: "button", class: "ghost", "data-act": "again", onclick: () => this.acts.again() }, icon("again"), texts.again),
    ];
  }

  private side(state: State, role: Role, texts: Texts): Node[] {
    const { name } = state.people[role];
    const mine = state.listening === role;
    const speaking = state.speaking === "microphone";
    return [
      h("h2", {}, name, h("small", {}, role === "buyer" ? texts.buyer : texts.sellerRole)),
      h("div", { class: "you" },
        mine ? h("button", { type: "button", class: speaking ? "chip on" : "chip", "data-act": "speak", "aria-pressed": String(speaking), onclick: () => this.acts.speak() }, icon("mic"), speaking ? texts.speaking : texts.speak) : null,
        h("button", { type: "button", class: mine ? "chip on" : "chip", "data-act": "be", "aria-pressed": String(mine), onclick: () => this.acts.be(role) }, icon("ear"), mine ? texts.youAre(name) : texts.beSide(name))),
    ];
  }

  private history(state: State, texts: Texts): Node[] {
    const bubble = (role: Role, text: string): HTMLElement => h("li", { class: `bubble ${role}` }, text);
    return [
      h("h2", {}, texts.history),
      h("ol", { class: "chat" },
        bubble("buyer", texts.chat1), bubble("seller", texts.chat2),
        ...[...state.history].reverse().map((entry) =>
          h("li", { class: `event ${entry.outcome}`, "data-outcome": entry.outcome },
            icon(entry.outcome === "answered" ? "phone" : "missed"),
            h("span", {}, h("b", {}, `${this.called(state, entry)} ${word(texts.outcomes, entry.outcome)}`),
              h("small", {}, [clock(state.lang, entry.at), entry.channel === "app" ? texts.overApp : entry.channel === "gsm" ? texts.overGsm : "",
                entry.talk_s >= 0.5 ? texts.talked(seconds(state.lang, entry.talk_s)) : texts.rang(seconds(state.lang, entry.ring_s))].filter(Boolean).join(" · "))))),
        state.history.length ? null : h("li", { class: "hint" }, texts.historyEmpty)),
    ];
  }

  private called(state: State, entry: HistoryEntry): string {
    const from = entry.caller?.role ?? "buyer";
    return `${state.people[from].name} → ${state.people[other(from)].name}:`;
  }

  private log(state: State, texts: Texts): Node[] {
    return [
      h("h2", {}, texts.callLogOf(state.people.seller.name), state.unread ? h("span", { class: "badge" }, `${state.unread} ${texts.unread}`) : null),
      state.log.length === 0 ? h("p", { class: "hint" }, texts.noCalls) : h("ul", { class: "log" },
        ...state.log.slice(0, 6).map((entry) =>
          h("li", { class: `${entry.outcome}${entry.unread ? " unread" : ""}`, "data-outcome": entry.outcome },
            icon(entry.outcome === "missed" ? "missed" : entry.direction),
            h("span", { class: "line" },
              h("b", {}, entry.card.name ?? "", entry.card.rating ? h("span", { class: "rating" }, icon("star"), decimal(state.lang, entry.card.rating)) : null),
              h("small", {}, [entry.listing?.title ?? "", clock(state.lang, entry.at), word(texts.outcomes, entry.outcome),
                entry.talk_s >= 0.5 ? seconds(state.lang, entry.talk_s) : texts.rang(seconds(state.lang, entry.ring_s))].filter(Boolean).join(" · "))),
            entry.direction === "in" ? h("button", { type: "button", class: "mini call", "data-act": `log-back-${entry.id}`, "aria-label": `${texts.callBack}: ${entry.card.name ?? ""}`, onclick: () => this.acts.callBack() }, icon("phone"), texts.callBack) : null))),
    ];
  }

  private notice(state: State, texts: Texts): (Node | null)[] {
    return [
      h("p", {}, state.status === "elsewhere" ? texts.elsewhere : texts.failed),
      state.status === "elsewhere" ? h("button", { type: "button", class: "wide primary", "data-act": "use-here", onclick: () => this.acts.useHere() }, texts.useHere) : null,
    ];
  }
}

export function logo(): SVGElement {
  return svg("svg", { viewBox: "0 0 32 32", class: "logo", "aria-hidden": "true" },
    svg("rect", { width: 32, height: 32, rx: 9, fill: "currentColor" }),
    svg("path", { d: "M5.5 12c3.2-2 7-2.4 10.5-.6C19.500 9.600 23.300 10 26.500 12c.3 5.200-2.200 9-5.600 9-2.200 0-3.400-1.900-4.900-1.900S13.300 21 11.100 21C7.700 21 5.200 17.200 5.500 12z", class: "cut" }),
    svg("circle", { cx: 11.300, cy: 15.200, r: 2.100, fill: "currentColor" }), svg("circle", { cx: 20.700, cy: 15.200, r: 2.100, fill: "currentColor" }));
}

// The listing's picture.
export function car(): SVGElement {
  return svg("svg", { viewBox: "0 0 288 150", class: "car", "aria-hidden": "true", preserveAspectRatio: "xMidYMid slice" },
    svg("rect", { width: 288, height: 150, class: "sky" }),
    svg("circle", { cx: 232, cy: 40, r: 18, class: "sun" }),
    svg("path", { d: "M0 92 46 66l38 20 52-40 60 44 34-18 58 26v52H0z", class: "hills" }),
    svg("rect", { y: 116, width: 288, height: 34, class: "road" }),
    svg("path", { d: "M18 134h40M88 134h40M158 134h40M228 134h40", class: "lane" }),
    svg("path", { d: "M46 108c0-12 8-17 22-19l18-3c12-14 26-21 46-21h24c18 0 30 8 44 21l22 4c14 3 20 8 20 18v6c0 4-2 6-6 6H52c-4 0-6-2-6-6z", class: "paint" }),
    svg("path", { d: "M96 86c9-9 19-14 33-14h7v15H97zM142 72h14c13 0 22 5 32 15h-46z", class: "glass" }),
    svg("circle", { cx: 86, cy: 118, r: 16, class: "tyre" }), svg("circle", { cx: 206, cy: 118, r: 16, class: "tyre" }),
    svg("circle", { cx: 86, cy: 118, r: 7, class: "rim" }), svg("circle", { cx: 206, cy: 118, r: 7, class: "rim" }),
    svg("rect", { x: 232, y: 96, width: 14, height: 6, rx: 3, class: "lamp" }));
}
