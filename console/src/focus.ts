/**
 * Whoever works by keyboard never loses their place: Escape closes what they opened and leads back to
 * its button, and what comes in place of what they stood on is stood on next.
 */
const OPENED = "details:is(.pop, .reveal, .menu)[open]";
const STANDS = "a[href], button, input:not([type=hidden]), select, textarea, audio[controls], summary, [data-revealed]";

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !(event.target instanceof Element)) return;
  const opened = event.target.closest<HTMLDetailsElement>(OPENED);
  if (opened === null || event.target.closest("dialog") !== null) return;
  opened.open = false;
  opened.querySelector("summary")?.focus();
});

// A click beside it closes it as well.
document.addEventListener("click", (event) => {
  for (const opened of document.querySelectorAll<HTMLDetailsElement>(OPENED)) {
    if (event.target instanceof Node && event.target.isConnected && !opened.contains(event.target)) opened.open = false;
  }
});

/** By what the same element is known in the page that comes. */
function known(element: Element): string {
  const form = element.closest("form")?.getAttribute("action") ?? "";
  return [element.tagName, element.getAttribute("href"), element.getAttribute("name"), form].join(" ");
}

interface Swap {
  readonly target: Element;
  readonly requestConfig: { readonly elt: Element };
}

/** Where somebody stood in what is about to go; null: elsewhere. */
let stood: string | null = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig } = (event as CustomEvent<Swap>).detail;
  const here = document.activeElement;
  stood = here !== null && (target.contains(here) || requestConfig.elt.contains(here)) ? known(here) : null;
});

document.addEventListener("htmx:load", (event) => {
  const made = event.target;
  if (stood === null || !(made instanceof HTMLElement)) return;
  if (document.activeElement !== null && document.activeElement !== document.body) {
    stood = null; // it is still there
    return;
  }
  const places = [made, ...made.querySelectorAll<HTMLElement>("*")].filter((one) => one.matches(STANDS));
  const place = places.find((one) => known(one) === stood) ?? places[0];
  if (place === undefined) return;
  stood = null;
  place.focus();
});
