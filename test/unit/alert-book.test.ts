import { describe, expect, it } from 'vitest';
import { AlertBook } from '../../src/actors/alerts/alert-book.ts';
import type { AlertChange } from '../../src/actors/alerts/alert-change.ts';
import { BOOK_RULE } from '../../src/actors/alerts/occurrences.ts';
import { REAPPEARED_AFTER_MS } from '../../src/actors/alerts/reappearances.ts';
import { alertRulesSchema, DEFAULT_RULES, type AlertRules } from '../../src/actors/alerts/rules.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { cleared, raised } from '../support/alert-signals.ts';

const T = Date.parse('2026-11-27T10:00:00Z');
const MINUTE_MS = 60_000;
const OUTAGE = { meterId: 'm1', startedAt: T - MINUTE_MS };

interface Opened {
  store?: MemoryStore;
  rules?: AlertRules;
  standingMax?: number;
}

function aBook({ store = new MemoryStore(), rules = DEFAULT_RULES, standingMax }: Opened = {}): AlertBook {
  const book = new AlertBook(rules, store, { outbox: { consumers: [], generation: 'a' }, standingMax });
  book.load();
  return book;
}

async function committed(book: AlertBook, store: MemoryStore): Promise<void> {
  book.flush();
  await store.commit();
}

const whats = (changes: readonly AlertChange[]) => changes.map(({ what }) => what);
const kinds = (book: AlertBook, id: string) => book.detail(id)!.history.map(({ kind }) => kind);
const suppressions = (book: AlertBook) => Object.fromEntries(Array.from(book.active(), ({ title, suppression }) => [title.split(' ').at(-1), suppression?.by ?? null]));

describe('signals', () => {
  it('open an alert once, and resolve it when they are cleared', () => {
    const book = aBook();
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    expect(alert).toMatchObject({ state: 'open', version: 1, openedAt: T, startedAt: OUTAGE.startedAt, occurrences: 1 });
    expect(book.apply(raised(OUTAGE), T + 1)).toEqual([]);
    expect(whats(book.apply(cleared(OUTAGE), T + 2))).toEqual(['resolved']);
    expect(book.get(alert.id)).toMatchObject({ state: 'resolved', resolved: { at: T + 2, by: null, why: 'over' }, version: 2 });
    expect([...book.active()]).toEqual([]);
  });

  it('change severity and figures, and say in the history what is worth a line', () => {
    const book = aBook();
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    expect(book.apply(raised({ ...OUTAGE, value: 3 }), T + 1)).toMatchObject([{ what: 'changed', event: null, alert: { value: 3, version: 2, changedAt: T + 1 } }]);
    expect(book.apply(raised({ ...OUTAGE, severity: 'CRITICAL', value: 3 }), T + 2)).toMatchObject([{ event: { text: 'Severity is CRITICAL and was WARN', by: null } }]);
    book.apply(raised({ ...OUTAGE, severity: 'CRITICAL', affectedMeters: 3, region: 'south' }), T + 3);
    expect(book.detail(alert.id)!.history.at(-1)!.text).toBe('It is in south and was in north. Affected meters: 3, after 1');
    expect(book.apply(raised({ ...OUTAGE, severity: 'CRITICAL', affectedMeters: 5, region: 'south' }), T + 4)).toMatchObject([{ event: null }]);
    expect(kinds(book, alert.id)).toEqual(['opened', 'changed', 'changed']);
  });

  it('of an occurrence that came before the newest change nothing', () => {
    const book = aBook();
    book.apply(raised(OUTAGE), T);
    expect(book.apply(raised({ meterId: 'm1', startedAt: T }), T + 1)).toMatchObject([{ what: 'recurred', alert: { occurrences: 2, startedAt: OUTAGE.startedAt } }]);
    expect(book.apply(cleared(OUTAGE), T + 2)).toEqual([]);
    expect([...book.uncleared()]).toMatchObject([{ startedAt: T }]);
    expect(whats(book.apply(cleared({ meterId: 'm1', startedAt: T }), T + 3))).toEqual(['resolved']);
    // Windows that are read once more after a restart say what was.
    expect(book.apply(raised(OUTAGE), T + 4)).toEqual([]);
    expect(book.apply(cleared(OUTAGE), T + 5)).toEqual([]);
  });

  it('that take back what was over within a minute change nothing; those that do not open it again', () => {
    const book = aBook();
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    book.apply(cleared(OUTAGE), T + 1);
    book.apply(raised(OUTAGE), T + 2);
    book.apply(cleared(OUTAGE), T + 3);
    expect(book.tick(T + 2 + REAPPEARED_AFTER_MS)).toEqual([]);
    const again = T + 2 * REAPPEARED_AFTER_MS;
    book.apply(raised(OUTAGE), again);
    expect(book.nextDueMs()).toBeLessThanOrEqual(again + REAPPEARED_AFTER_MS);
    expect(book.tick(again + REAPPEARED_AFTER_MS)).toMatchObject([{ what: 'recurred', alert: { id: alert.id, state: 'open', resolved: null, occurrences: 2 } }]);
    expect(whats(book.apply(cleared(OUTAGE), again + REAPPEARED_AFTER_MS + 1))).toEqual(['resolved']);
  });

  it('open it again from the history on disk, and lists have it once', async () => {
    const store = new MemoryStore();
    const book = aBook({ store });
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    book.apply(cleared(OUTAGE), T + 1);
    for (let i = 0; i < 3; i++) await committed(book, store);
    book.apply(raised({ ...OUTAGE, region: 'south' }), T + 2);
    book.tick(T + 2 + REAPPEARED_AFTER_MS);
    for (let i = 0; i < 3; i++) await committed(book, store);
    for (const known of [book, aBook({ store })]) {
      const query = { state: null, type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: 8e15, limit: 10, cursor: null };
      expect(known.list(query).data).toMatchObject([{ id: alert.id, state: 'open', region: 'south' }]);
      expect(known.list({ ...query, region: 'north' }).data).toEqual([]);
    }
    expect(['alerts', 'alert-history', 'alert-keys'].map((name) => store.table(name).count())).toEqual([1, 0, 0]);
    expect(whats(book.apply(cleared(OUTAGE), T + 3 + REAPPEARED_AFTER_MS))).toEqual(['resolved']);
  });
});

