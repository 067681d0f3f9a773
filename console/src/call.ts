/**
 * A call's page: the waveform follows the sound and is clicked into, one side can be heard alone, the
 * text for a ticket is copied. What is swapped in later works at once: all is listened for above it.
 */

/** What each side's sound goes through, once somebody wanted to hear one alone. */
interface Mix {
  readonly caller: GainNode;
  readonly callee: GainNode;
}

const mixes = new WeakMap<HTMLMediaElement, Mix>();

function player(within: EventTarget | null): HTMLElement | null {
  return within instanceof Element ? within.closest<HTMLElement>("[data-player]") : null;
}

function follow(event: Event): void {
  const audio = event.target;
  const around = player(audio);
  if (around === null || !(audio instanceof HTMLAudioElement) || !Number.isFinite(audio.duration)) return;
  around.dataset["ready"] = "";
  around.querySelector("fieldset")?.removeAttribute("hidden");
  for (const wave of around.querySelectorAll<SVGElement>("[data-wave]")) {
    const x = String((audio.currentTime / audio.duration) * Number(wave.dataset["wave"]));
    const line = wave.querySelector("line");
    line?.setAttribute("x1", x);
    line?.setAttribute("x2", x);
  }
}

for (const name of ["loadedmetadata", "timeupdate", "seeking"]) {
  document.addEventListener(name, follow, true); // media events do not bubble
}

document.addEventListener("click", (event) => {
  const wave = event.target instanceof Element ? event.target.closest<SVGElement>("[data-wave]") : null;
  const audio = player(wave)?.querySelector("audio");
  if (wave === null || !audio || !Number.isFinite(audio.duration)) return;
  const place = wave.getBoundingClientRect();
  audio.currentTime = ((event.clientX - place.left) / place.width) * audio.duration;
});

/** Left is the caller, right the callee; each goes to both ears once it is mixed. */
function mixed(audio: HTMLMediaElement): Mix {
  const known = mixes.get(audio);
  if (known !== undefined) return known;
  const context = new AudioContext();
  const sides = context.createChannelSplitter(2);
  const mix = { caller: context.createGain(), callee: context.createGain() };
  context.createMediaElementSource(audio).connect(sides);
  sides.connect(mix.caller, 0).connect(context.destination);
  sides.connect(mix.callee, 1).connect(context.destination);
  audio.addEventListener("play", () => void context.resume());
  void context.resume();
  mixes.set(audio, mix);
  return mix;
}

document.addEventListener("change", (event) => {
  const choice = event.target;
  const audio = player(choice)?.querySelector("audio");
  if (!(choice instanceof HTMLInputElement) || choice.name !== "hear" || !audio) return;
  const mix = mixed(audio);
  mix.caller.gain.value = choice.value === "callee" ? 0 : 1;
  mix.callee.gain.value = choice.value === "caller" ? 0 : 1;
});

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const text = document.getElementById(button.dataset["copies"] ?? "");
    if (text instanceof HTMLTextAreaElement) void copy(text, button);
  });
}

async function copy(text: HTMLTextAreaElement, button: HTMLButtonElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text.value);
  } catch {
    text.select(); // no permission, or no https: the browser's own copying is at hand
    return;
  }
  button.textContent = button.dataset["copied"] ?? button.textContent;
}
