import { METERS_PER_QUESTION_MAX, type EnergySource } from '../actors/tariffs/energy-source.ts';
import type { ConsumerOrder, SpanEnergy, TopConsumers, TopConsumersQuery } from '../model/queries.ts';
import type { Clock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { spanOf, spanPlan } from './span-energy.ts';

/** Rankings that are made at once: each has one question at a time with each shard, which answers it in its share of turns; more of them would make all of them late. */
const RANKINGS_MAX = 2;

type Consumer = SpanEnergy & { meterId: string };

/** Which meters of a region took the most. Goes through all meters in the order in which their energy lies on disk, a thousand at a time; the same question, put again meanwhile, is answered with the first. */
export class ConsumerRanking {
  private readonly options: { deadlineMs: number };
  private readonly modules: { energy: Pick<EnergySource, 'meters' | 'determinants'>; clock: Clock };
  /** By question. */
  private readonly underWay = new Map<string, Promise<TopConsumers>>();

  constructor(options: ConsumerRanking['options'], modules: ConsumerRanking['modules']) {
    this.options = options;
    this.modules = modules;
  }

  /** Rejects with `busy` (retryable) when as many are being made as may be, and with `deadline`. */
  of(region: string, query: TopConsumersQuery): Promise<TopConsumers> {
    const question = JSON.stringify([region, query.span.from, query.span.to, query.order, query.limit]);
    const same = this.underWay.get(question);
    if (same !== undefined) return same;
    if (this.underWay.size >= RANKINGS_MAX) return Promise.reject(new OperationalError('busy', `${RANKINGS_MAX} rankings of consumers are being made already`, { retryable: true }));
    const ranking = this.rank(region, query).finally(() => this.underWay.delete(question));
    this.underWay.set(question, ranking);
    return ranking;
  }

  private async rank(region: string, { span, order, limit }: TopConsumersQuery): Promise<TopConsumers> {
    const { energy, clock } = this.modules;
    const plans = [spanPlan(span)];
    const until = clock.monotonic() + this.options.deadlineMs;
    let best: Consumer[] = [];
    let meters = 0;
    for (let after: string | null = null; ; ) {
      if (clock.monotonic() > until) throw new OperationalError('deadline', `the ${meters} meters looked at so far took longer than ${this.options.deadlineMs} ms; ask for a shorter time`, { retryable: true });
      const page: Awaited<ReturnType<EnergySource['meters']>> = await energy.meters(after, METERS_PER_QUESTION_MAX);
      const ids = page.meters.filter((meter) => meter.region === region).map(({ meterId }) => meterId);
      meters += ids.length;
      const found = ids.length === 0 ? [] : await energy.determinants(ids, new Uint8Array(ids.length), plans);
      const consumers = ids.flatMap((meterId, i) => {
        const one = found.at(i) ?? null;
        return one === null ? [] : [{ meterId, ...spanOf(one) }];
      }).filter((one) => amount(one, order) > 0);
      best = [...best, ...consumers].sort((a, b) => amount(b, order) - amount(a, order) || (a.meterId < b.meterId ? -1 : 1)).slice(0, limit);
      after = page.next;
      if (after === null) return { data: best, meters };
    }
  }
}

function amount({ importMicroKwh, peakMicroKw }: SpanEnergy, order: ConsumerOrder): number {
  return order === 'energy' ? importMicroKwh : peakMicroKw;
}
