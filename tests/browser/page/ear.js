// Hears which of a few tones is there, in steps of STEP samples. Runs on the audio thread.
const STEP = 960; // 20 ms at 48 kHz

class Ear extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.tones = processorOptions.tones;
    this.block = new Float32Array(STEP);
    this.filled = 0;
  }

  process([input]) {
    const samples = input[0];
    const silent = samples === undefined;
    for (let n = 0; n < 128; n += 1) {
      this.block[this.filled] = silent ? 0 : samples[n];
      this.filled += 1;
      if (this.filled === STEP) {
        this.filled = 0;
        this.port.postMessage({ frame: currentFrame + n, hz: this.heard() });
      }
    }
    return true;
  }

  // The tone that makes up most of the block's energy; 0 for none.
  heard() {
    const energy = this.block.reduce((sum, one) => sum + one * one, 0);
    if (energy / STEP < 1e-5) return 0;
    for (const hz of this.tones) {
      const k = 2 * Math.cos((2 * Math.PI * hz) / sampleRate);
      let [a, b] = [0, 0];
      for (const one of this.block) [a, b] = [one + k * a - b, a];
      const power = (a * a + b * b - k * a * b) / (STEP / 2);
      if (power > 0.5 * energy) return hz;
    }
    return 0;
  }
}

registerProcessor("ear", Ear);
