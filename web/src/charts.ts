// Two small line charts in the page's colours.

import uPlot from "uplot";

export interface SeriesLooks {
  label: string;
  /** A custom property. */
  colour: string;
  fill?: boolean;
  points?: boolean;
}

export interface ChartLooks {
  series: SeriesLooks[];
  /** Words for a value of the y axis. */
  format: (value: number) => string;
  /** Whether x is seconds before now, or a running number. */
  x: "time" | "count";
  /** Steps between the lines of the y axis. */
  steps?: number[];
}

/** A chart that follows its box and the colour scheme. */
export class Chart {
  readonly #box: HTMLElement;
  readonly #looks: ChartLooks;
  #plot: uPlot | undefined;
  #data: uPlot.AlignedData;

  constructor(box: HTMLElement, looks: ChartLooks) {
    this.#box = box;
    this.#looks = looks;
    this.#data = [[], ...looks.series.map(() => [])];
    new ResizeObserver(() => this.#fit()).observe(box);
    // A canvas does not follow custom properties by itself.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  set data(data: (number | null)[][]) {
    this.#data = data as uPlot.AlignedData;
    if (this.#plot) this.#plot.setData(this.#data);
    else this.#draw();
  }

  #size(): { width: number; height: number } {
    return { width: this.#box.clientWidth, height: this.#box.clientHeight };
  }

  #fit(): void {
    if (this.#plot) this.#plot.setSize(this.#size());
    else this.#draw();
  }

  #draw(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    const size = this.#size();
    if (size.width === 0 || size.height === 0) return;
    this.#plot = new uPlot(this.#options(size), this.#data, this.#box);
  }

  #options(size: { width: number; height: number }): uPlot.Options {
    const style = getComputedStyle(this.#box);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const font = `11px ${colour("--sans")}`;
    const axis = { stroke: colour("--muted"), font, ticks: { show: false } };
    const { series, format, x, steps } = this.#looks;
    return {
      ...size,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 16, 0, 0],
      scales: {
        x: {
          time: false,
          // A few samples take a part of the width, not all of it.
          range: (_plot, min, max) =>
            x === "time"
              ? [Math.min(min ?? 0, -30), 0]
              : [min ?? 1, Math.max(max ?? 1, (min ?? 1) + 9)],
        },
        y: { range: (_plot, _min, max) => [0, Math.max(max || 0, 1) * 1.1] },
      },
      axes: [
        {
          ...axis,
          size: 22,
          space: 60,
          grid: { show: false },
          values: (_plot, values) =>
            values.map((value) =>
              x === "time"
                ? value === 0
                  ? "now"
                  : `${value} s`
                : Number.isInteger(value)
                  ? `${value}`
                  : "",
            ),
        },
        {
          ...axis,
          size: 48,
          space: 24,
          grid: { stroke: colour("--line"), width: 1 },
          ...(steps ? { incrs: steps } : {}),
          values: (_plot, values) => values.map(format),
        },
      ],
      series: [
        {},
        ...series.map(({ label, colour: name, fill, points }) => ({
          label,
          stroke: colour(name),
          width: 1.8,
          ...(fill ? { fill: `${colour(name)}26` } : {}),
          points: { show: points ?? false, size: 5, fill: colour(name) },
        })),
      ],
    };
  }
}
