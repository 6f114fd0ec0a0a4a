import { AggregatorRegistry, collectDefaultMetrics, Registry } from 'prom-client';

/**
 * All threads in one Prometheus scrape. A thread keeps plain counters and hands over a snapshot when asked; here snapshots
 * become metric families in prom-client's own JSON form, which its aggregator adds up over threads.
 */

export type Labels = Readonly<Record<string, string | number>>;

/** A metric's name, type and meaning; its values come later. */
export interface MetricDefinition {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
}

export interface MetricValue {
  labels: Labels;
  value: number;
  /** `…_bucket`, `…_sum` and `…_count` of a histogram; absent elsewhere. */
  metricName?: string;
}

/** What prom-client calls a metric object. Values of several threads with equal labels are added up. */
export interface MetricFamily extends MetricDefinition {
  aggregator: 'sum';
  values: MetricValue[];
}

/** Times of many events. `buckets[i]` counts those in (bound i−1, bound i], not cumulative, one element more than bounds. */
export interface DurationCounts {
  sumMs: number;
  buckets: readonly number[];
}

/** Gathers values into families, one family a definition, in order of first use. */
export class MetricFamilies {
  private readonly byName = new Map<string, MetricFamily>();

  /** A value of a counter or gauge. Not finite means not known: it is left out. */
  add(definition: MetricDefinition, labels: Labels, value: number): void {
    const { values } = this.family(definition);
    if (Number.isFinite(value)) values.push({ labels, value });
  }

  /** A histogram in seconds from counts in milliseconds; `boundsMs` ascending, inclusive. */
  addDurations(definition: MetricDefinition, labels: Labels, boundsMs: readonly number[], counts: DurationCounts): void {
    const { name, values } = this.family(definition);
    let cumulative = 0;
    for (const [at, count] of counts.buckets.entries()) {
      cumulative += count;
      const le = at < boundsMs.length ? `${boundsMs[at] / 1_000}` : '+Inf';
      values.push({ labels: { ...labels, le }, value: cumulative, metricName: `${name}_bucket` });
    }
    values.push({ labels, value: counts.sumMs / 1_000, metricName: `${name}_sum` });
    values.push({ labels, value: cumulative, metricName: `${name}_count` });
  }

  /** The families so far, owned by the caller. */
  list(): MetricFamily[] {
    return [...this.byName.values()];
  }

  private family(definition: MetricDefinition): MetricFamily {
    let family = this.byName.get(definition.name);
    if (family === undefined) {
      family = { ...definition, aggregator: 'sum', values: [] };
      this.byName.set(definition.name, family);
    }
    return family;
  }
}

interface ThreadReport {
  epoch: number;
  families: readonly MetricFamily[];
}

/**
 * The newest report of each thread, and what threads that are gone had counted: a counter that fell because a worker was
 * restarted would look like a reset of the sum, and every rate would jump by the other threads' totals.
 */
export class ThreadMetrics {
  private readonly reports = new Map<string, ThreadReport>();
  /** Final counts of past incarnations, by family and labels; as many as there are label sets. */
  private readonly retired = new Map<string, MetricFamily>();

  /** Replaces the thread's report. A higher `epoch` means that the thread was restarted; a report of an older one is ignored. */
  report(thread: string, epoch: number, families: readonly MetricFamily[]): void {
    const last = this.reports.get(thread);
    if (last !== undefined && epoch < last.epoch) return;
    if (last !== undefined && epoch > last.epoch) this.retire(last.families);
    this.reports.set(thread, { epoch, families });
  }

  /** The thread is gone and may not come back: its gauges vanish, its counts stay. */
  drop(thread: string): void {
    const last = this.reports.get(thread);
    if (last === undefined) return;
    this.reports.delete(thread);
    this.retire(last.families);
  }

  /** Everything as Prometheus text; `more` holds families of nobody's thread (the process). */
  async render(more: readonly MetricFamily[] = []): Promise<{ contentType: string; text: string }> {
    const lists = [...this.reports.values()].map((report) => report.families);
    const registry = AggregatorRegistry.aggregate([...lists, [...this.retired.values()], more]);
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  private retire(families: readonly MetricFamily[]): void {
    for (const family of families) {
      if (family.type === 'gauge') continue;
      let kept = this.retired.get(family.name);
      if (kept === undefined) {
        kept = { ...family, values: [] };
        this.retired.set(family.name, kept);
      }
      for (const value of family.values) {
        const same = kept.values.find((one) => one.metricName === value.metricName && sameLabels(one.labels, value.labels));
        if (same === undefined) kept.values.push({ ...value });
        else same.value += value.value;
      }
    }
  }
}

function sameLabels(a: Labels, b: Labels): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** CPU, memory, garbage collection, handles of the whole process under prom-client's usual names. Call it once, on the main thread. */
export function startProcessMetrics(): { families(): Promise<MetricFamily[]> } {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    async families() {
      const families = (await registry.getMetricsAsJSON()) as unknown as MetricDefinition[];
      // It would leave some out of a sum over processes, such as when the process started; here is one process.
      return families.map((family) => ({ ...family, aggregator: 'sum' }) as MetricFamily);
    },
  };
}
