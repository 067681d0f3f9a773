/** Calls that are up, as they change; how long each has been; `f` opens the filter. */
import { sayer, Stream } from "./stream";

function tick(): void {
  if (document.documentElement.hasAttribute("data-stale")) return; // who knows whether they still are
  const now = Date.now();
  for (const shown of document.querySelectorAll<HTMLElement>("[data-since]")) {
    const s = Math.max(0, Math.floor((now - Date.parse(shown.dataset["since"] ?? "")) / 1000));
    if (Number.isNaN(s)) continue;
    const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
    const rest = String(s % 60).padStart(2, "0");
    shown.textContent = h > 0 ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`;
  }
}

/** Puts what came in place of what is there; whoever stands on a link in it keeps standing there. */
function show(section: HTMLElement, html: string): void {
  const here = document.activeElement;
  const held = here instanceof HTMLAnchorElement && section.contains(here) ? here : null;
  const call = held?.closest<HTMLElement>("[data-call]")?.dataset["call"];
  const down = section.querySelector(".table")?.scrollTop ?? 0;
  const stood = here !== null && here === section.querySelector(".table");
  section.innerHTML = html; // made by our own templates, which escape
  const table = section.querySelector<HTMLElement>(".table");
  if (table !== null) table.scrollTop = down;
  if (stood) table?.focus();
  if (held !== null && call !== undefined) {
    const row = section.querySelector(`[data-call="${CSS.escape(call)}"]`);
    [...(row?.querySelectorAll("a") ?? [])].find((link) => link.href === held.href)?.focus();
  }
  tick();
}

function follow(section: HTMLElement, address: string): void {
  const take = (data: string): void => {
    show(section, (JSON.parse(data) as { html: string }).html);
  };
  const say = sayer(document.getElementById("live-link"), section);
  new Stream(address, "calls", take, say).begin();
}

const section = document.querySelector<HTMLElement>("[data-live]");
if (section !== null) {
  follow(section, section.dataset["live"] ?? "");
  tick();
  setInterval(tick, 1000);
}

// One of the sheets above the list at a time.
const sheets = [...document.querySelectorAll<HTMLDetailsElement>("details.pop")];
for (const sheet of sheets) {
  sheet.addEventListener("toggle", () => {
    if (sheet.open) for (const other of sheets) if (other !== sheet) other.open = false;
  });
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  const typing = target instanceof Element && target.closest("input, textarea, select, dialog") !== null;
  if (event.key !== "f" || event.ctrlKey || event.altKey || event.metaKey || typing) return;
  const summary = document.querySelector<HTMLElement>('summary[data-key="f"]');
  const filter = summary?.parentElement;
  if (!(filter instanceof HTMLDetailsElement)) return;
  filter.open = !filter.open;
  (filter.open ? filter.querySelector<HTMLElement>("select, input:not([type=hidden])") : summary)?.focus();
  event.preventDefault();
});

export {};
