import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PriceBook } from '../../src/actors/tariffs/price-book.ts';
import { OPEN_OVERRIDES_MAX, OVERRIDE_SPAN_MAX_MS } from '../../src/actors/tariffs/price-overrides.ts';
import { checkPriceRules, DEFAULT_PRICE_RULES, PriceRules, type PriceRulesDocument } from '../../src/actors/tariffs/price-rules.ts';
import { AMOUNT_DIGITS, parseDecimal } from '../../src/model/decimal.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';

const T = Date.parse('2026-11-27T10:00:00Z');
const M = 60_000;
const H = 60 * M;
const SET = { price: '0.5', by: 'Ada', reason: 'the line to the north is down' };

function aDocument(changes: object = {}): PriceRulesDocument {
  const { document, faults } = checkPriceRules({ format: 'seg-prices/1', currency: 'EUR', basePrice: '0.20', ...changes });
  expect(faults).toBeNull();
  return document!;
}

class World {
  readonly store = new MemoryStore();
  book!: PriceBook;
  nowMs = T;
  private rules: PriceRulesDocument;

  constructor(rules = DEFAULT_PRICE_RULES) {
    this.rules = rules;
    this.restart();
  }

  restart(rules = this.rules): void {
    this.rules = rules;
    this.book = new PriceBook(rules, this.store);
    this.book.load(this.nowMs);
  }

  /** Gives what is published. */
  async turn(): Promise<string[]> {
    const events = this.book.flush();
    await this.store.commit();
    return events.map(({ price: { region, price, override } }) => `${region} ${price}${override === null ? '' : ` ${override}`}`);
  }

  load(region: string, loadPercent: number | null): Promise<string[]> {
    this.nowMs += M;
    this.book.applyLoad([{ region, windowStart: this.nowMs - M, loadPercent }], this.nowMs);
    return this.turn();
  }

  pass(ms: number): Promise<string[]> {
    this.nowMs += ms;
    this.book.tick(this.nowMs);
    return this.turn();
  }

  history(region: string, limit = 2): string[] {
    const lines: string[] = [];
    for (let cursor: string | null = null; ; ) {
      const page = this.book.history({ region, from: 0, to: this.nowMs + 1, limit, cursor });
      lines.push(...page.data.map(({ price }) => price));
      if ((cursor = page.nextCursor) === null) return lines;
    }
  }
}

describe('rules of the dynamic price', () => {
  it('are the base price × 1.25 above 90 % load, 1.10 above 75, 1.00 above 50, 0.90 above 25, else 0.80', () => {
    const rules = new PriceRules(aDocument({ basePrice: '1' }));
    const priceAt = (loadPercent: number) => rules.text(rules.rate('north', loadPercent).price);
    expect([250, 90.000_001, 90, 75.5, 75, 50.1, 50, 25.1, 25, 0, -40].map(priceAt)).toEqual(['1.25', '1.25', '1.10', '1.10', '1.00', '1.00', '0.90', '0.90', '0.80', '0.80', '0.80']);
  });

  it('round exactly to the places of the document', () => {
    const at = (changes: object) => {
      const rules = new PriceRules(aDocument(changes));
      return rules.text(rules.rate('north', 95).price);
    };
    // 0.18 × 1.25 is 0.225, which no double is.
    expect(at({ basePrice: '0.18' })).toBe('0.23');
    expect(at({ basePrice: '0.18', mode: 'halfEven' })).toBe('0.22');
    expect(at({ basePrice: '0.12345678', digits: 8, steps: [{ abovePercent: 0, multiplier: '1.000001' }] })).toBe('0.12345690');
    expect(at({ basePrice: '0.18', digits: 0 })).toBe('0');
  });

  it('may have other base prices for some regions', () => {
    const rules = new PriceRules(aDocument({ regions: [{ regions: ['north-1'], basePrice: '1' }, { regions: ['north-*'], basePrice: '2' }] }));
    expect(['north-1', 'north-2', 'south'].map((region) => rules.text(rules.rate(region, 60).price))).toEqual(['1.00', '2.00', '0.20']);
  });

  it('are written in docs/TARIFFS.md as they are taken', () => {
    const page = readFileSync(fileURLToPath(new URL('../../docs/TARIFFS.md', import.meta.url)), 'utf8');
    const { document, faults } = checkPriceRules(JSON.parse(/```json\n([^`]*seg-prices[^`]*)```/.exec(page)![1]));
    expect(faults).toBeNull();
    expect({ ...document, regions: [] }).toEqual(DEFAULT_PRICE_RULES);
  });

  it('are refused with the path of each fault', () => {
    const faults = (changes: object) => checkPriceRules({ format: 'seg-prices/1', currency: 'EUR', basePrice: '0.20', ...changes }).faults?.map(({ path }) => path);
    expect(faults({})).toBeUndefined();
    expect(faults({ basePrice: 0.2, currency: 'euro', digits: 9, publishStep: '0' })).toEqual(['currency', 'basePrice', 'digits', 'publishStep']);
    expect(faults({ steps: [{ abovePercent: 50, multiplier: '1' }, { abovePercent: 50, multiplier: '-1' }] })).toEqual(['steps.1.multiplier', 'steps.1.abovePercent']);
    expect(faults({ regions: [{ regions: ['*'], basePrice: '1.123456789' }], colour: 1 })).toEqual(['regions.0.basePrice', '']);
    expect(checkPriceRules(null).faults).toHaveLength(1);
  });
});

