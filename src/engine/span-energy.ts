import type { EnergySource } from '../actors/tariffs/energy-source.ts';
import type { Determinants, MeteringPlan } from '../model/energy.ts';
import type { QuarterSpan, SpanEnergy } from '../model/queries.ts';

/** Plans of one question: what the byte can name that says which of them counts. */
const PLANS_PER_QUESTION_MAX = 200;

/** A plan that adds all of a span up. */
export function spanPlan({ from, to }: QuarterSpan): MeteringPlan {
  const buckets = new Uint8Array(to - from);
  return { firstQuarter: from, energyBuckets: buckets, energyBucketCount: 1, demandBuckets: buckets, demandBucketCount: 1, demandQuarters: 1, splits: [], moments: [], dayStarts: [] };
}

export function spanOf({ importMicroKwh: [importMicroKwh], exportMicroKwh: [exportMicroKwh], peakMicroKw: [peakMicroKw], peakQuarter: [peakQuarter], quality }: Determinants): SpanEnergy {
  return { importMicroKwh, exportMicroKwh, peakMicroKw, peakQuarter: peakQuarter < 0 ? null : peakQuarter, quality };
}

/** Of each span, in their order; null: no such meter. A span is a plan, so that the shard adds them up one by one, each in its share of a turn. */
export async function spanEnergy(source: Pick<EnergySource, 'determinants' | 'place'>, meterId: string, spans: readonly QuarterSpan[]): Promise<SpanEnergy[] | null> {
  const asked = spans.filter(({ from, to }) => from < to);
  const found: SpanEnergy[] = [];
  for (let at = 0; at < asked.length; at += PLANS_PER_QUESTION_MAX) {
    const plans = asked.slice(at, at + PLANS_PER_QUESTION_MAX).map(spanPlan);
    const determinants = await source.determinants(plans.map(() => meterId), Uint8Array.from(plans, (_, plan) => plan), plans);
    for (let i = 0; i < plans.length; i++) {
      const one = determinants.at(i) ?? null;
      if (one === null) return null;
      found.push(spanOf(one));
    }
  }
  if (asked.length === 0 && (await source.place(meterId)) === null) return null;
  let next = 0;
  return spans.map(({ from, to }) => (from < to ? found[next++] : NOTHING));
}

const NOTHING: SpanEnergy = { importMicroKwh: 0, exportMicroKwh: 0, peakMicroKw: 0, peakQuarter: null, quality: { measured: 0, estimated: 0, missing: 0 } };
