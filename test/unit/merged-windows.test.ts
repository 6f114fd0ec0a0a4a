import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mergeWindowPages } from '../../src/engine/merged-windows.ts';
import type { Page } from '../../src/model/queries.ts';

const WINDOW_MS = 60_000;

interface Row {
  windowStart: number;
  from: 'nearer' | 'farther';
}

/** As a shard and a database answer: from the number on, `limit` at most, or fewer when they stop early. */
function pageOf(numbers: readonly number[], from: 'nearer' | 'farther', first: number, limit: number): Page<Row> {
  const found = numbers.filter((number) => number >= first);
  const data = found.slice(0, limit).map((number) => ({ windowStart: number * WINDOW_MS, from }));
  return { data, nextCursor: found.length > limit ? String(found[limit]) : null };
}

it('pages of two holders give every window once, in order, the nearer one\'s where both have it', () => {
  const numbers = fc.uniqueArray(fc.nat(40), { maxLength: 30 }).map((all) => all.sort((a, b) => a - b));
  fc.assert(
    fc.property(numbers, numbers, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), (near, far, limit, nearLimit, farLimit) => {
      const rows: Row[] = [];
      for (let cursor: string | null = '0'; cursor !== null; ) {
        const first = Number(cursor);
        const page: Page<Row> = mergeWindowPages(pageOf(near, 'nearer', first, Math.min(limit, nearLimit)), pageOf(far, 'farther', first, Math.min(limit, farLimit)), limit, WINDOW_MS);
        expect(page.data.length).toBeLessThanOrEqual(limit);
        if (page.nextCursor !== null) expect(Number(page.nextCursor)).toBeGreaterThan(first);
        rows.push(...page.data);
        cursor = page.nextCursor;
      }
      const expected = [...new Set([...near, ...far])].sort((a, b) => a - b).map((number) => ({ windowStart: number * WINDOW_MS, from: near.includes(number) ? 'nearer' : 'farther' }));
      expect(rows).toEqual(expected);
    }),
  );
});
