/**
 * The app API (`/v1/app/…`) as functions: what a signed-in user's app may ask about its own calls.
 * Knows paths and shapes; keeps nothing.
 */

import { SoftphoneError } from "./errors.js";

/** What was measured, in the units of the API. */
export interface Measured {
  readonly rtt_ms: number;
  readonly jitter_ms: number;
  /** 0 to 1. */
  readonly loss: number;
}

export interface Advice {
  readonly channel: "app" | "gsm";
  /** Mean opinion score expected of an app call, 1 to 4.5 (ITU-T G.107). */
  readonly mos: number;
  /** `good`, `loss`, `delay`, `jitter`, `only_way`. */
  readonly reason: string;
  /** The same in words, in the browser's language. */
  readonly reason_text: string;
  /** What to dial that way: the session's address, or the proxy number. */
  readonly dial: string | null;
  /** The number in any case, with commas as pauses. */
  readonly tel: string | null;
  /** Whether the other side can be called now at all, and why not. */
  readonly callable: boolean;
  readonly callable_reason: string | null;
}

export interface ShownCard {
  readonly role: string;
  readonly name: string | null;
  readonly rating: number | null;
  readonly facts: Readonly<Record<string, string>>;
}

export interface Listing {
  readonly id: string | null;
  readonly title: string | null;
}

export interface LogEntry {
  readonly id: number;
  readonly call_id: string;
  readonly session_id: string | null;
  readonly direction: "in" | "out";
  readonly outcome: string;
  /** Why it was missed, where that is known. */
  readonly reason: string | null;
  readonly at: string;
  readonly ring_s: number;
  readonly talk_s: number;
  readonly unread: boolean;
  readonly card: ShownCard;
  readonly listing: Listing | null;
  /** null: the session is over. */
  readonly call_back: CallBack | null;
  readonly rating: { readonly stars: number; readonly issues: readonly string[] } | null;
}

/** How to call back; both stay masked. */
export interface CallBack {
  readonly session_id: string;
  readonly app: string;
  readonly gsm: string | null;
  readonly extension: string | null;
  readonly tel: string | null;
}

export interface LogPage {
  readonly items: readonly LogEntry[];
  readonly next_cursor: string | null;
  readonly unread_count: number;
}

export interface Me {
  readonly user_id: string;
  readonly username: string;
  readonly device: string | null;
  readonly expires_at: string;
  readonly account: "private" | "company";
  readonly in_app_calls: boolean | null;
  readonly quiet_now: boolean;
  readonly unread_count: number;
}

export interface SessionView {
  readonly id: string;
  readonly state: string;
  readonly role: string;
  readonly card: ShownCard;
  readonly listing: Listing | null;
  /** null: the session is not open. */
  readonly dial: {
    readonly app: string;
    readonly gsm: string | null;
    readonly extension: string | null;
    readonly tel: string | null;
  } | null;
  readonly expires_at: string;
}

/** Of GET /v1/app/calls. */
export interface CurrentCall {
  readonly call_id: string;
  readonly session_id: string | null;
  readonly state: string;
}

const TIMEOUT_MS = 15_000;

export class AppApi {
  readonly #base: string;

  /** `token` gives the bearer key of now. */
  constructor(
    base_url: string,
    private readonly token: () => string | undefined,
  ) {
    this.#base = base_url.replace(/\/+$/, "");
  }

  get events_url(): string {
    return `${this.#base}/v1/app/events`;
  }

  /** Any small answer of Maskline, for the time it takes. */
  get probe_url(): string {
    return `${this.#base}/softphone/index.json`;
  }

  preflight(session_id: string, measured: Measured): Promise<Advice> {
    return this.#ask("POST", `/sessions/${encodeURIComponent(session_id)}/preflight`, measured);
  }

  me(): Promise<Me> {
    return this.#ask("GET", "/me");
  }

  session(session_id: string): Promise<SessionView> {
    return this.#ask("GET", `/sessions/${encodeURIComponent(session_id)}`);
  }

  /** Calls of the user's that are up now. */
  currentCalls(): Promise<{ readonly items: readonly CurrentCall[] }> {
    return this.#ask("GET", "/calls");
  }

  /** Rings the user's own phone, then the other side. */
  clickToCall(session_id: string): Promise<{ readonly call_id: string }> {
    return this.#ask("POST", `/sessions/${encodeURIComponent(session_id)}/calls`, {});
  }

  async handover(call_id: string, to: "gsm" | "app"): Promise<void> {
    await this.#ask("POST", `/calls/${encodeURIComponent(call_id)}/handover`, { to });
  }

  async rate(call_id: string, stars: number, issues: readonly string[]): Promise<void> {
    await this.#ask("POST", `/calls/${encodeURIComponent(call_id)}/rating`, { stars, issues });
  }

  callLog(query: { limit?: number; cursor?: string; unread?: boolean } = {}): Promise<LogPage> {
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) asked.set(name, String(value));
    return this.#ask("GET", `/call-log?${asked.toString()}`);
  }

  /** The user has seen every call up to `until` (RFC 3339; of an entry: its `at`). */
  async markSeen(until: string): Promise<number> {
    const { marked } = await this.#ask<{ marked: number }>("POST", "/call-log/seen", { until });
    return marked;
  }

  async #ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const token = this.token();
    if (token === undefined) throw new SoftphoneError("not_started", "start the softphone first");
    const headers: Record<string, string> = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer: Response;
    try {
      answer = await fetch(`${this.#base}/v1/app${path}`, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      throw new SoftphoneError("network", "Maskline cannot be reached", { cause });
    }
    if (answer.status === 204) return undefined as Answer;
    const found: unknown = await answer.json().catch(() => undefined);
    if (answer.ok) return found as Answer;
    const problem = (found ?? {}) as { error_id?: string; title?: string };
    throw new SoftphoneError("api", problem.title ?? "Maskline refused", {
      status: answer.status,
      ...(problem.error_id === undefined ? {} : { error_id: problem.error_id }),
    });
  }
}