describe('people', () => {
  it('acknowledge and resolve with who, when and why', () => {
    const book = aBook();
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    expect(book.acknowledge(alert.id, 1, 'ann', 'on my way', T + 1).answer).toMatchObject({ state: 'acknowledged', version: 2, acknowledged: { at: T + 1, by: 'ann', why: 'on my way' } });
    expect(() => book.resolve(alert.id, 1, 'bob', null, T + 2)).toThrow(expect.objectContaining({ code: 'stale_version' }));
    expect(book.resolve(alert.id, 2, 'bob', null, T + 3).answer).toMatchObject({ state: 'resolved', resolved: { at: T + 3, by: 'bob', why: null } });
    expect(() => book.acknowledge(alert.id, null, 'ann', null, T + 4)).toThrow(expect.objectContaining({ code: 'wrong_state' }));
    expect(() => book.acknowledge('0123456789abcdef-z', null, 'ann', null, T + 4)).toThrow(expect.objectContaining({ code: 'unknown_alert' }));
    expect(book.detail(alert.id)!.history).toMatchObject([{ sequence: 1, kind: 'opened' }, { sequence: 2, kind: 'acknowledged', by: 'ann', why: 'on my way' }, { sequence: 3, kind: 'resolved', by: 'bob' }]);
  });

  it('resolve what goes on: it raises nothing until it has been over once, and over a restart', async () => {
    const store = new MemoryStore();
    let book = aBook({ store });
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    book.resolve(alert.id, null, 'ann', null, T + 1);
    await committed(book, store);
    book = aBook({ store });
    expect(book.apply(raised(OUTAGE), T + 2)).toEqual([]);
    expect(book.tick(T + 10 * REAPPEARED_AFTER_MS)).toEqual([]);
    expect([...book.uncleared()].map(({ id }) => id)).toEqual([alert.id]);
    expect(book.apply(cleared(OUTAGE), T + 10 * REAPPEARED_AFTER_MS)).toEqual([]);
    expect([...book.uncleared()]).toEqual([]);
    const [next] = book.apply(raised({ meterId: 'm1', startedAt: T + 700_000 }), T + 700_000);
    expect([next.what, next.alert.id === alert.id]).toEqual(['opened', false]);
  });

  it('resolve what goes on, and the next time nobody said that it was over', () => {
    const book = aBook();
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    book.resolve(alert.id, null, 'ann', null, T + 1);
    expect(whats(book.apply(raised({ meterId: 'm1', startedAt: T + 2 }), T + 3))).toEqual(['opened']);
    expect([...book.uncleared()].map(({ startedAt }) => startedAt)).toEqual([T + 2]);
  });

  it('resolve many, each by itself, 100 at most', () => {
    const book = aBook();
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    expect(book.resolveAll([alert.id, 'nobody', alert.id], 'ann', null, T + 1).answer.map(({ error }) => error?.code ?? null)).toEqual([null, 'unknown_alert', 'wrong_state']);
    expect(() => book.resolveAll(Array.from({ length: 101 }, () => 'x'), 'ann', null, T + 2)).toThrow(expect.objectContaining({ code: 'too_many' }));
  });

  it('have no line in their history for figures alone, where no meters are counted', () => {
    const book = aBook();
    const load = { rule: 'load', type: 'REGIONAL_OVERLOAD', kind: 'regional_load', affectedMeters: 0, startedAt: T } as const;
    const [{ alert }] = book.apply(raised({ ...load, value: 95 }), T);
    book.apply(raised({ ...load, value: 97 }), T + 1);
    expect(book.get(alert.id)).toMatchObject({ value: 97, version: alert.version + 1 });
    expect(book.detail(alert.id)!.history.map(({ text }) => text)).toHaveLength(1);
    book.apply(raised({ ...load, value: 97, affectedMeters: 3 }), T + 2);
    expect(book.detail(alert.id)!.history.map(({ text }) => text).at(-1)).toBe('Affected meters: 3, after 0');
  });

  it('list silences from the last one of the page before, and take no other cursor', () => {
    const book = aBook();
    const match = { types: [], severities: [], rules: [], regions: ['north'], meters: [], components: [] };
    for (let i = 0; i < 3; i++) book.makeSilence({ kind: 'silence', match, startsAt: T, endsAt: T + MINUTE_MS, createdBy: 'ann', comment: 'test' }, T);
    const page = (cursor: string | null) => book.silencesPage({ kind: null, withEnded: false, limit: 2, cursor });
    const first = page(null);
    expect(first.data.map(({ id }) => id)).toEqual(['silence-3', 'silence-2']);
    expect(page(first.nextCursor)).toMatchObject({ data: [{ id: 'silence-1' }], nextCursor: null });
    for (const cursor of ['junk', '-1', '0', '1e1', '4', ' 2', '9'.repeat(40)]) expect(() => page(cursor), cursor).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
  });

  it('are refused, and what the time did meanwhile is told with the next call', () => {
    const book = aBook();
    const { answer } = book.makeSilence({ kind: 'silence', match: { types: [], severities: [], rules: [], regions: [], meters: [], components: [] }, startsAt: T, endsAt: T + 10, createdBy: 'ann', comment: 'test' }, T);
    book.apply(raised(OUTAGE), T + 1);
    expect(() => book.resolve('nobody', null, 'ann', null, T + 20)).toThrow();
    expect(book.nextDueMs()).toBe(-Infinity);
    expect(whats(book.tick(T + 21))).toEqual(['unsuppressed']);
    expect(() => book.endSilence(answer.id, null, 'ann', null, T + 22)).toThrow(expect.objectContaining({ code: 'wrong_state' }));
  });
});

