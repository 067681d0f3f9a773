/**
 * A form that is told what is wrong with it keeps all that was typed, phones too, which are never sent
 * back: only the words beside the field are taken over from the page that was answered.
 */

function labelled(field: Element): HTMLElement {
  const known = field.querySelector<HTMLElement>(".hint");
  if (known !== null) return known;
  const made = document.createElement("p");
  made.className = "hint";
  field.append(made);
  return made;
}

/** Takes back what was said about an earlier try. */
function clear(form: HTMLFormElement): void {
  for (const field of form.querySelectorAll(".wrong")) {
    field.classList.remove("wrong");
    const hint = labelled(field);
    hint.textContent = hint.dataset["usual"] ?? "";
    for (const one of field.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  }
}

/** Says beside the field of `form` what `told`, the same field in the answer, says. */
function say(form: HTMLFormElement, told: Element): boolean {
  const name = told.querySelector("[name]")?.getAttribute("name") ?? "";
  const input = form.querySelector<HTMLElement>(`[name="${CSS.escape(name)}"]:not([type="hidden"])`);
  const field = input?.closest(".field, fieldset");
  if (!input || !field) return false;
  const hint = labelled(field);
  hint.dataset["usual"] ??= hint.textContent;
  hint.textContent = told.querySelector(".hint")?.textContent ?? "";
  hint.id ||= `${input.id}-hint`;
  field.classList.add("wrong");
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", hint.id);
  input.closest("details")?.setAttribute("open", "");
  input.focus();
  return true;
}

interface Swap {
  readonly requestConfig: { readonly elt: Element };
  readonly xhr: XMLHttpRequest;
  shouldSwap: boolean;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = event as CustomEvent<Swap>;
  const form = detail.requestConfig.elt;
  if (!(form instanceof HTMLFormElement)) return;
  clear(form);
  if (detail.xhr.status < 400) return;
  const told = new DOMParser().parseFromString(detail.xhr.responseText, "text/html").querySelector("main form .wrong");
  if (told !== null && say(form, told)) detail.shouldSwap = false;
});

/** What could not be done is told at the top of the page: let it be seen from the form's end. */
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target instanceof Element && event.target.id === "notices") event.target.scrollIntoView({ block: "center" });
});
