/** Server-sent events (WHATWG HTML, 9.2.6) out of text that comes in any pieces. No I/O. */

export interface ServerEvent {
  readonly kind: string;
  readonly data: string;
  /** To resume after; empty where the server gave none. */
  readonly id: string;
}

/** More than any event of ours has; a server that goes on is not one. */
export const LONGEST = 256 * 1024;

export class SseParser {
  #rest = "";
  #kind = "";
  #data: string[] = [];
  #id = "";
  #begun = false;
  retry_ms: number | undefined;

  /** The events that `text` completes. Throws RangeError over LONGEST. */
  feed(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let all = this.#rest + text;
    if (!this.#begun && all !== "") {
      this.#begun = true;
      if (all.startsWith("\uFEFF")) all = all.slice(1);
    }
    // A CR at the end may be half of a CR LF.
    const held = all.endsWith("\r") ? "\r" : "";
    const lines = (held ? all.slice(0, -1) : all).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + held;
    if (this.#rest.length > LONGEST) throw new RangeError("an event too long");
    for (const line of lines) {
      if (line !== "") {
        this.#field(line);
        continue;
      }
      if (this.#data.length > 0) {
        events.push({ kind: this.#kind || "message", data: this.#data.join("\n"), id: this.#id });
      }
      this.#kind = "";
      this.#data = [];
    }
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    switch (name) {
      case "event":
        this.#kind = value;
        break;
      case "data":
        this.#data.push(value);
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^\d{1,7}$/.test(value)) this.retry_ms = Number(value);
        break;
    }
  }
}
