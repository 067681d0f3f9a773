// The demo's backend: the marketplace that these two users are signed in to. No key is ever here.

import type { Credentials } from "../src/index";
import type { Card, HistoryEntry, Lang, LogEntry, Person, Role, State, Switches } from "./model";

export interface MobileLine {
  ws_port: number;
  username: string;
  password: string;
}

export interface Records {
  history: HistoryEntry[];
  log: LogEntry[];
  unread: number;
}

export interface Shown extends Records {
  session_id: string;
  lang: Lang;
  listing: State["listing"];
  people: Record<Role, Person>;
  switches: Switches;
  mobiles: Record<Role, MobileLine>;
}

export interface RelayEnds {
  host: string;
  near: number;
  far: number;
}

export interface Push {
  role: Role;
  card: { name?: string | null; rating?: number | null; listing?: { title?: string | null } | null } | null;
}

const TIMEOUT_MS = 15_000;

async function ask<Answer>(what: string, body: object): Promise<Answer> {
  const answer = await fetch(`/demo/ask/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`${what}: ${answer.status.toString()}`);
  return (await answer.json()) as Answer;
}

export const show = (lang: Lang): Promise<Shown> => ask("show", { lang });
export const again = (lang: Lang): Promise<Shown> => ask("again", { lang });
export const credentials = (role: Role): Promise<Credentials> => ask("credentials", { role });
export const flip = (switches: Partial<Switches>): Promise<{ switches: Switches }> => ask("switch", switches);
export const records = (): Promise<Records> => ask("records", {});
export const seen = (until: string): Promise<Records> => ask("seen", { until });
export const relay = (): Promise<RelayEnds> => ask("relay", { host: location.hostname });

// The voice's line as sound; undefined where it cannot be spoken.
export async function voice(lang: Lang, role: Role, line: number): Promise<ArrayBuffer | undefined> {
  const answer = await fetch(`/demo/voices/${lang}/${role}/${line.toString()}`);
  return answer.ok ? answer.arrayBuffer() : undefined;
}

export interface FeedEvents {
  push(push: Push): void;
  refused(push: Push): void;
  event(): void;
  elsewhere(): void;
  open(): void;
  lost(): void;
}

// What the backend hears of Maskline, as it hears it. The browser connects again by itself.
export class Feed {
  private source: EventSource | undefined;

  start(events: FeedEvents): void {
    this.stop();
    const source = new EventSource("/demo/feed");
    this.source = source;
    source.onopen = () => { events.open(); };
    source.onerror = () => { events.lost(); };
    source.addEventListener("push", (event) => { events.push(JSON.parse(event.data as string) as Push); });
    source.addEventListener("push_refused", (event) => { events.refused(JSON.parse(event.data as string) as Push); });
    source.addEventListener("event", () => { events.event(); });
    source.addEventListener("elsewhere", () => {
      this.stop();
      events.elsewhere();
    });
  }

  stop(): void {
    this.source?.close();
    this.source = undefined;
  }
}

export function cardOf(push: Push): Card {
  return { name: push.card?.name ?? "", rating: push.card?.rating ?? null, listing: push.card?.listing?.title ?? null };
}
