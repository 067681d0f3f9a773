/** The card: what the other side may know of who calls. Read from the INVITE, believed to a point. */

export interface Card {
  /** Of the call record that this call will leave; handover and rating name it. */
  readonly call_id: string | undefined;
  readonly session_id: string | undefined;
  readonly conversation_id: string | undefined;
  readonly role: string | undefined;
  readonly name: string;
  readonly rating: number | undefined;
  readonly listing: { readonly id: string | undefined; readonly title: string | undefined } | undefined;
  /** Further facts of the platform, shown as they are. */
  readonly facts: Readonly<Record<string, unknown>>;
}

const LONGEST = 4_096;

/** The card of header `X-Maskline-Card`; without a good one, a card with the display name alone. */
export function readCard(header: string | undefined, displayName: string, user: string): Card {
  const fields = decode(header);
  const listing = record(fields["listing"]);
  const session = text(fields["session_id"]) ?? (user.startsWith("ses_") ? user : undefined);
  return {
    call_id: text(fields["call_id"]),
    session_id: session,
    conversation_id: text(fields["conversation_id"]),
    role: text(fields["role"]),
    name: text(fields["name"]) ?? displayName,
    rating: typeof fields["rating"] === "number" ? fields["rating"] : undefined,
    listing: listing && { id: text(listing["id"]), title: text(listing["title"]) },
    facts: record(fields["facts"]) ?? {},
  };
}

function decode(header: string | undefined): Record<string, unknown> {
  if (header === undefined || header.length > LONGEST) return {};
  try {
    const binary = atob(header.trim().replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (one) => one.charCodeAt(0));
    const fields = record(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
    return fields?.["v"] === 1 ? fields : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
