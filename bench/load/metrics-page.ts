/** An engine's /metrics as a table of samples. */

export interface MetricSample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{([^}]*)\})? (\S+)$/gm;
const LABEL = /(\w+)="([^"]*)"/g;

export class MetricsPage {
  private readonly byName = new Map<string, MetricSample[]>();

  /** `text` is Prometheus text whose label values hold neither quotes nor braces, as the engine's do. */
  constructor(text: string) {
    for (const [, name, labelText, value] of text.matchAll(LINE)) {
      const labels = Object.fromEntries([...(labelText ?? '').matchAll(LABEL)].map(([, label, of]) => [label, of]));
      const samples = this.byName.get(name);
      if (samples === undefined) this.byName.set(name, [{ name, labels, value: Number(value) }]);
      else samples.push({ name, labels, value: Number(value) });
    }
  }

  /** Empty when there are none: a metric without a value is left out by the engine. */
  of(name: string, labels: Readonly<Record<string, string>> = {}): readonly MetricSample[] {
    return (this.byName.get(name) ?? []).filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value));
  }

  /** NaN when there is no such sample. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const samples = this.of(name, labels);
    return samples.length === 0 ? NaN : samples.reduce((total, { value }) => total + value, 0);
  }

  /** NaN when there is no such sample. */
  max(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const samples = this.of(name, labels);
    return samples.length === 0 ? NaN : Math.max(...samples.map(({ value }) => value));
  }
}
