/** The app API's events, checked and typed. Unknown kinds are passed over: newer servers have more. */

import type { LogEntry } from "./app_api.js";

export type Notice =
  | { readonly kind: "call.started" | "call.up" | "call.ended"; readonly call_id: string; readonly session_id: string | undefined }
  | Missed
  | QualityNotice
  | HandoverOffer
  | HandoverResult
  | StreamEnd;

/** A new entry of the call log: `call.missed` one that was missed, `call_log` any other. */
export interface Missed {
  readonly kind: "call.missed" | "call_log";
  readonly call_id: string;
  readonly entry: LogEntry;
}

/** Why the server ended the stream: `expired`, `revoked`, `replaced`, `restart`, `too_slow`. */
export interface StreamEnd {
  readonly kind: "end";
  readonly reason: string;
}

export interface QualityNotice {
  readonly kind: "call.quality";
  readonly call_id: string;
  /** Mean opinion score, 1 to 4.5. */
  readonly mos: number | undefined;
  /** Whose way it is. */
  readonly side: "own" | "other";
  readonly state: "poor" | "good";
  readonly data: Readonly<Record<string, unknown>>;
}

export interface HandoverOffer {
  readonly kind: "call.handover_offered";
  readonly call_id: string;
  readonly to: "gsm" | "app";
  readonly reason: string | undefined;
}

export interface HandoverResult {
  readonly kind: "call.handover";
  readonly call_id: string;
  readonly to: "gsm" | "app";
  /** `done`, `unanswered`, `refused`, `failed`. */
  readonly result: string;
}

/** What `data`, the JSON of an event, says; undefined where it is nothing we know. */
export function readNotice(kind: string, data: string): Notice | undefined {
  const fields = parse(data);
  if (kind === "end") return { kind, reason: text(fields["reason"]) ?? "" };
  const call_id = fields["call_id"];
  if (typeof call_id !== "string") return undefined;
  const to = fields["to"] === "app" ? "app" : "gsm";
  switch (kind) {
    case "call.started":
    case "call.up":
    case "call.ended":
      return { kind, call_id, session_id: text(fields["session_id"]) };
    case "call.missed":
    case "call_log":
      return { kind, call_id, entry: fields as unknown as LogEntry };
    case "call.quality":
      return {
        kind,
        call_id,
        mos: typeof fields["mos"] === "number" ? fields["mos"] : undefined,
        side: fields["side"] === "other" ? "other" : "own",
        state: fields["state"] === "poor" ? "poor" : "good",
        data: fields,
      };
    case "call.handover_offered":
      return { kind, call_id, to, reason: text(fields["reason"]) };
    case "call.handover":
      return { kind, call_id, to, result: text(fields["result"]) ?? "done" };
    default:
      return undefined;
  }
}

function parse(data: string): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(data);
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
