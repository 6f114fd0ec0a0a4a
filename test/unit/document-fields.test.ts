import { describe, expect, it, test } from 'vitest';
import { z } from 'zod';
import { metersField } from '../../src/http/account-fields.ts';
import { priceField } from '../../src/http/billing-fields.ts';
import { bodyFaults } from '../../src/http/body-fields.ts';
import { SchemaBook } from '../../src/http/openapi/schema-book.ts';
import { parseTime, TIME_WRITTEN } from '../../src/http/query-parameters.ts';
import { dayPattern } from '../../src/model/day-pattern.ts';

/** What the API's document says of fields, against what is taken. */

describe('a time', () => {
  const written = new RegExp(TIME_WRITTEN.anyOf[0].pattern!);

  it.each([
    ['2026-01-15T13:00:00Z', true],
    ['1970-01-01T00:00:00Z', true],
    ['9999-12-31T23:59:59.999Z', true],
    ['2026-01-15t13:00:00.123456z', true],
    ['2026-01-15T13:00:00+19:22', true],
    ['2026-01-15T13:00:30-23:59', true],
    ['1969-12-31T23:59:59Z', false],
    ['0548-08-22T11:42:43Z', false],
    ['1970-01-15T23:59:60Z', false],
    ['2016-12-31T23:59:60+05:30', false],
  ])('%s is taken where the document says so: %s', (text, isTaken) => {
    expect([parseTime(text) !== null, written.test(text)]).toEqual([isTaken, isTaken]);
  });
});

test('a whole number that comes in has the bound that doubles count to, one that goes out has none', () => {
  const book = new SchemaBook();
  expect([book.request(z.int()).maximum, book.answer(z.int()).maximum]).toEqual([Number.MAX_SAFE_INTEGER, undefined]);
});

test('days of a range of years are those that there are', () => {
  const pattern = dayPattern('199\\d|20\\d\\d|2100', '199[26]|20([02468][048]|[13579][26])');
  const found: string[] = [];
  for (let ms = Date.UTC(1989, 11, 25); ms < Date.UTC(2101, 0, 5); ms += 86_400_000) {
    const day = new Date(ms).toISOString().slice(0, 10);
    if (pattern.test(day) !== (day >= '1990-01-01' && day <= '2100-12-31')) found.push(day);
  }
  expect(found).toEqual([]);
  for (const day of ['2026-02-29', '2026-02-30', '2026-04-31', '2100-02-29', '2026-13-01', '2026-00-10', '2026-01-00', '2026-1-1']) expect(pattern.test(day), day).toBe(false);
});

test('the fault of one of several shapes is that of the shape it has', () => {
  const faults = (value: unknown) => bodyFaults(z.object({ meters: metersField }).safeParse({ meters: value }).error!);
  expect(faults([{ meterId: 'm-1', until: '0009-05-26T09:40:43Z' }])).toEqual([{ path: 'meters[0].until', message: expect.stringContaining('expected an RFC 3339 time') }]);
  expect(faults([{ meterId: 'm 1', from: 5, until: 4 }]).map(({ path }) => path)).toEqual(['meters[0].meterId', 'meters[0].until']);
  expect(faults([{ meterId: 'm-1', from: 5, until: 4 }]).map(({ path }) => path)).toEqual(['meters[0].until']);
  expect(faults(['m 1'])).toEqual([{ path: 'meters[0]', message: expect.stringContaining('expected 1–64 characters') }]);
  expect(faults([7])).toEqual([{ path: 'meters[0]', message: expect.stringContaining('expected') }]);
});

test('a price has nine digits before the point at most, as where it is kept', () => {
  expect(['999999999', '-1.12345678', '1000000000', '1.123456789'].map((price) => priceField.safeParse(price).success)).toEqual([true, true, false, false]);
});
