/** Follows the board's stream of events, and puts what changed where it belongs. */
import { Spark, type Line } from "./board_lines";
import { sayer, Stream } from "./stream";

interface News {
  texts: Record<string, string>;
  fragments: Record<string, string>;
  lines?: Record<string, Line> & { first: number };
}

class Board {
  readonly #told = document.getElementById("board-told");
  readonly #sparks = new Map<string, Spark>();
  #alarms = this.#alarmsShown();

  readonly #stream: Stream;

  constructor(place: HTMLElement) {
    for (const one of document.querySelectorAll<HTMLElement>("[data-spark]")) {
      const name = one.dataset["spark"] ?? "";
      this.#sparks.set(name, new Spark(one, name));
    }
    const take = (data: string): void => {
      this.#take(JSON.parse(data) as News);
    };
    const say = sayer(document.getElementById("board-link"), place);
    this.#stream = new Stream(place.dataset["board"] ?? "", "board", take, say);
  }

  begin(): void {
    this.#stream.begin();
  }

  pause(): void {
    this.#stream.pause();
  }

  #take(news: News): void {
    for (const [id, text] of Object.entries(news.texts)) {
      const place = document.getElementById(id);
      if (place !== null) place.textContent = text;
    }
    for (const [id, html] of Object.entries(news.fragments)) {
      const place = document.getElementById(id);
      if (place !== null) put(place, html);
    }
    if (news.fragments["board-alarms"] !== undefined) this.#tell();
    if (news.lines === undefined) return;
    for (const [name, spark] of this.#sparks) {
      const line = news.lines[name];
      if (line !== undefined) spark.show(news.lines.first, line);
    }
  }

  #alarmsShown(): Map<string, string> {
    const shown = document.querySelectorAll<HTMLElement>("[data-alarm]");
    return new Map([...shown].map((one) => [one.dataset["alarm"] ?? "", one.querySelector(".alarm-text")?.textContent ?? ""]));
  }

  /** Alarms are spoken once, when they come: their figures go on changing. */
  #tell(): void {
    const now = this.#alarmsShown();
    const fresh = [...now].filter(([key]) => !this.#alarms.has(key)).map(([, text]) => text);
    if (this.#told !== null && fresh.length > 0) this.#told.textContent = fresh.join(" ");
    this.#alarms = now;
  }
}

/** Put the server's fragment there; whoever stands on one of its links goes on standing there. */
function put(place: HTMLElement, html: string): void {
  const here = document.activeElement;
  const kept = here instanceof HTMLElement && place.contains(here) ? here.dataset["keep"] : undefined;
  place.innerHTML = html;
  if (kept === undefined) return;
  [...place.querySelectorAll<HTMLElement>("[data-keep]")].find((one) => one.dataset["keep"] === kept)?.focus();
}

export function follow(place: HTMLElement): void {
  const board = new Board(place);
  board.begin();
  const button = document.getElementById("board-pause");
  if (button === null) return;
  let paused = false;
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = (paused ? button.dataset["resume"] : button.dataset["pause"]) ?? "";
    if (paused) board.pause();
    else board.begin();
  });
}
