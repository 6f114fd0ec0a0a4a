import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AskShard } from '../../src/engine/ask-shard.ts';
import { EnergyLink } from '../../src/engine/energy-link.ts';
import { spanEnergy } from '../../src/engine/span-energy.ts';
import { ConsumerRanking } from '../../src/engine/top-consumers.ts';
import { QUARTER_MS } from '../../src/model/energy.ts';
import type { QuarterSpan } from '../../src/model/queries.ts';
import { ShardFleet } from '../support/shard-fleet.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

/** Energy of spans and rankings, of a real fleet, against quarter-hours added up one by one. */

const FIRST = LIFE_START_MS / QUARTER_MS;
const QUARTERS = 16;
const METERS = 40;
const NOBODY = 'nobody';

let fleet: ShardFleet;
let link: EnergyLink;
/** Regions of meters, as readings name them. */
let regionOf: Map<string, string>;

beforeAll(async () => {
  fleet = new ShardFleet({ startMs: LIFE_START_MS, shards: 3, partitionCount: 8, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, intervalMs: 100, pagesPerStepMax: 128, journalKeepBytesMax: 1e9 });
  await fleet.start();
  for (let quarter = 0; quarter < QUARTERS; quarter++) {
    const sending = Array.from({ length: METERS }, (_, meter) => meter).filter((meter) => (meter * 5 + quarter) % 7 !== 0);
    await fleet.send(
      sending.map((meter) => {
        const powerKw = ((meter * 7 + quarter * 13) % 50) / 10 - 0.5;
        return readingOf(meter, LIFE_START_MS + quarter * QUARTER_MS + 60_000, { powerKw, energyKwh: meter % 3 === 0 ? undefined : powerKw / 4, isError: false, regionShift: 0 });
      }),
    );
    fleet.jumpClock(QUARTER_MS);
    await fleet.advance(1_500);
  }
  fleet.jumpClock(QUARTER_MS);
  await fleet.advance(3_000);
  const ask: AskShard = async (shard, query) => fleet.actors[shard].ask(query) as never;
  link = new EnergyLink({ partitionCount: 8, shardCount: 3 }, ask);
  regionOf = new Map((await link.meters(null, 1_000)).meters.map(({ meterId, region }) => [meterId, region]));
}, 60_000);

async function naive(meterId: string, { from, to }: QuarterSpan) {
  const quarters = (await link.quarters(meterId, from, to))!;
  const sum = (of: (microKwh: number) => number) => quarters.reduce((total, { microKwh }) => total + of(microKwh), 0);
  const count = (name: string) => quarters.filter(({ quality }) => quality === name).length;
  return {
    importMicroKwh: sum((net) => Math.max(0, net)),
    exportMicroKwh: sum((net) => Math.max(0, -net)),
    quality: { measured: count('measured'), estimated: count('estimated'), missing: count('missing') },
  };
}

describe('the energy of spans', () => {
  it('is that of their quarter-hours, for any spans', async () => {
    const span = fc.tuple(fc.integer({ min: -6, max: QUARTERS + 6 }), fc.integer({ min: 0, max: 10 })).map(([from, length]) => ({ from: FIRST + from, to: FIRST + from + length }));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: METERS - 1 }), fc.array(span, { maxLength: 8 }), async (meter, spans) => {
        const found = (await spanEnergy(link, `m${meter}`, spans))!;
        expect(found.length).toBe(spans.length);
        for (const [i, one] of spans.entries()) {
          expect(found[i]).toMatchObject(await naive(`m${meter}`, one));
          const { peakQuarter, peakMicroKw } = found[i];
          expect(peakQuarter === null).toBe(peakMicroKw === 0);
          if (peakQuarter !== null) expect(peakQuarter >= one.from && peakQuarter < one.to).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is asked for in parts when there are many, and of nobody is null', async () => {
    const spans = Array.from({ length: 450 }, (_, i) => ({ from: FIRST + (i % 12), to: FIRST + (i % 12) + 1 + (i % 3) }));
    const found = (await spanEnergy(link, 'm5', spans))!;
    for (const i of [0, 7, 199, 200, 399, 400, 449]) expect(found[i], String(i)).toMatchObject(await naive('m5', spans[i]));
    expect([await spanEnergy(link, NOBODY, spans), await spanEnergy(link, NOBODY, [])]).toEqual([null, null]);
    expect(await spanEnergy(link, 'm5', [])).toEqual([]);
  });
});

describe('a ranking', () => {
  const clock = { now: () => 0, monotonic: () => 0 };
  const span = { from: FIRST + 2, to: FIRST + 13 };

  it('is of all meters of the region that took anything, most first, for any limit', async () => {
    const ranking = new ConsumerRanking({ deadlineMs: 1_000 }, { energy: link, clock });
    for (const region of new Set(regionOf.values())) {
      const ids = [...regionOf].filter(([, of]) => of === region).map(([id]) => id);
      const all = await Promise.all(ids.map(async (meterId) => ({ meterId, ...(await spanEnergy(link, meterId, [span]))![0] })));
      for (const [order, of] of [['energy', 'importMicroKwh'], ['peak', 'peakMicroKw']] as const) {
        const sorted = all.filter((one) => one[of] > 0).sort((a, b) => b[of] - a[of] || (a.meterId < b.meterId ? -1 : 1));
        for (const limit of [1, 3, METERS]) expect(await ranking.of(region, { span, order, limit })).toEqual({ data: sorted.slice(0, limit), meters: ids.length });
      }
    }
    expect(await ranking.of('nowhere', { span, order: 'energy', limit: 5 })).toEqual({ data: [], meters: 0 });
  });

  it('goes through pages of meters, one after another', async () => {
    const pages = new ConsumerRanking({ deadlineMs: 1_000 }, { energy: { meters: (after) => link.meters(after, 7), determinants: (...asked) => link.determinants(...asked) }, clock });
    const whole = new ConsumerRanking({ deadlineMs: 1_000 }, { energy: link, clock });
    const query = { span, order: 'energy', limit: 6 } as const;
    for (const region of new Set(regionOf.values())) expect(await pages.of(region, query)).toEqual(await whole.of(region, query));
  });

  it('that is asked for again meanwhile is made once, more than two wait outside, and one ends at its deadline', async () => {
    let pages = 0;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const energy: Pick<EnergyLink, 'meters' | 'determinants'> = {
      meters: async () => {
        pages++;
        await held;
        return { meters: [], next: null };
      },
      determinants: () => Promise.reject(new Error('nobody to ask about')),
    };
    const ranking = new ConsumerRanking({ deadlineMs: 1_000 }, { energy, clock });
    const query = { span, order: 'energy', limit: 6 } as const;
    const running = [ranking.of('a', query), ranking.of('a', query), ranking.of('b', query)];
    await expect(ranking.of('c', query)).rejects.toMatchObject({ code: 'busy', retryable: true });
    release();
    expect(await Promise.all(running)).toHaveLength(3);
    expect(pages).toBe(2);
    expect(await ranking.of('c', query)).toEqual({ data: [], meters: 0 });
    let nowMs = 0;
    const late = new ConsumerRanking({ deadlineMs: 1_000 }, { energy: { ...energy, meters: async () => ((nowMs += 600), { meters: [], next: 'more' }) }, clock: { ...clock, monotonic: () => nowMs } });
    await expect(late.of('a', query)).rejects.toMatchObject({ code: 'deadline' });
  });
});
