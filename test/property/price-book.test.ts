import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PriceBook } from '../../src/actors/tariffs/price-book.ts';
import { priceRulesSchema } from '../../src/actors/tariffs/price-rules.ts';
import type { DynamicPrice, PriceOverride } from '../../src/model/billing.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';

/** Loads, overrides, time that passes and jumps, other rules, turns that are lost: the book has the prices that a list of everything that happened gives. */

const SEED = 20261127;
const M = 60_000;
const T = Date.parse('2026-11-27T10:00:00Z');
const REGIONS = ['north', 'south'];
/** Base price and step of publication in thousandths. */
const RULES = [
  { base: 200n, publishStep: 10n, digits: 2 },
  { base: 180n, publishStep: 10n, digits: 3 },
  { base: 100n, publishStep: 30n, digits: 3 },
];
const DOCUMENTS = RULES.map(({ base, publishStep, digits }) => priceRulesSchema.parse({ format: 'seg-prices/1', currency: 'EUR', basePrice: text(base), publishStep: text(publishStep), digits }));

const region = fc.constantFrom(...REGIONS);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('load' as const), region, minute: fc.integer({ min: 0, max: 40 }), loadPercent: fc.constantFrom(null, 0, 25, 26, 51, 76, 90, 91) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('make' as const), region, price: fc.constantFrom(0n, 150n, 200n, -5n), fromMinutes: fc.integer({ min: -5, max: 30 }), minutes: fc.integer({ min: -2, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), number: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), minutes: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 15 }) }, { weight: 1, arbitrary: fc.integer({ min: -20, max: -1 }) }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rules' as const), number: fc.integer({ min: 0, max: RULES.length - 1 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

/** Whole and thousandths. */
function text(thousandths: bigint, digits = 3): string {
  const magnitude = (thousandths < 0n ? -thousandths : thousandths).toString().padStart(4, '0');
  const shown = `${magnitude.slice(0, -3)}.${magnitude.slice(-3)}`;
  return (thousandths < 0n ? '-' : '') + (digits === 2 && shown.endsWith('0') ? shown.slice(0, -1) : shown);
}

interface Line {
  region: string;
  thousandths: bigint;
  override: string | null;
  since: number;
}

/** Keeps everything that was ever said, and looks through all of it. */
class NaivePrices {
  loads: { region: string; windowStart: number; loadPercent: number }[] = [];
  overrides: (Omit<PriceOverride, 'price'> & { price: bigint })[] = [];
  lines: Line[] = [];

  copy(): NaivePrices {
    return Object.assign(new NaivePrices(), structuredClone({ ...this }));
  }

  /** What is new by now. */
  look(rules: (typeof RULES)[number], nowMs: number): void {
    for (const name of REGIONS) {
      const current = this.lines.filter((line) => line.region === name).at(-1);
      const override = this.overrides.find((other) => other.region === name && other.endedAt === null && other.from <= nowMs && nowMs < other.until);
      const load = this.loads.filter((other) => other.region === name).at(-1)?.loadPercent ?? null;
      if (override === undefined && load === null && current === undefined) continue;
      const price = override?.price ?? byLoad(rules, load);
      const moved = current === undefined ? 0n : price - current.thousandths;
      const isNew = current === undefined || current.override !== (override?.id ?? null) || (override === undefined && (moved < 0n ? -moved : moved) >= rules.publishStep);
      if (isNew) this.lines.push({ region: name, thousandths: price, override: override?.id ?? null, since: Math.max(nowMs, current?.since ?? 0) });
    }
  }
}

function byLoad({ base, digits }: (typeof RULES)[number], load: number | null): bigint {
  const hundredths = load === null ? 100n : load > 90 ? 125n : load > 75 ? 110n : load > 50 ? 100n : load > 25 ? 90n : 80n;
  const step = digits === 2 ? 1_000n : 100n;
  return (((base * hundredths + step / 2n) / step) * step) / 100n;
}

