/** The live board: begins where the page has one, and loads what draws only then. */
const board = document.querySelector<HTMLElement>("[data-board]");
if (board !== null) {
  void import("./board_live").then(({ follow }) => follow(board));
}

export {};
