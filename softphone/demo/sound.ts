// Everything one hears: the two voices, the visitor's microphone, ringing, and how loud it is at
// each phone. All that is sent comes from here as a MediaStream for each person.

import { voice } from "./backend";
import type { Lang, Role } from "./model";

const LINES = 3;
const MICROPHONE_TURN_S = 4;
const AUDIBLE = 0.02;

export class Sound {
  private readonly context = new AudioContext();
  private readonly mouths: Record<Role, MediaStreamAudioDestinationNode>;
  private readonly bells: GainNode;
  private readonly lines = new Map<string, Promise<AudioBuffer | undefined>>();
  private readonly ears = new Map<string, { source: MediaStreamAudioSourceNode; meter: AnalyserNode }>();
  private microphone: { stream: MediaStream; node: MediaStreamAudioSourceNode; role: Role } | undefined;
  private talk = 0; // the running dialogue's number
  private bell: ReturnType<typeof setInterval> | undefined;

  constructor() {
    this.mouths = {
      buyer: this.context.createMediaStreamDestination(), seller: this.context.createMediaStreamDestination(),
    };
    // Chromium sends no packet of a node that nothing feeds: a hum far below hearing keeps it going.
    const hum = new OscillatorNode(this.context, { frequency: 50 });
    for (const mouth of Object.values(this.mouths))
      hum.connect(new GainNode(this.context, { gain: 1e-4 })).connect(mouth);
    hum.start();
    this.bells = this.context.createGain();
    this.bells.gain.value = 0.12;
    this.bells.connect(this.context.destination);
  }

  // Browsers let sound begin at a touch only.
  wake(): void {
    if (this.context.state === "suspended") void this.context.resume();
  }

  // What `role` says, as a stream of its own for one call.
  mouth(role: Role): MediaStream {
    return this.mouths[role].stream.clone();
  }

  // -- the voices ------------------------------------------------------------------------------

  // They talk, in turns, until `hush`.
  async converse(lang: Lang): Promise<void> {
    const mine = ++this.talk;
    for (let turn = 0; this.talk === mine; turn = (turn + 1) % (2 * LINES)) {
      const role: Role = turn % 2 === 0 ? "buyer" : "seller";
      if (turn === 0) await this.pause(0.7);
      if (this.microphone?.role === role) {
        await this.pause(MICROPHONE_TURN_S);
        continue;
      }
      const line = await this.line(lang, role, Math.floor(turn / 2));
      if (this.talk !== mine) return;
      await this.pause(this.say(role, line) + (turn === 2 * LINES - 1 ? 1.6 : 0.45));
    }
  }

  hush(): void {
    this.talk += 1;
  }

  private say(role: Role, line: AudioBuffer | undefined): number {
    if (line === undefined) return this.hum(role);
    const source = new AudioBufferSourceNode(this.context, { buffer: line });
    source.connect(this.mouths[role]);
    source.start();
    return line.duration;
  }

  // Notes in place of a voice that could not be made.
  private hum(role: Role): number {
    const notes = role === "buyer" ? [523, 659, 784] : [392, 330, 294];
    notes.forEach((hz, n) => { this.note(hz, this.context.currentTime + n * 0.35, 0.33, this.mouths[role], 0.5); });
    return notes.length * 0.35;
  }

  private line(lang: Lang, role: Role, number: number): Promise<AudioBuffer | undefined> {
    const key = `${lang}/${role}/${number.toString()}`;
    const known = this.lines.get(key) ?? voice(lang, role, number)
      .then((bytes) => (bytes === undefined ? undefined : this.context.decodeAudioData(bytes)))
      .catch(() => undefined);
    this.lines.set(key, known);
    return known;
  }

  // Fetches all lines before they are needed.
  warm(lang: Lang): void {
    for (let n = 0; n < LINES; n += 1) for (const role of ["buyer", "seller"] as const) void this.line(lang, role, n);
  }

  private pause(length_s: number): Promise<void> {
    return new Promise((resolve) => { setTimeout(resolve, length_s * 1000); });
  }

  // -- the visitor -----------------------------------------------------------------------------

  // Puts the visitor's microphone into the mouth of `role`. Rejects where there is none.
  async speakAs(role: Role): Promise<void> {
    const stream = this.microphone?.stream ?? (await navigator.mediaDevices.getUserMedia({ audio: true }));
    this.microphone?.node.disconnect();
    const node = this.context.createMediaStreamSource(stream);
    node.connect(this.mouths[role]);
    this.microphone = { stream, node, role };
  }

  silenceMicrophone(): void {
    this.microphone?.node.disconnect();
    for (const track of this.microphone?.stream.getTracks() ?? []) track.stop();
    this.microphone = undefined;
  }

  // -- what arrives at a phone -----------------------------------------------------------------

  hear(phone: string, stream: MediaStream): void {
    this.deafen(phone);
    const source = this.context.createMediaStreamSource(stream);
    const meter = new AnalyserNode(this.context, { fftSize: 1024, smoothingTimeConstant: 0.3 });
    source.connect(meter);
    this.ears.set(phone, { source, meter });
  }

  deafen(phone: string): void {
    this.ears.get(phone)?.source.disconnect();
    this.ears.delete(phone);
  }

  // How loud it is at each phone now, 0 to 1.
  levels(): Map<string, number> {
    const found = new Map<string, number>();
    const samples = new Float32Array(1024);
    for (const [phone, { meter }] of this.ears) {
      meter.getFloatTimeDomainData(samples);
      let power = 0;
      for (const one of samples) power += one * one;
      const rms = Math.sqrt(power / samples.length);
      found.set(phone, rms < AUDIBLE / 4 ? 0 : Math.min(1, rms * 5));
    }
    return found;
  }

  // -- bells -----------------------------------------------------------------------------------

  ring(what: "app" | "mobile" | "back" | null): void {
    clearInterval(this.bell);
    if (what === null) return;
    const once = { app: () => { this.chime(); }, mobile: () => { this.trill(); }, back: () => { this.ringback(); } }[what];
    once();
    this.bell = setInterval(once, { app: 2400, mobile: 3000, back: 4000 }[what]);
  }

  private chime(): void {
    [659, 784, 988, 784].forEach((hz, n) => { this.note(hz, this.context.currentTime + n * 0.16, 0.4, this.bells, 1); });
  }

  private trill(): void {
    for (let n = 0; n < 12; n += 1) this.note(n % 2 ? 1320 : 1050, this.context.currentTime + n * 0.07, 0.06, this.bells, 0.7);
  }

  // 425 Hz, as in Russia.
  private ringback(): void {
    this.note(425, this.context.currentTime, 1, this.bells, 0.5, false);
  }

  private note(hz: number, at_s: number, length_s: number, into: AudioNode, loud: number, fades = true): void {
    const tone = new OscillatorNode(this.context, { frequency: hz, type: "sine" });
    const gain = new GainNode(this.context, { gain: 0 });
    gain.gain.setValueAtTime(0, at_s);
    gain.gain.linearRampToValueAtTime(loud, at_s + 0.015);
    if (fades) gain.gain.exponentialRampToValueAtTime(0.001, at_s + length_s);
    else gain.gain.setValueAtTime(0, at_s + length_s);
    tone.connect(gain).connect(into);
    tone.start(at_s);
    tone.stop(at_s + length_s + 0.02);
  }

}