test('the price book has what a list of everything that happened gives, over restarts and lost turns', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
      const store = new MemoryStore();
      let rules = 0;
      let nowMs = T;
      let naive = new NaivePrices();
      let durable = naive.copy();
      let book = new PriceBook(DOCUMENTS[rules], store);
      book.load(nowMs);
      for (const what of steps) {
        switch (what.do) {
          case 'load': {
            const { region: name, loadPercent } = what;
            const windowStart = T + what.minute * M;
            book.applyLoad([{ region: name, windowStart, loadPercent }], nowMs);
            naive.look(RULES[rules], nowMs);
            const known = naive.loads.filter((load) => load.region === name).at(-1);
            if (loadPercent !== null && (known === undefined || known.windowStart <= windowStart || known.windowStart > nowMs)) naive.loads.push({ region: name, windowStart, loadPercent });
            break;
          }
          case 'make': {
            const from = nowMs + what.fromMinutes * M;
            const until = from + what.minutes * M;
            naive.look(RULES[rules], nowMs);
            const begins = Math.max(from, nowMs);
            const isFree = !naive.overrides.some((other) => other.region === what.region && other.endedAt === null && nowMs < other.until && other.from < until && begins < other.until);
            const make = () => book.makeOverride({ region: what.region, price: text(what.price), from, until, by: 'Ada', reason: 'test' }, nowMs);
            if (until <= begins) expect(make).toThrow(expect.objectContaining({ code: 'bad_span' }));
            else if (!isFree) expect(make).toThrow(expect.objectContaining({ code: 'override_overlaps' }));
            else {
              const { id } = make();
              expect(id).toBe(`price-override-${naive.overrides.length + 1}`);
              naive.overrides.push({ id, region: what.region, price: what.price, from: begins, until, by: 'Ada', reason: 'test', endedAt: null, endedBy: null, endReason: null });
            }
            break;
          }
          case 'end': {
            naive.look(RULES[rules], nowMs);
            const known = naive.overrides[what.number - 1];
            const end = () => book.endOverride(`price-override-${what.number}`, 'Ben', 'enough', nowMs);
            if (known === undefined) expect(end).toThrow(expect.objectContaining({ code: 'unknown_override' }));
            else if (known.endedAt !== null || known.until <= nowMs) expect(end).toThrow(expect.objectContaining({ code: 'wrong_state' }));
            else {
              end();
              naive.overrides[what.number - 1] = { ...known, endedAt: nowMs, endedBy: 'Ben', endReason: 'enough' };
            }
            break;
          }
          case 'pass':
            nowMs += what.minutes * M;
            book.tick(nowMs);
            break;
          case 'rules':
            rules = what.number;
            book.setRules(DOCUMENTS[rules], nowMs);
            break;
          case 'commit':
            expect(book.flush().map(({ price }) => lineOf(price))).toEqual(sortedByRegion(naive.lines.slice(durable.lines.length)));
            await store.commit();
            durable = naive.copy();
            break;
          case 'restart':
            book = new PriceBook(DOCUMENTS[rules], store);
            book.load(nowMs);
            naive = durable.copy();
            break;
        }
        naive.look(RULES[rules], nowMs);
        expect(book.prices().map(lineOf)).toEqual(REGIONS.flatMap((name) => naive.lines.filter((line) => line.region === name).slice(-1)).map(shown));
        for (const name of REGIONS) expect(await historyOf(book, name)).toEqual(naive.lines.filter((line) => line.region === name).map(shown));
        expect(overridesOf(book)).toEqual(naive.overrides.toReversed().map((override) => ({ ...override, price: text(override.price) })));
      }
    }),
    { seed: SEED, numRuns: 1_000 },
  );

  /** What is published in one turn is told in some order; within a region that of time. */
  function sortedByRegion(lines: readonly Line[]): unknown {
    return expect.toSatisfy((told: ReturnType<typeof lineOf>[]) => {
      for (const name of REGIONS) expect(told.filter((line) => line.region === name)).toEqual(lines.filter((line) => line.region === name).map(shown));
      return told.length === lines.length;
    });
  }
});

function lineOf({ region: name, price, override, since }: DynamicPrice) {
  return { region: name, value: Number(price), override, since };
}

function shown({ region: name, thousandths, override, since }: Line): ReturnType<typeof lineOf> {
  return { region: name, value: Number(text(thousandths)), override, since };
}

async function historyOf(book: PriceBook, name: string): Promise<ReturnType<typeof lineOf>[]> {
  const lines: ReturnType<typeof lineOf>[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = book.history({ region: name, from: 0, to: T + 10_000 * M, limit: 3, cursor });
    lines.push(...page.data.map(lineOf));
    if ((cursor = page.nextCursor) === null) return lines;
  }
}

function overridesOf(book: PriceBook): PriceOverride[] {
  const all: PriceOverride[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = book.overrides.page({ region: null, withEnded: true, limit: 3, cursor });
    all.push(...page.data);
    if ((cursor = page.nextCursor) === null) return all;
  }
}
