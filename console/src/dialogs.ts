/** Dialogs open by a button with `data-opens="ID"`, and close by Escape or their own button. */
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-opens]") : null;
  const dialog = button === null ? null : document.getElementById(button.dataset["opens"] ?? "");
  if (dialog instanceof HTMLDialogElement) {
    event.preventDefault();
    dialog.showModal();
  }
});