describe('who is kept back', () => {
  it('is so by a dark region, which is told itself, and not longer than it is dark', () => {
    const book = aBook();
    const dark = { rule: 'region-dark', kind: 'region_dark', type: 'METER_OUTAGE', severity: 'CRITICAL', startedAt: T } as const;
    book.apply(raised(OUTAGE), T);
    book.apply(raised({ meterId: 'm2', region: 'south' }), T);
    expect(whats(book.apply(raised({ ...dark, title: 'dark north' }), T))).toEqual(['opened', 'suppressed']);
    book.apply(raised({ meterId: 'm3' }), T);
    expect(suppressions(book)).toEqual({ m1: 'inhibition', m2: null, north: null, m3: 'inhibition' });
    expect(whats(book.apply(cleared({ rule: 'region-dark', kind: 'region_dark', startedAt: T }), T + 1))).toEqual(['resolved', 'unsuppressed', 'unsuppressed']);
  });

  it('is so by another when one of two who do so is over', async () => {
    const rules = alertRulesSchema.parse({ rules: [], routes: [], inhibitions: [{ name: 'a', source: { rules: ['dark-*'] }, target: { types: ['ANOMALY'] } }] });
    const store = new MemoryStore();
    let book = aBook({ rules, store });
    for (const rule of ['dark-1', 'dark-2', 'dark-3']) book.apply(raised({ rule, kind: 'region_dark' }), T);
    const [{ alert }] = book.apply(raised({ meterId: 'm1', rule: 'anomaly', type: 'ANOMALY', kind: 'spike' }), T);
    for (let left = 3; left > 0; left--) {
      const keeper = book.get(book.get(alert.id)!.suppression!.id)!;
      expect(keeper.state).toBe('open');
      expect(whats(book.apply(cleared({ rule: keeper.rule, kind: 'region_dark' }), T + 1))).toEqual(['resolved', left > 1 ? 'suppressed' : 'unsuppressed']);
      await committed(book, store);
      book = aBook({ rules, store });
    }
  });

  it('is so no longer when that ended while nobody looked', async () => {
    const store = new MemoryStore();
    const book = aBook({ store });
    const match = { types: [], severities: [], rules: [], regions: [], meters: [], components: [] };
    book.makeSilence({ kind: 'silence', match, startsAt: T, endsAt: T + MINUTE_MS, createdBy: 'ann', comment: 'test' }, T);
    book.apply(raised(OUTAGE), T);
    await committed(book, store);
    expect(whats(aBook({ store }).tick(T + MINUTE_MS))).toEqual(['unsuppressed']);
  });

  it('never is so in a circle', () => {
    const anomaly = { types: ['ANOMALY'] };
    const outage = { types: ['METER_OUTAGE'] };
    const rules = alertRulesSchema.parse({ rules: [], routes: [], inhibitions: [{ name: 'a', source: anomaly, target: outage }, { name: 'b', source: outage, target: anomaly }, { name: 'c', source: { components: ['disk'] }, target: {}, equal: [] }] });
    const book = aBook({ rules });
    book.apply(raised({ meterId: 'm1' }), T);
    const spike = { meterId: 'm2', rule: 'anomaly', type: 'ANOMALY', kind: 'spike' } as const;
    expect(whats(book.apply(raised(spike), T))).toEqual(['opened']);
    expect(suppressions(book)).toEqual({ m1: null, m2: null });
    // What comes from outside keeps all of it back.
    book.apply(raised({ rule: 'engine', type: 'SYSTEM_FAILURE', kind: 'system', component: 'disk', region: null }), T);
    expect(suppressions(book)).toEqual({ m1: 'inhibition', m2: 'inhibition', disk: null });
    book.apply(cleared({ rule: 'engine', kind: 'system', component: 'disk', region: null }), T + 1);
    expect(suppressions(book)).toEqual({ m1: null, m2: null });
  });

  it('is said in decisions, with what decided', () => {
    const book = aBook();
    const match = { types: [], severities: [], rules: [], regions: ['no*'], meters: [], components: [] };
    book.makeSilence({ kind: 'maintenance', match, startsAt: T, endsAt: T + MINUTE_MS, createdBy: 'ann', comment: 'new cable' }, T);
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    book.tick(T + MINUTE_MS);
    expect(book.explain(alert.id).decisions.map(({ step, outcome, reason }) => `${step} ${outcome}: ${reason}`)).toEqual([
      'rule passed: rule meter-outage is met: Outage of m1',
      'deduplication passed: no alert of the same rule, kind and subject is active',
      'flapping passed: 1 of 4 openings within 900 s',
      'silence held: maintenance-1 by ann holds until 2026-11-27 10:01:00 UTC: new cable',
      'silence passed: nothing keeps it back any more: maintenance-1 does not',
    ]);
    expect(() => book.explain('nobody')).toThrow(expect.objectContaining({ code: 'unknown_alert' }));
  });
});

