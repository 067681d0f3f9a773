/** A link that dials `number` on the user's own phone; undefined where it is no number. */
export function telLink(number: string | null | undefined): string | undefined {
  // Commas are pauses before an extension's digits (RFC 3601, section 2).
  return typeof number === "string" && /^\+[0-9]{5,15}(,+[0-9]{1,15})?$/.test(number) ? `tel:${number}` : undefined;
}
