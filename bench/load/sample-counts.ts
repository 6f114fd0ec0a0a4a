import type { MeterCount } from './grid-check.ts';

/** Counts of sampled meters added up over the loads that one engine took, one after the other. */
export class SampleCounts {
  private counts: Map<string, number> | null = null;

  /** A sample of the same meters as those before it. A meter that is missing in it is in doubt from then on and left out for good. */
  add(sample: readonly MeterCount[]): void {
    const before = this.counts;
    const known = before === null ? sample : sample.filter(({ meterId }) => before.has(meterId));
    this.counts = new Map(known.map(({ meterId, readings }) => [meterId, readings + (before?.get(meterId) ?? 0)]));
  }

  list(): MeterCount[] {
    return [...(this.counts ?? [])].map(([meterId, readings]) => ({ meterId, readings }));
  }
}
