// What a visitor can do; the views know no more of the rest of the page.

import type { Kind, Lang, Role, Switches } from "./model";

export interface Acts {
  call(): void; // the listing's button
  callByPhone(): void; // the advice was taken
  callAnyway(): void; // or not
  seen(): void; // the seller has looked at the log
  callBack(): void; // from the seller's log
  answer(kind: Kind, role: Role): void;
  hangUp(kind: Kind, role: Role): void; // or declines
  mute(role: Role): void;
  toPhone(role: Role): void; // accepts or asks for the handover
  stay(role: Role): void;
  toggleApp(role: Role): void; // opens or closes it
  power(role: Role): void; // the mobile's
  press(role: Role, key: string): void;
  green(role: Role): void;
  red(role: Role): void;
  be(role: Role): void;
  speak(): void;
  sound(): void;
  language(lang: Lang): void;
  flip(name: keyof Switches): void;
  again(): void;
  useHere(): void;
}
