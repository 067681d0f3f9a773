/** Microphone and loudspeaker of a call. Holds nothing open between calls. */

import { SoftphoneError } from "./errors.js";

export interface AudioChoice {
  /** Of the microphone; undefined: the browser's own choice, with its clean-up of the sound. */
  readonly microphone?: MediaTrackConstraints | undefined;
  /** `deviceId` of the loudspeaker, where the browser can choose one. */
  readonly speaker?: string | undefined;
  /** Plays what is heard; undefined: one of our own for each call. */
  readonly element?: HTMLAudioElement | undefined;
}

/** Opens the microphone. Throws SoftphoneError `microphone`. */
export async function openMicrophone(wanted: MediaTrackConstraints | undefined): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: wanted ?? true, video: false });
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : "";
    const why = name === "NotAllowedError" ? "the microphone is not allowed" : "no microphone can be opened";
    throw new SoftphoneError("microphone", why, { cause });
  }
}

export function closeStream(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Microphones and loudspeakers; their names are empty until the microphone was allowed once. */
export async function devices(): Promise<{ microphones: MediaDeviceInfo[]; speakers: MediaDeviceInfo[] }> {
  const all = await navigator.mediaDevices.enumerateDevices();
  return {
    microphones: all.filter((one) => one.kind === "audioinput"),
    speakers: all.filter((one) => one.kind === "audiooutput"),
  };
}

/** Plays one call's sound. */
export class Speaker {
  readonly #element: HTMLAudioElement;

  constructor(private readonly choice: AudioChoice) {
    this.#element = choice.element ?? new Audio();
    this.#element.autoplay = true;
  }

  async play(stream: MediaStream): Promise<void> {
    this.#element.srcObject = stream;
    if (this.choice.speaker !== undefined) await this.use(this.choice.speaker);
    // Refused only where nobody has touched the page; it begins to play at the first touch.
    await this.#element.play().catch(() => undefined);
  }

  /** Another loudspeaker. Does nothing where the browser cannot choose. */
  async use(deviceId: string): Promise<void> {
    if ("setSinkId" in this.#element) await this.#element.setSinkId(deviceId).catch(() => undefined);
  }

  stop(): void {
    this.#element.pause();
    this.#element.srcObject = null;
  }
}
