// What is to be heard in a state: which bell, whether the two talk, whose phones the visitor hears.

import { phones, ROLES, type State } from "./model";
import type { Sound } from "./sound";
import { rings, talks } from "./story";

type Bell = "app" | "mobile" | "back" | null;

export class Audible {
  private bell: Bell = null;
  private talking = false;

  constructor(
    private readonly audio: Sound,
    private readonly elements: Readonly<Record<string, HTMLAudioElement>>,
  ) {}

  follow(state: State): void {
    const bell = wanted(state);
    if (bell !== this.bell) {
      this.bell = bell;
      this.audio.ring(bell);
    }
    const talking = talks(state);
    if (talking !== this.talking) {
      this.talking = talking;
      if (talking) void this.audio.converse(state.lang);
      else this.audio.hush();
    }
    for (const [key, element] of Object.entries(this.elements))
      element.muted = !state.sound || !key.endsWith(state.listening);
  }
}

function wanted(state: State): Bell {
  if (!state.sound) return null;
  for (const kind of ["app", "mobile"] as const) if (ROLES.some((role) => rings(state, kind, role))) return kind;
  const waits = (["app", "mobile"] as const).some((kind) => phones(state, kind)[state.listening].call?.phase === "ringing");
  return waits ? "back" : null;
}