describe('flapping', () => {
  const flap = (book: AlertBook, from: number, times: number) => {
    for (let i = 0; i < times; i++) {
      book.apply(raised({ meterId: 'm1', startedAt: from + i * 10 }), from + i * 10);
      book.apply(cleared({ meterId: 'm1', startedAt: from + i * 10 }), from + i * 10 + 5);
    }
  };
  const stableMs = DEFAULT_RULES.flapping.stableFor;

  it('stays open as one alert until it has been well for long enough', () => {
    const book = aBook();
    flap(book, T, 6);
    const [alert] = book.active();
    expect([...book.active()]).toMatchObject([{ isFlapping: true, occurrences: 3, suppression: { by: 'flapping', id: alert.id } }]);
    book.tick(T + 56);
    expect(book.nextDueMs()).toBe(T + 55 + stableMs);
    expect(book.tick(T + 54 + stableMs)).toEqual([]);
    expect(book.tick(T + 55 + stableMs)).toMatchObject([{ what: 'resolved', alert: { isFlapping: false, suppression: null, resolved: { by: null, why: 'it has been well for 600 s' } } }]);
  });

  it('ends as well when the condition holds for as long: then people are told', () => {
    const book = aBook();
    flap(book, T, 4);
    book.apply(raised({ meterId: 'm1', startedAt: T + 100 }), T + 100);
    expect(whats(book.tick(T + 100 + stableMs))).toEqual(['changed', 'unsuppressed']);
    expect([...book.active()]).toMatchObject([{ isFlapping: false, suppression: null, state: 'open' }]);
  });

  it('waits no longer for a clock that was set back', async () => {
    const store = new MemoryStore();
    const book = aBook({ store });
    flap(book, T, 4);
    const backMs = T - 3_600_000;
    await committed(book, store);
    for (const known of [aBook({ store }), book]) {
      known.tick(backMs);
      expect(known.nextDueMs()).toBeLessThanOrEqual(backMs + stableMs);
      expect(whats(known.tick(backMs + stableMs))).toEqual(['resolved']);
    }
  });

  it('is counted over a restart, and openings of long ago do not count', async () => {
    const store = new MemoryStore();
    const book = aBook({ store });
    flap(book, T, 3);
    await committed(book, store);
    for (const { at, isFlapping } of [{ at: T + 1_000, isFlapping: true }, { at: T + 16 * MINUTE_MS, isFlapping: false }]) {
      const [{ alert }] = aBook({ store }).apply(raised({ meterId: 'm1', startedAt: at }), at);
      expect(alert.isFlapping).toBe(isFlapping);
    }
  });
});

