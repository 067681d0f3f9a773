// A few lines to make elements with; never sets HTML from text.

export type Child = Node | string | null | false | undefined;
type Props = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

const SVG = "http://www.w3.org/2000/svg";

function fill(element: Element, props: Props, children: Child[]): void {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, props: Props = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, props, children);
  return element;
}

export function svg(tag: string, props: Props = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  fill(element, props, children);
  return element;
}

// Makes the children of `place` such as `wanted`, keeping what is there as far as it is alike: an
// element that is replaced between press and release of a button swallows the click, loses the focus
// and begins its animations anew. Elements of one `data-act` do the same whenever they were made.
export function update(place: Element, ...wanted: Child[]): void {
  const nodes = wanted.filter((one): one is Node | string => one !== null && one !== false && one !== undefined)
    .map((one) => (typeof one === "string" ? document.createTextNode(one) : one));
  nodes.forEach((node, n) => {
    const now = place.childNodes[n];
    if (!now) place.append(node);
    else if (!alike(now, node)) now.replaceWith(node);
    else if (now instanceof Element && node instanceof Element) become(now, node);
    else if (now.textContent !== node.textContent) now.textContent = node.textContent;
  });
  while (place.childNodes.length > nodes.length) place.lastChild?.remove();
}

const KINDS = ["data-act", "data-filled"];

function alike(now: Node, wanted: Node): boolean {
  if (now.nodeName !== wanted.nodeName) return false;
  if (!(now instanceof Element) || !(wanted instanceof Element)) return true;
  return KINDS.every((name) => now.getAttribute(name) === wanted.getAttribute(name));
}

function become(now: Element, wanted: Element): void {
  for (const { name } of [...now.attributes])
    if (name !== "style" && !wanted.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  // What is filled in from outside (clocks, timers) is left to who fills it.
  if (!wanted.hasAttribute("data-filled")) update(now, ...wanted.childNodes);
}

// Icons are strokes on a 24 × 24 grid.
const PATHS: Record<string, string[]> = {
  phone: ["M5 3h4l2 5-2.5 1.5a11 11 0 0 0 6 6L16 13l5 2v4a2 2 0 0 1-2 2A16 16 0 0 1 3 5a2 2 0 0 1 2-2"],
  mute: ["M9 9v2a3 3 0 0 0 5 2.2M15 11V6a3 3 0 0 0-5.8-1", "M5 11a7 7 0 0 0 11 5.7M19 11a7 7 0 0 1-.6 2.9", "M12 18v3M3 3l18 18"],
  mic: ["M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3", "M5 11a7 7 0 0 0 14 0M12 18v3"],
  ear: ["M6 9a6 6 0 1 1 12 0c0 4-4 5-4 9a3 3 0 0 1-6 0", "M9.5 10a2.5 2.5 0 1 1 4 2"],
  swap: ["M4 8h14l-3-3M20 16H6l3 3"],
  bell: ["M6 16V11a6 6 0 0 1 12 0v5l2 2H4z", "M10 21h4"],
  moon: ["M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5"],
  power: ["M12 3v9M6.3 7a8 8 0 1 0 11.4 0"],
  in: ["M17 7 7 17M7 9v8h8"],
  out: ["M7 17 17 7M9 7h8v8"],
  missed: ["m4 7 7 7 9-9M14 5h6v6"],
  star: ["m12 3.5 2.6 5.4 5.9.8-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9L3.5 9.7l5.9-.8z"],
  plane: ["M3 13l18-9-6 17-3-7z"],
  signal: ["M4 20v-4M9 20v-8M14 20V8M19 20V4"],
  building: ["M5 21V5l8-2v18M13 9h6v12M3 21h18M8 8h2M8 12h2M8 16h2M16 13h0M16 17h0"],
  again: ["M4 12a8 8 0 1 1 2.5 5.8M4 20v-4h4"],
  check: ["m5 12 5 5L20 7"],
  x: ["M6 6l12 12M18 6 6 18"],
};

export function icon(name: keyof typeof PATHS, label = ""): SVGElement {
  const made = svg("svg", {
    class: `icon icon-${name}`, viewBox: "0 0 24 24", fill: "none", stroke: "currentColor",
    "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round",
    ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }),
  });
  for (const d of PATHS[name] ?? []) made.append(svg("path", { d }));
  return made;
}
