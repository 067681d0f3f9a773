/**
 * The app API's events: read by fetch, for EventSource cannot send Authorization; begun again with
 * Last-Event-ID when it breaks, so that what waited arrives once.
 */

import { backoff_ms, RECONNECT } from "./backoff.js";
import { SseParser, type ServerEvent } from "./sse.js";

export interface StreamOptions {
  readonly url: string;
  /** The bearer key of now; undefined: not yet. */
  readonly token: () => string | undefined;
  readonly on_event: (event: ServerEvent) => void;
  /** Where to resume; kept by who owns the stream, so that a new page may go on from it. */
  readonly last_id?: string | undefined;
  readonly fetch?: typeof fetch;
  /** The server says something at least this often, if only a comment. */
  readonly silence_ms?: number;
}

export class EventStream {
  #abort: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #last_id: string;
  #stopped = true;

  constructor(private readonly options: StreamOptions) {
    this.#last_id = options.last_id ?? "";
  }

  get last_id(): string {
    return this.#last_id;
  }

  /** Begins, or begins anew with the token of now. */
  start(): void {
    this.stop();
    this.#stopped = false;
    void this.#run();
  }

  /** There is a reason to believe that it would work now: if a wait is under way, it ends. */
  nudge(): void {
    if (this.#stopped || this.#timer === undefined) return;
    this.#wait_over();
    void this.#run();
  }

  /** The connection may be dead without knowing: begin anew, if it has begun at all. */
  again(): void {
    if (!this.#stopped) this.start();
  }

  stop(): void {
    this.#stopped = true;
    this.#wait_over();
    this.#abort?.abort();
    this.#abort = undefined;
  }

  async #run(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    try {
      await this.#read(abort);
    } catch {
      // Broken off, refused or silent: all the same, begin again.
    }
    abort.abort();
    if (this.#stopped || this.#abort !== abort) return;
    this.#attempt += 1;
    const wait_ms = backoff_ms(this.#attempt, RECONNECT, Math.random());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, wait_ms);
  }

  #wait_over(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #read(abort: AbortController): Promise<void> {
    const token = this.options.token();
    if (token === undefined) return;
    const headers: Record<string, string> = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
    if (this.#last_id !== "") headers["Last-Event-ID"] = this.#last_id;
    const silence_ms = this.options.silence_ms ?? 45_000;
    let watch = setTimeout(() => {
      abort.abort();
    }, silence_ms);
    try {
      const ask = this.options.fetch ?? fetch.bind(globalThis);
      const answer = await ask(this.options.url, { headers, signal: abort.signal, cache: "no-store" });
      if (!answer.ok || answer.body === null) return;
      const reader = answer.body.getReader();
      const text = new TextDecoder();
      const parser = new SseParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watch);
        watch = setTimeout(() => {
          abort.abort();
        }, silence_ms);
        this.#attempt = 0;
        for (const event of parser.feed(text.decode(value, { stream: true }))) {
          if (abort.signal.aborted) return;
          if (event.id !== "") this.#last_id = event.id;
          this.options.on_event(event);
        }
      }
    } finally {
      clearTimeout(watch);
    }
  }
}