describe('bounds', () => {
  it('past which signals are dropped, and an alert says so until there is room again', () => {
    const book = aBook({ standingMax: 10 });
    for (let i = 0; i < 10; i++) book.apply(raised({ meterId: `m${i}` }), T);
    expect(book.apply(raised({ meterId: 'm10' }), T)).toMatchObject([{ what: 'opened', alert: { type: 'SYSTEM_FAILURE', component: 'alerts', rule: BOOK_RULE } }]);
    expect(book.apply(raised({ meterId: 'm11' }), T)).toEqual([]);
    expect(book.figures()).toMatchObject({ standing: 11, droppedSignals: 2 });
    expect([...book.uncleared()].some(({ rule }) => rule === BOOK_RULE)).toBe(false);
    expect(whats(book.apply(cleared({ meterId: 'm0' }), T + 1))).toEqual(['resolved']);
    book.apply(cleared({ meterId: 'm1' }), T + 1);
    expect(whats(book.apply(cleared({ meterId: 'm2' }), T + 1))).toEqual(['resolved', 'resolved']);
    expect(whats(book.apply(raised({ meterId: 'm10' }), T + 2))).toEqual(['opened']);
  });

  it('of lines: the first and the newest of a history stay', async () => {
    const store = new MemoryStore();
    const book = aBook({ store });
    const [{ alert }] = book.apply(raised(OUTAGE), T);
    await committed(book, store);
    for (let i = 0; i < 250; i++) {
      book.note(alert.id, 'notified', `number ${i}`, T + i);
      await committed(book, store);
    }
    const { history } = book.detail(alert.id)!;
    expect(history.length).toBe(201);
    expect([history[0].kind, history[1].sequence, history.at(-1)!.text]).toEqual(['opened', 52, 'number 249']);
    expect(store.table('alert-events').count()).toBe(201);
  });
});
