/**
 * The keyboard: `/` to the search, `j` and `k` from row to row, Enter opens a row, `?` shows the keys.
 * Never while somebody types, and never with Ctrl, Alt or Meta (WCAG 2.1.4: they are told by `?`).
 */
function typing(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, dialog, [contenteditable]") !== null;
}

/** The links of rows: the first link in each row of a table's body. */
function rows(): HTMLAnchorElement[] {
  const found = [...document.querySelectorAll("main tbody tr")].map((row) => row.querySelector("a"));
  return found.filter((link) => link !== null);
}

function step(by: 1 | -1): void {
  const links = rows();
  const at = links.findIndex((link) => link.closest("tr")?.contains(document.activeElement) === true);
  const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1);
  links[next]?.focus();
}

function help(): void {
  const dialog = document.getElementById("keys");
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || typing(event.target)) return;
  const search = document.querySelector<HTMLElement>("[data-search]");
  switch (event.key) {
    case "/":
      if (search === null) return;
      search.focus();
      break;
    case "j":
      step(1);
      break;
    case "k":
      step(-1);
      break;
    case "?":
      help();
      break;
    default:
      return;
  }
  event.preventDefault();
});
