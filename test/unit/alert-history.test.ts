import { describe, expect, it } from 'vitest';
import { AlertBook } from '../../src/actors/alerts/alert-book.ts';
import { forgetHistory, HISTORY_KEPT_MS, listAlerts } from '../../src/actors/alerts/alert-history.ts';
import { AlertStore } from '../../src/actors/alerts/alert-store.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { AlertListQuery } from '../../src/model/alert.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { cleared, raised } from '../support/alert-signals.ts';

const T = Date.parse('2026-11-27T10:00:00Z');
const ALL: AlertListQuery = { state: null, type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: 8e15, limit: 3, cursor: null };

/** So many alerts of the history, one a second, every tenth CRITICAL. */
async function history(count: number): Promise<{ book: AlertBook; store: MemoryStore }> {
  const store = new MemoryStore();
  const book = new AlertBook(DEFAULT_RULES, store, { outbox: { consumers: [], generation: 'a' } });
  book.load();
  for (let i = 0; i < count; i++) {
    const of = { meterId: `m${i % 7}`, region: `r${i % 3}`, startedAt: T + i * 1_000 };
    // Hours apart, or they would flap.
    const at = T + i * 3_600_000;
    book.apply(raised({ ...of, severity: i % 10 === 0 ? 'CRITICAL' : 'WARN' }), at);
    book.apply(cleared(of), at + 1);
  }
  for (let i = 0; i < 2; i++) {
    book.flush();
    await store.commit();
  }
  return { book, store };
}

describe('lists of the history', () => {
  it('look at so many rows and go on from there', async () => {
    const { book, store } = await history(40);
    const alerts = new AlertStore(store);
    const found: string[] = [];
    let pages = 0;
    for (let cursor: string | null = null; ; pages++) {
      const page = listAlerts(alerts, { ...ALL, severity: 'CRITICAL', cursor }, 8);
      found.push(...page.data.map(({ id }) => id));
      if (page.nextCursor === null) break;
      ({ nextCursor: cursor } = page);
    }
    expect(found).toEqual(book.list({ ...ALL, severity: 'CRITICAL', limit: 100 }).data.map(({ id }) => id));
    expect([found.length, pages]).toEqual([4, 5]);
  });

  it('of a meter read that meter alone', async () => {
    const { store } = await history(40);
    // Four rows are enough only because no other meter's are looked at.
    const { data, nextCursor } = listAlerts(new AlertStore(store), { ...ALL, meterId: 'm6', limit: 10 }, 6);
    expect(data.map(({ meterId }) => meterId)).toEqual(Array.from({ length: 5 }, () => 'm6'));
    expect(nextCursor).toBeNull();
  });

  it('refuse a cursor that no page gave', async () => {
    const { book } = await history(1);
    for (const cursor of ['', 'x', '00000000000', 'zz', "'; drop"]) expect(() => book.list({ ...ALL, cursor })).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
  });
});

describe('the history', () => {
  const tables = ['alert-history', 'alert-keys', 'alert-events', 'alert-decisions'];
  const counts = (store: MemoryStore) => tables.map((name) => store.table(name).count());

  it('forgets the oldest of too many, with everything about them', async () => {
    const { store } = await history(70);
    const perAlert = counts(store).map((count) => count / 70);
    const alerts = new AlertStore(store);
    expect(forgetHistory(alerts, T, 10)).toBe(true);
    await store.commit();
    expect(forgetHistory(alerts, T, 10)).toBe(false);
    await store.commit();
    expect(counts(store)).toEqual(perAlert.map((each) => each * 10));
    expect(listAlerts(alerts, { ...ALL, limit: 100 }).data.map(({ startedAt }) => startedAt)).toEqual(Array.from({ length: 10 }, (_, i) => T + (69 - i) * 1_000));
  });

  it('forgets what was resolved too long ago', async () => {
    const { store } = await history(5);
    forgetHistory(new AlertStore(store), T + HISTORY_KEPT_MS + 2 * 3_600_000 + 1);
    await store.commit();
    expect(counts(store)[0]).toBe(2);
  });
});
