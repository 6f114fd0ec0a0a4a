import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { comparisonCsvHead, comparisonCsvRow } from '../../src/actors/tariffs/papers/comparison-csv.ts';
import { csvCell } from '../../src/model/csv-cell.ts';

const read = (table: string): string[][] => parse(table, { relax_column_count: true });

describe('a cell', () => {
  test.each([
    ['Ada', 'Ada'], ['', ''], ['-12.50', '-12.50'], ['12', '12'], ['a,b', '"a,b"'], ['a"b', '"a""b"'], ['a;=1+1', '"a;=1+1"'], ['a\nb', '"a\nb"'],
    ['=1+1', "'=1+1"], ['+1', "'+1"], ['-1+2', "'-1+2"], ['@SUM(A1)', "'@SUM(A1)"], ['\t=1', '"\'\t=1"'], ['=A1,B1', '"\'=A1,B1"'], ['＝1', "'＝1"], ['-', "'-"], ['1=2', '1=2'], ["'=1", "'=1"],
  ])('of %j is %j', (text, cell) => {
    expect(csvCell(text)).toBe(cell);
  });

  test('of a number is the number, of nothing empty', () => {
    expect([csvCell(-1e-7), csvCell(0), csvCell(true), csvCell(null)]).toEqual(['-1e-7', '0', 'true', '']);
  });

  test('is read back as it was, or with an apostrophe before it, whatever is in it and beside it', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[=+@\-\t\r\n,;"'a0.＝]{0,6}$/)), { minLength: 2, maxLength: 4 }), (texts) => {
        // An empty file has no rows.
        const [cells, ...more] = read(`${['head', ...texts].map(csvCell).join(',')}\r\n`);
        expect(more).toEqual([]);
        cells.slice(1).forEach((cell, i) => expect([texts[i], `'${texts[i]}`]).toContain(cell));
        expect(cells.filter((cell) => /^[=+@\t\r\n＝＋－＠]|^-(?!\d+(\.\d+)?$)/.test(cell))).toEqual([]);
      }),
    );
  });
});

test('a comparison of a meter with a name like a formula is none', () => {
  const compared = { tariffs: [{ tariffId: '-a', version: 1 }], currency: 'AUD' } as never;
  const row = { meterId: '-1-A1', agreementId: 'ag-1', from: '2026-01', to: '2026-02', present: null, costs: ['-1.20'], best: 0, saving: null } as never;
  expect(comparisonCsvHead(compared)).toContain(",'-a,");
  expect(comparisonCsvRow(compared, row)).toBe("'-1-A1,ag-1,2026-01,2026-02,AUD,,-1.20,'-a,\r\n");
});
