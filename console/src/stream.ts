/**
 * Follows a stream of events for a page, and says how far its figures can be relied on.
 *
 * A stream that breaks is asked for again, each time after a longer while, and the page says since when
 * it is not up to date. A stream that ends because its session did leads to the sign-in, and from there
 * back to this page. A page that nobody sees holds no connection: a browser has six to a host.
 */
const SESSION = "/console/session";
const SIGN_IN = "/console/sign-in";
const FIRST_MS = 500;
const LONGEST_MS = 30_000;
const SILENT_MS = 35_000; // a stream says something every fifteen seconds
const STALE_MS = 2_500; // a break that is over sooner is not worth a word
const ASK_MS = 10_000;

export type State = "live" | "paused" | "lost" | "over";

/** How it stands, and when there was news last. */
export type Say = (state: State, heardAt: Date) => void;

export class Stream {
  #source: EventSource | null = null;
  #next = 0; // timer of the next try, or of a silence that is too long
  #stale = 0; // timer after which what is shown is old; stays until something is heard
  #failures = 0;
  #turn = 0; // what an earlier try still brings is nobody's
  #wanted = false;
  #heardAt = new Date();

  /** `take` is given the data of each event called `name`. */
  constructor(
    readonly address: string,
    readonly name: string,
    readonly take: (data: string) => void,
    readonly say: Say,
  ) {
    document.addEventListener("visibilitychange", () => {
      if (!this.#wanted) return;
      if (document.hidden) this.#rest();
      else this.#open();
    });
    addEventListener("online", () => {
      if (this.#wanted && this.#source === null && !document.hidden) void this.#again();
    });
    addEventListener("pagehide", () => {
      this.#rest();
    });
    addEventListener("pageshow", (event) => {
      if (event.persisted && this.#wanted) void this.#again();
    });
  }

  begin(): void {
    this.#wanted = true;
    this.#failures = 0;
    if (!document.hidden) this.#open();
  }

  pause(): void {
    this.#wanted = false;
    this.#rest();
    this.#tell("paused");
  }

  #open(): void {
    this.#drop();
    this.#expect();
    const source = new EventSource(this.address);
    this.#source = source;
    source.addEventListener(this.name, (event: MessageEvent<string>) => {
      this.#hear();
      this.take(event.data);
    });
    source.addEventListener("alive", () => {
      this.#hear();
    });
    source.addEventListener("over", () => {
      this.#leave();
    });
    source.addEventListener("error", () => {
      this.#lose();
    });
    this.#listen();
  }

  #hear(): void {
    this.#failures = 0;
    this.#heardAt = new Date();
    window.clearTimeout(this.#stale);
    this.#stale = 0;
    this.#tell("live");
    this.#listen();
  }

  #listen(): void {
    window.clearTimeout(this.#next);
    this.#next = window.setTimeout(() => {
      this.#lose();
    }, SILENT_MS);
  }

  /** Unless something is heard soon, what is shown is old. */
  #expect(): void {
    if (this.#stale !== 0) return;
    this.#stale = window.setTimeout(() => {
      this.#tell("lost");
    }, STALE_MS);
  }

  /** Try again: soon at first, later ever less often, and not all pages at the same moment. */
  #lose(): void {
    this.#drop();
    this.#expect();
    const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#next = window.setTimeout(() => void this.#again(), wait * (0.5 + Math.random()));
  }

  /** A stream does not say why it was refused: ask first whether there is a session still. */
  async #again(): Promise<void> {
    this.#drop();
    const turn = this.#turn;
    let status = 0;
    try {
      const headers = { "X-Unattended": "1" };
      const signal = AbortSignal.timeout(ASK_MS);
      status = (await fetch(SESSION, { headers, signal, cache: "no-store", redirect: "manual" })).status;
    } catch {
      // Nobody answers.
    }
    if (turn !== this.#turn) return;
    if (status === 401) this.#leave();
    else if (status === 204) this.#open();
    else this.#lose();
  }

  #drop(): void {
    this.#turn += 1;
    window.clearTimeout(this.#next);
    this.#source?.close();
    this.#source = null;
  }

  #rest(): void {
    this.#drop();
    window.clearTimeout(this.#stale);
    this.#stale = 0;
  }

  #leave(): void {
    this.#wanted = false;
    this.#rest();
    this.#tell("over");
    // In this page's place: going back leads to what was before it, not here once more.
    location.replace(`${SIGN_IN}?to=${encodeURIComponent(location.pathname + location.search)}`);
  }

  #tell(state: State): void {
    document.documentElement.toggleAttribute("data-stale", state === "lost" || state === "over");
    this.say(state, this.#heardAt);
  }
}

/** Says it at `place`, in the words that `said` has in data-said-STATE; `{at}` is when there was news. */
export function sayer(place: HTMLElement | null, said: HTMLElement): Say {
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23", // as the server writes times
    timeZone: said.dataset["zone"],
  });
  return (state, heardAt) => {
    if (place === null || place.dataset["state"] === state) return;
    place.dataset["state"] = state;
    place.textContent = (said.getAttribute(`data-said-${state}`) ?? "").replace("{at}", clock.format(heardAt));
  };
}
