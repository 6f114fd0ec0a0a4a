import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergePages } from '../../src/engine/merged-pages.ts';
import type { Page } from '../../src/model/queries.ts';

interface Row {
  key: string;
  shard: number;
}

/** One shard's page, as shards make them: after the cursor, at most `limit` rows, and a look at no more than `scanMax` of them. */
function pageOf(rows: readonly Row[], cursor: string | null, limit: number, scanMax: number, isWanted: (row: Row) => boolean, descending: boolean): Page<Row> {
  const rest = rows.filter(({ key }) => cursor === null || (descending ? key < cursor : key > cursor));
  const data: Row[] = [];
  for (const [scanned, row] of rest.entries()) {
    if (data.length === limit || scanned === scanMax) return { data, nextCursor: rest[scanned - 1].key };
    if (isWanted(row)) data.push(row);
  }
  return { data, nextCursor: null };
}

describe('pages merged over shards', () => {
  it('visit every row once and in order, whatever the shards hold and however short their pages are', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ key: fc.stringMatching(/^[a-c]{1,5}$/), shard: fc.nat(3) }), { selector: ({ key }) => key, maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 4 }),
        (rows, limit, scanMax, descending, every) => {
          const sorted = [...rows].sort((a, b) => (a.key < b.key !== descending ? -1 : 1));
          const isWanted = ({ key }: Row) => key.length % every === 0;
          const visited: Row[] = [];
          let cursor: string | null = null;
          for (let pages = 0; ; pages++) {
            expect(pages).toBeLessThan(200);
            const answers = [0, 1, 2, 3].map((shard) => pageOf(sorted.filter((row) => row.shard === shard), cursor, limit, scanMax, isWanted, descending));
            const page = mergePages(answers, limit, ({ key }) => key, descending);
            expect(page.data.length).toBeLessThanOrEqual(limit);
            visited.push(...page.data);
            cursor = page.nextCursor;
            if (cursor === null) break;
          }
          expect(visited).toEqual(sorted.filter(isWanted));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('does not part rows of one key, which no cursor could point between', () => {
    const pages = [{ data: [{ key: 'a', shard: 0 }, { key: 'b', shard: 0 }], nextCursor: null }, { data: [{ key: 'a', shard: 1 }], nextCursor: null }];
    const page = mergePages(pages, 1, ({ key }) => key, false);
    expect([page.data.map(({ key }) => key), page.nextCursor]).toEqual([['a', 'a'], 'a']);
  });
});