describe('the price book', () => {
  it('publishes a price when it is another one, and keeps all in the history', async () => {
    const world = new World();
    expect(await world.load('north', 95)).toEqual(['north 0.25']);
    expect(await world.load('north', 91)).toEqual([]);
    expect(await world.load('north', 60)).toEqual(['north 0.20']);
    expect(await world.load('south', null)).toEqual([]);
    expect(await world.load('south', 10)).toEqual(['south 0.16']);
    expect(world.book.prices()).toMatchObject([
      { region: 'north', price: '0.20', currency: 'EUR', multiplier: '1.00', loadPercent: 60, override: null, since: T + 3 * M },
      { region: 'south', price: '0.16', multiplier: '0.80', since: T + 5 * M },
    ]);
    expect(world.history('north')).toEqual(['0.25', '0.20']);
  });

  it('leaves a move below the step of publication alone, and tells of it once it has added up', async () => {
    const world = new World(aDocument({ basePrice: '1', digits: 3, steps: [80, 60, 40, 20].map((abovePercent, i) => ({ abovePercent, multiplier: `1.0${16 - 4 * i}`.padEnd(5, '0') })), otherwise: '1' }));
    expect(await world.load('north', 10)).toEqual(['north 1.000']);
    expect(await world.load('north', 30)).toEqual(['north 1.040']);
    const fine = new World(aDocument({ basePrice: '1', digits: 3, steps: [{ abovePercent: 60, multiplier: '1.012' }, { abovePercent: 40, multiplier: '1.008' }, { abovePercent: 20, multiplier: '1.004' }], otherwise: '1' }));
    await fine.load('north', 10);
    expect(await fine.load('north', 30)).toEqual([]);
    expect(await fine.load('north', 50)).toEqual([]);
    expect(await fine.load('north', 70)).toEqual(['north 1.012']);
    expect(await fine.load('north', 50)).toEqual([]);
    expect(await fine.load('north', 0)).toEqual(['north 1.000']);
  });

  it('takes the newest load of a region, whatever is said again or late', () => {
    const world = new World();
    const priceAfter = (...loads: [minute: number, loadPercent: number][]) => {
      world.book.applyLoad(loads.map(([minute, loadPercent]) => ({ region: 'north', windowStart: T + minute * M, loadPercent })), T + 60 * M);
      return world.book.prices()[0].price;
    };
    expect(priceAfter([1, 95], [3, 30], [2, 95])).toBe('0.18');
    expect(priceAfter([2, 95])).toBe('0.18');
    // A correction of it.
    expect(priceAfter([3, 60])).toBe('0.20');
    // By a clock that was ahead; what comes after that was put right counts.
    expect(priceAfter([600, 95])).toBe('0.25');
    expect(priceAfter([4, 60])).toBe('0.20');
  });

  it('goes on after a restart, by rules that may be others', async () => {
    const world = new World();
    await world.load('north', 95);
    world.restart();
    expect(await world.turn()).toEqual([]);
    world.restart(aDocument({ basePrice: '0.30' }));
    expect(await world.turn()).toEqual(['north 0.38']);
    world.book.setRules(aDocument({ currency: 'AUD', basePrice: '0.30' }), world.nowMs);
    expect(await world.turn()).toEqual(['north 0.38']);
    expect(world.book.prices()).toMatchObject([{ currency: 'AUD' }]);
    expect(world.history('north', 1)).toEqual(['0.25', '0.38', '0.38']);
  });

  it('numbers what it publishes, so that no two have the same name', async () => {
    const world = new World();
    const ids: string[] = [];
    for (const loadPercent of [95, 10, 95]) {
      world.book.applyLoad([{ region: 'north', windowStart: (world.nowMs += M), loadPercent }], world.nowMs);
      ids.push(...world.book.flush().map(({ id }) => id));
      await world.store.commit();
      world.restart();
    }
    expect(ids).toEqual(['price-north-1', 'price-north-2', 'price-north-3']);
  });
});

