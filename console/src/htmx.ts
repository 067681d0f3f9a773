/** htmx, with the page's token on whatever it sends. */
import htmx from "htmx.org";

declare global {
  interface Window {
    htmx: typeof htmx;
  }
}
window.htmx = htmx;

document.addEventListener("htmx:configRequest", (event) => {
  const { headers } = (event as CustomEvent<{ headers: Record<string, string> }>).detail;
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content;
  if (token !== undefined) headers["X-CSRF-Token"] = token;
});

export { htmx };
