import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TimestampParser } from '../../src/actors/ingest/timestamp-parser.ts';
import { parseTimestamp } from '../oracle/reading-oracle.ts';

const parser = new TimestampParser();

/** The milliseconds, or null unless the whole text is a timestamp. */
function parse(text: string): number | null {
  const bytes = Buffer.from(`${text}\0`);
  return parser.parse(bytes, 0) === bytes.length - 1 ? parser.valueMs : null;
}

describe('the timestamp parser', () => {
  test.each([
    ['2024-05-01T12:00:00Z', Date.UTC(2024, 4, 1, 12)],
    ['2024-05-01t12:00:00z', Date.UTC(2024, 4, 1, 12)],
    ['2024-05-01 12:00:00Z', Date.UTC(2024, 4, 1, 12)],
    ['2024-05-01T12:00:00.5Z', Date.UTC(2024, 4, 1, 12, 0, 0, 500)],
    ['2024-05-01T12:00:00.123999999999999999999Z', Date.UTC(2024, 4, 1, 12, 0, 0, 123)],
    ['2024-05-01T12:00:00+05:45', Date.UTC(2024, 4, 1, 6, 15)],
    ['2024-05-01T00:30:00-23:59', Date.UTC(2024, 4, 2, 0, 29)],
    ['2024-05-01T12:00:00-00:00', Date.UTC(2024, 4, 1, 12)],
    ['2024-02-29T23:59:59.999Z', Date.UTC(2024, 1, 29, 23, 59, 59, 999)],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    ['1970-01-01T00:00:00Z', 0],
    ['0000-01-01T00:00:00Z', -62_167_219_200_000],
    ['9999-12-31T23:59:59Z', 253_402_300_799_000],
  ])('reads %s', (text, ms) => {
    expect(parse(text)).toBe(ms);
  });

  test.each([
    '', 'Z', '2024-05-01', '2024-05-01T12:00:00', '2024-05-01T12:00Z', '2024-05-01T12:00:60Z', '2024-05-01T24:00:00Z', '2024-05-01T12:60:00Z',
    '2023-02-29T00:00:00Z', '2100-02-29T00:00:00Z', '2024-04-31T00:00:00Z', '2024-13-01T00:00:00Z', '2024-00-01T00:00:00Z', '2024-01-00T00:00:00Z',
    '2024-05-01T12:00:00.Z', '2024-05-01T12:00:00,5Z', '2024-05-01T12:00:00+0545', '2024-05-01T12:00:00+24:00', '2024-05-01T12:00:00+12:60', '2024-05-01T12:00:00+12',
    '2024-05-01T12:00:00ZZ', ' 2024-05-01T12:00:00Z', '2024-5-01T12:00:00Z', '24-05-01T12:00:00Z', '+2024-05-01T12:00:00Z', '1714564800000', '2024/05/01T12:00:00Z', '2024-05-01_12:00:00Z',
  ])('refuses %j', (text) => {
    expect(parse(text)).toBeNull();
  });

  test('agrees with a regular expression and Date on every day, also when days alternate', () => {
    const two = (value: number) => String(value).padStart(2, '0');
    fc.assert(
      fc.property(fc.nat(9999), fc.nat(13), fc.nat(32), fc.nat(24), fc.nat(60), fc.constantFrom('Z', '+01:00', '-09:30', ''), (year, month, day, hour, second, zone) => {
        const text = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:30:${two(second)}${zone}`;
        expect(parse(text)).toBe(parseTimestamp(text));
      }),
      { numRuns: 5000 },
    );
  });

  test('a refused date does not leak into the next timestamp', () => {
    expect(parse('2024-02-28T00:00:00Z')).toBe(Date.UTC(2024, 1, 28));
    expect(parse('2024-02-30T00:00:00Z')).toBeNull();
    expect(parse('2024-02-30T00:00:00Z')).toBeNull();
    expect(parse('2024-02-28T00:00:00Z')).toBe(Date.UTC(2024, 1, 28));
  });
});