describe('prices that an operator sets', () => {
  it('hold from their beginning until their end, whatever the load', async () => {
    const world = new World();
    await world.load('north', 95);
    const set = world.book.makeOverride({ ...SET, region: 'north', from: world.nowMs + H, until: world.nowMs + 2 * H }, world.nowMs);
    expect(set).toMatchObject({ id: 'price-override-1', price: '0.5', by: 'Ada', endedAt: null });
    expect(await world.turn()).toEqual([]);
    expect(world.book.nextDueMs()).toBe(world.nowMs + H);
    expect(await world.pass(H)).toEqual(['north 0.50 price-override-1']);
    expect(await world.load('north', 10)).toEqual([]);
    expect(world.book.nextDueMs()).toBe(set.until);
    expect(await world.pass(H)).toEqual(['north 0.16']);
    expect(world.book.nextDueMs()).toBe(Infinity);
    expect(world.history('north')).toEqual(['0.25', '0.50', '0.16']);
    expect(world.book.prices()).toMatchObject([{ loadPercent: 10, override: null }]);
  });

  it('are published though the price is the same, at either end', async () => {
    const world = new World();
    await world.load('north', 60);
    world.book.makeOverride({ ...SET, price: '0.2', region: 'north', from: 0, until: world.nowMs + H }, world.nowMs);
    expect(await world.turn()).toEqual(['north 0.20 price-override-1']);
    expect(await world.pass(H)).toEqual(['north 0.20']);
  });

  it('begin now where they were to begin in the past', () => {
    const world = new World();
    expect(world.book.makeOverride({ ...SET, region: 'north', from: T - H, until: T + H }, T)).toMatchObject({ from: T, until: T + H });
  });

  it('follow each other without a gap', async () => {
    const world = new World();
    for (const [price, hour] of [['1', 0], ['2', 1]] as const) world.book.makeOverride({ ...SET, price, region: 'north', from: T + hour * H, until: T + (hour + 1) * H }, T);
    expect(await world.turn()).toEqual(['north 1.00 price-override-1']);
    expect(await world.pass(H)).toEqual(['north 2.00 price-override-2']);
    // Nobody knows a load: the price is the base.
    expect(await world.pass(H)).toEqual(['north 0.20']);
    expect(world.book.prices()).toMatchObject([{ multiplier: '1', loadPercent: null }]);
  });

  it('are ended before their time by somebody, for a reason, and stay to be looked up', async () => {
    const world = new World();
    await world.load('north', 60);
    world.book.makeOverride({ ...SET, region: 'north', from: 0, until: T + 9 * H }, world.nowMs);
    await world.turn();
    const ended = world.book.endOverride('price-override-1', 'Ben', 'the line is up again', world.nowMs);
    expect(ended).toMatchObject({ price: '0.5', by: 'Ada', reason: SET.reason, until: T + 9 * H, endedAt: world.nowMs, endedBy: 'Ben', endReason: 'the line is up again' });
    expect(await world.turn()).toEqual(['north 0.20']);
    world.restart();
    expect(world.book.overrides.page({ region: null, withEnded: true, limit: 10, cursor: null }).data).toEqual([ended]);
    expect(world.book.overrides.page({ region: null, withEnded: false, limit: 10, cursor: null }).data).toEqual([]);
    expect(() => world.book.endOverride('price-override-1', 'Ben', 'again', world.nowMs)).toThrow(expect.objectContaining({ code: 'wrong_state' }));
  });

  it('are refused with what is wrong', () => {
    const { book } = new World();
    const code = (changes: object) => {
      try {
        book.makeOverride({ ...SET, region: 'north', from: T + H, until: T + 2 * H, ...changes }, T);
        return null;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code({ until: T + H })).toBe('bad_span');
    expect(code({ from: T - 2 * H, until: T })).toBe('bad_span');
    expect(code({ until: T + H + OVERRIDE_SPAN_MAX_MS + 1 })).toBe('bad_span');
    for (const price of ['', '1e3', '.5', '0.123456789', '1234567890', 'NaN', '0x1', '1,5']) expect(code({ price })).toBe('invalid_price');
    expect(code({})).toBeNull();
    expect(code({})).toBe('override_overlaps');
    expect(code({ from: T, until: T + H + 1 })).toBe('override_overlaps');
    expect(code({ from: T + 2 * H - 1, until: T + 3 * H })).toBe('override_overlaps');
    expect(code({ from: T, until: T + H })).toBeNull();
    expect(code({ region: 'south' })).toBeNull();
    expect(code({ price: '-0.1', region: 'east' })).toBeNull();
    for (const id of ['price-override-9', 'price-override-0', 'override-1', '', 'price-override-1x']) expect(() => book.endOverride(id, 'Ben', 'x', T)).toThrow(expect.objectContaining({ code: 'unknown_override' }));
  });

  it('are OPEN_OVERRIDES_MAX at most, ended ones not counted', () => {
    const { book } = new World();
    const make = (i: number) => book.makeOverride({ ...SET, region: `r${i}`, from: T, until: T + H }, T);
    for (let i = 0; i < OPEN_OVERRIDES_MAX; i++) make(i);
    expect(() => make(OPEN_OVERRIDES_MAX)).toThrow(expect.objectContaining({ code: 'too_many_overrides' }));
    book.endOverride('price-override-7', 'Ben', 'enough', T);
    expect(make(OPEN_OVERRIDES_MAX).id).toBe(`price-override-${OPEN_OVERRIDES_MAX + 1}`);
  });

  it('are listed by pages, the newest first, of all regions or of one', async () => {
    const world = new World();
    for (let i = 0; i < 7; i++) {
      world.book.makeOverride({ ...SET, region: i % 2 === 0 ? 'north' : 'south', from: T + i * H, until: T + (i + 1) * H }, T);
      if (i % 3 === 0) await world.turn();
    }
    const all = (region: string | null, withEnded = true) => {
      const numbers: number[] = [];
      for (let cursor: string | null = null; ; ) {
        const page = world.book.overrides.page({ region, withEnded, limit: 2, cursor });
        numbers.push(...page.data.map(({ id }) => Number(id.split('-')[2])));
        if ((cursor = page.nextCursor) === null) return numbers;
      }
    };
    expect(all(null)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(all('north')).toEqual([7, 5, 3, 1]);
    expect(all('nor')).toEqual([]);
    await world.pass(3 * H);
    expect(all('north')).toEqual([7, 5, 3, 1]);
    expect(all('south', false)).toEqual([6, 4]);
    expect(all(null, false)).toEqual([7, 6, 5, 4]);
    for (const cursor of ['', 'x', '0', '-1', '1.5', "'; drop"]) expect(() => world.book.overrides.page({ region: null, withEnded: true, limit: 2, cursor })).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
    for (const cursor of ['', 'x', '00000000001/']) expect(() => world.book.history({ region: 'north', from: 0, to: T, limit: 2, cursor })).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
  });

  it('hold again when a clock that was ahead is put right', async () => {
    const world = new World();
    await world.load('north', 60);
    world.book.makeOverride({ ...SET, region: 'north', from: 0, until: world.nowMs + H }, world.nowMs);
    await world.turn();
    expect(await world.pass(900 * H)).toEqual(['north 0.20']);
    expect(await world.pass(-900 * H + M)).toEqual(['north 0.50 price-override-1']);
    // The history stays in order.
    expect(world.book.history({ region: 'north', from: 0, to: world.nowMs + 1_000 * H, limit: 9, cursor: null }).data.map(({ price }) => price)).toEqual(['0.20', '0.50', '0.20', '0.50']);
    expect(await world.pass(H)).toEqual(['north 0.20']);
  });

  it('hold after a restart, also those that began while the engine was down', async () => {
    const world = new World();
    world.book.makeOverride({ ...SET, region: 'north', from: T + H, until: T + 3 * H }, T);
    expect(await world.turn()).toEqual([]);
    world.nowMs += 2 * H;
    world.restart();
    expect(await world.turn()).toEqual(['north 0.50 price-override-1']);
    world.nowMs += 2 * H;
    world.restart();
    expect(await world.turn()).toEqual(['north 0.20']);
  });

  it('cost nothing of what prices are made of: money stays a decimal', () => {
    const { book } = new World();
    book.makeOverride({ ...SET, price: '0.12345678', region: 'north', from: 0, until: T + H }, T);
    expect(parseDecimal(book.prices()[0].price, AMOUNT_DIGITS)).toBe(12_345_678_000_000n);
  });
});
