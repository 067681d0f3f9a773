/** The lines of the board's tiles, drawn by uPlot over the ones that the server drew. */
import uPlot from "uplot";

export interface Line {
  step: number; // seconds
  values: (number | null)[];
}

/** Where a line's scale begins and ends; null: where its values do. */
const RANGES: Record<string, [number, number | null]> = {
  calls: [0, null],
  setups: [0, null],
  asr: [0, 100],
  mos: [1, 4.5],
};
const HEIGHT = 40;

export class Spark {
  #plot: uPlot | null = null;

  constructor(
    readonly place: HTMLElement,
    readonly name: string,
  ) {}

  show(first: number, line: Line): void {
    const times = line.values.map((_, n) => first + n * line.step);
    const data: uPlot.AlignedData = [times, line.values];
    if (this.#plot === null) {
      this.place.replaceChildren();
      this.#plot = new uPlot(this.#options(), data, this.place);
      new ResizeObserver(() => this.#plot?.setSize({ width: this.place.clientWidth, height: HEIGHT })).observe(
        this.place,
      );
    } else {
      this.#plot.setData(data);
    }
  }

  #options(): uPlot.Options {
    const [low, high] = RANGES[this.name] ?? [0, null];
    return {
      width: this.place.clientWidth,
      height: HEIGHT,
      padding: [3, 3, 3, 3],
      cursor: { show: false },
      legend: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: {
        x: { time: false },
        y: { range: (_plot, _least, most) => [low, high ?? Math.max(most, low + 1)] },
      },
      series: [
        {},
        {
          stroke: () => getComputedStyle(this.place).color,
          width: 1.5,
          // A line needs two values; one that stands alone is a point.
          points: { show: (plot) => Array.from(plot.data[1] ?? []).filter((one) => typeof one === "number").length === 1, size: 4 },
        },
      ],
    };
  }
}
