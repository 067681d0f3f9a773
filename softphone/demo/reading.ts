// Reads what the phones say and what people type. Pure.

import type { Call } from "../src/index";
import type { Card } from "./model";

// How the library says that a call ended, in the page's words.
export const APP_ENDINGS: Partial<Record<string, string>> = {
  hung_up: "over", cancelled: "cancelled", answered_elsewhere: "over", declined: "declined", busy: "busy",
  unreachable: "missed", blocked: "blocked",
};

export const cardOf = (call: Call): Card => ({
  name: call.card?.name ?? "", rating: call.card?.rating ?? null, listing: call.card?.listing?.title ?? null,
});

// What people type, as the carrier takes it.
export function complete(typed: string): string {
  const digits = typed.replace(/\D/g, "");
  if (/^8\d{10}$/.test(digits)) return `+7${digits.slice(1)}`;
  return `+${digits}`;
}
