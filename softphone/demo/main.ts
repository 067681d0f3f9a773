// The demo page: makes the views, the voices and the director, and draws whatever changes.

import "./demo.css";
import { Director } from "./director";
import { phone, ROLES, Store, type Lang, type Person, type State } from "./model";
import { installRadio } from "./radio";
import { Sound } from "./sound";
import { seconds } from "./texts";
import { car, PageView } from "./view-page";
import { PhoneBox } from "./view-phones";
import { WayBox } from "./view-way";

const LEVELS_MS = 90;
const AUDIBLE = 0.03;

function place(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

function language(): Lang {
  const wished = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("lang") ?? navigator.language;
  return wished.toLowerCase().startsWith("ru") ? "ru" : "en";
}

function begin(lang: Lang): State {
  const nobody: Person = { name: "…", rating: 5, user_id: "", phone: "", dials: "" };
  return {
    lang, status: "starting", people: { buyer: nobody, seller: nobody },
    listing: { id: "", title: "", details: "", price: "" }, sessionId: "",
    apps: { buyer: phone(), seller: phone() }, mobiles: { buyer: phone(), seller: phone() },
    typed: { buyer: "", seller: "" }, switches: { offline: false, poor: false, company: false },
    advice: null, listening: "buyer", speaking: "voice", sound: true, history: [], log: [], unread: 0,
    sealed: false, moved: false, last: "", said: "starting",
  };
}

installRadio();
const store = new Store(begin(language()));
const sound = new Sound();
const director = new Director(store, sound);
const page = new PageView(director);
const boxes = ROLES.flatMap((role) => (["app", "mobile"] as const).map((kind) => {
  const box = new PhoneBox(kind, role, director);
  place(`phones-${role}`).append(box.element);
  return box;
}));
const way = new WayBox(place("way-picture"));

function tick(): void {
  const now = new Date();
  const time = `${now.getHours().toString()}:${now.getMinutes().toString().padStart(2, "0")}`;
  for (const one of document.querySelectorAll("[data-clock]")) if (one.textContent !== time) one.textContent = time;
  for (const one of document.querySelectorAll<HTMLElement>("[data-since]")) {
    const length_s = (now.getTime() - Number(one.dataset["since"])) / 1000;
    one.textContent = length_s < 60 ? `0:${Math.floor(length_s).toString().padStart(2, "0")}` : seconds(store.state.lang, length_s);
  }
}

function draw(): void {
  Object.assign(document.body.dataset, { session: store.state.sessionId, status: store.state.status });
  page.draw(store.state);
  for (const box of boxes) box.draw(store.state);
  for (const one of document.querySelectorAll("[data-car]:empty")) one.append(car());
  way.draw(store.state);
  tick();
}

// How loud it is at each phone; how long something was heard there is kept in data-heard-ms.
function measure(): void {
  const levels = sound.levels();
  for (const { element } of boxes) {
    const level = levels.get(element.dataset["phone"] ?? "") ?? 0;
    element.querySelector<HTMLElement>(".levels")?.style.setProperty("--level", level.toFixed(2));
    if (level > AUDIBLE) element.dataset["heardMs"] = (Number(element.dataset["heardMs"] ?? 0) + LEVELS_MS).toString();
  }
}

store.watch(draw);
draw();
addEventListener("resize", draw);
setInterval(tick, 500);
setInterval(measure, LEVELS_MS);
void director.start();
