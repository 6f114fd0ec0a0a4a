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

/** Steps of checkpoints since an engine started: how many, how many held a shard for more than 10 ms by the clock, and the longest, ms. */
export interface CheckpointSteps {
  count: number;
  over10Ms: number;
  maxMs: number;
}

export function checkpointStepsOf(page: MetricsPage): CheckpointSteps {
  const count = page.sum('seg_checkpoint_step_seconds_count');
  return { count, over10Ms: count - page.sum('seg_checkpoint_step_seconds_bucket', { le: '0.01' }), maxMs: page.max('seg_checkpoint_step_max_seconds') * 1_000 };
}

export function checkpointStepsText({ count, over10Ms, maxMs }: CheckpointSteps): string {
  return `checkpoints: ${count.toLocaleString('en-US')} steps, ${over10Ms.toLocaleString('en-US')} of them held the shard for more than 10 ms, the longest ${maxMs.toFixed(1)} ms`;
}
