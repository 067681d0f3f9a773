/**
 * The WebSocket under SIP, as JsSIP's Socket: tries to connect for as long as it takes, and lets go of
 * a connection over which nothing comes any more. Reads nothing of what it carries.
 */

import { backoff_ms, RECONNECT } from "./backoff.js";

/** A browser itself would wait for minutes. */
const CONNECT_MS = 8_000;

export class SipSocket {
  via_transport: string;
  readonly sip_uri: string;
  // Set by JsSIP.
  onconnect: () => void = () => undefined;
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => undefined;
  ondata: (data: unknown) => void = () => undefined;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wanted = false;
  #failures = 0;
  readonly #listening = new Set<() => void>();

  /** Throws TypeError where `url` is none of a WebSocket. */
  constructor(readonly url: string) {
    const { protocol, host } = new URL(url);
    if (protocol !== "ws:" && protocol !== "wss:") throw new TypeError("not the address of a WebSocket");
    this.via_transport = protocol.slice(0, -1).toUpperCase();
    this.sip_uri = `sip:${host};transport=ws`;
  }

  connect(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#open();
  }

  disconnect(): void {
    this.#wanted = false;
    this.#failures = 0;
    this.#letGo();
  }

  isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  isConnecting(): boolean {
    return this.#wanted && !this.isConnected();
  }

  send(message: string | ArrayBufferLike | Blob | ArrayBufferView): boolean {
    if (!this.isConnected()) return false;
    this.#socket?.send(message as string);
    return true;
  }

  /** There is a reason to believe that it would work now: a wait, or a try that hangs, ends. */
  hurry(): void {
    if (!this.isConnecting()) return;
    this.#letGo();
    this.#open();
  }

  /** Whether anything comes in within `within_ms`. If not, the connection is given up. */
  hears(within_ms: number): Promise<boolean> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const over = (heard: boolean): void => {
        clearTimeout(deadline);
        this.#listening.delete(heard_now);
        resolve(heard);
      };
      const heard_now = (): void => {
        over(true);
      };
      const deadline = setTimeout(() => {
        over(false);
        if (this.#socket === socket && this.isConnected()) this.#lost(1006, "silent");
      }, within_ms);
      this.#listening.add(heard_now);
    });
  }

  #open(): void {
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.url, "sip");
    } catch {
      this.#later();
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    this.#timer = setTimeout(() => {
      this.#letGo();
      this.#later();
    }, CONNECT_MS);
    let was_open = false;
    socket.onopen = () => {
      was_open = true;
      clearTimeout(this.#timer);
      this.onconnect();
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.#failures = 0;
      for (const heard of [...this.#listening]) heard();
      this.ondata(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (was_open) {
        this.#lost(code, reason);
      } else {
        this.#letGo();
        this.#later();
      }
    };
  }

  #later(): void {
    this.#failures += 1;
    this.#timer = setTimeout(() => {
      this.#open();
    }, backoff_ms(this.#failures, RECONNECT, Math.random()));
  }

  /** JsSIP, told so, asks for another one in a second or two. */
  #lost(code: number, reason: string): void {
    this.#wanted = false;
    this.#letGo();
    this.ondisconnect(true, code, reason);
  }

  #letGo(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
