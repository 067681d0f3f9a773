/** Why a call ended, in words an app can show; read from what SIP says. Pure. */

export type EndReason =
  | "hung_up" // one of both, after talking
  | "cancelled" // the caller gave up
  | "answered_elsewhere" // on another device of ours
  | "declined"
  | "busy"
  | "unreachable" // nobody answered, or nothing of theirs could be rung now
  | "blocked" // by the callee, or by a rule of the platform
  | "not_allowed" // not a participant, or the session is over
  | "unavailable" // Maskline's lines are full or down: try again
  | "microphone"
  | "network"
  | "failed";

export interface EndFacts {
  readonly local: boolean;
  /** It was answered before. */
  readonly answered: boolean;
  readonly incoming: boolean;
  /** Status of the final response, where one came. */
  readonly status?: number | undefined;
  /** The `Reason` header of a CANCEL or BYE (RFC 3326). */
  readonly reason?: string | undefined;
  /** JsSIP's own word for it. */
  readonly cause?: string | undefined;
}

const BY_STATUS: Readonly<Record<number, EndReason>> = {
  403: "blocked",
  404: "not_allowed",
  410: "not_allowed",
  480: "unreachable",
  486: "busy",
  487: "cancelled",
  500: "unavailable",
  503: "unavailable",
  600: "busy",
  603: "declined",
  607: "blocked",
};

/** The reason behind `facts`. */
export function endReason(facts: EndFacts): EndReason {
  if (facts.cause === "User Denied Media Access") return "microphone";
  if (facts.cause === "Connection Error" || facts.cause === "RTP Timeout") return "network";
  if (facts.answered) return "hung_up";
  if (facts.reason !== undefined && /\bcause\s*=\s*200\b/.test(facts.reason)) return "answered_elsewhere";
  if (facts.local) return facts.incoming ? "declined" : "cancelled";
  if (facts.incoming) return "cancelled";
  if (facts.cause === "Request Timeout") return "network";
  return (facts.status !== undefined ? BY_STATUS[facts.status] : undefined) ?? "failed";
}
