/** In the place of uPlot, which needs a canvas: what it was given to draw. Given to `vi.mock('uplot', …)`. */

export interface Drawn {
  options: {
    scales: { x: { range: () => [number, number] }; y: { range: (plot: null, low: number | null, high: number | null) => [number, number] } };
    axes: { values: (plot: null, ticks: number[]) => string[] }[];
    series: { stroke?: string; dash?: number[]; fill?: string }[];
    bands?: { series: [number, number]; fill: string }[];
    hooks: { setCursor: ((plot: { cursor: { idx: number | null } }) => void)[] };
  };
  /** Seconds, then the values of each series. */
  data: (number | null)[][];
}

/** Of those on the page, in the order in which they came. */
export const drawn: Drawn[] = [];

export default class SmallChart implements Drawn {
  readonly options: Drawn['options'];
  data: Drawn['data'];
  constructor(options: Drawn['options'], data: Drawn['data']) {
    this.options = options;
    this.data = data;
    drawn.push(this);
  }
  setData(data: Drawn['data']): void {
    this.data = data;
  }
  setSize(): void {}
  destroy(): void {
    drawn.splice(drawn.indexOf(this), 1);
  }
}

/** The values of the series of a colour. */
export function valuesOf({ options, data }: Drawn, color: string): (number | null)[] {
  return data[options.series.findIndex(({ stroke }) => stroke === color)];
}
