import { describe, expect, it } from 'vitest';
import { BinaryCopy, ValueRefused } from '../../src/actors/sinks/timescale/binary-copy.ts';

const HEADER = '5047434f50590aff0d0a00' + '00000000' + '00000000';
const END = 'ffff';

function written(write: (copy: BinaryCopy) => void): string {
  const copy = new BinaryCopy();
  copy.begin();
  write(copy);
  const hex = copy.finish().toString('hex');
  expect(hex.startsWith(HEADER)).toBe(true);
  expect(hex.endsWith(END)).toBe(true);
  return hex.slice(HEADER.length, -END.length);
}

describe('rows in the binary COPY format', () => {
  it('hold each type as PostgreSQL sends it', () => {
    expect(written((copy) => copy.row(3))).toBe('0003');
    expect(written((copy) => copy.null())).toBe('ffffffff');
    expect(written((copy) => copy.text('ab'))).toBe('00000002' + '6162');
    expect(written((copy) => copy.text('aé電'))).toBe('00000006' + '61c3a9e99bbb');
    expect(written((copy) => copy.textOrNull(null))).toBe('ffffffff');
    expect(written((copy) => copy.utf8(Buffer.from('xabx'), 1, 2))).toBe('00000002' + '6162');
    expect(written((copy) => copy.float8(-1.5, 'c'))).toBe('00000008' + 'bff8000000000000');
    expect(written((copy) => copy.float8OrNull(NaN, 'c'))).toBe('ffffffff');
    expect(written((copy) => copy.float8OrNull(null, 'c'))).toBe('ffffffff');
    expect(written((copy) => copy.int4(-2, 'c'))).toBe('00000004' + 'fffffffe');
    expect(written((copy) => copy.bool(true))).toBe('00000001' + '01');
    expect(written((copy) => copy.bool(false))).toBe('00000001' + '00');
  });

  it('count time in microseconds from the year 2000, before it as well', () => {
    expect(written((copy) => copy.timestamptz(Date.UTC(2000, 0, 1), 'c'))).toBe('00000008' + '0000000000000000');
    expect(written((copy) => copy.timestamptz(Date.UTC(2000, 0, 1) + 1, 'c'))).toBe('00000008' + '00000000000003e8');
    expect(written((copy) => copy.timestamptz(Date.UTC(2000, 0, 1) - 1, 'c'))).toBe('00000008' + 'fffffffffffffc18');
    for (const time of [Date.UTC(2026, 5, 1, 12, 34), 4e12, 0]) {
      const expected = Buffer.alloc(8);
      expected.writeBigInt64BE(BigInt(time - Date.UTC(2000, 0, 1)) * 1000n);
      expect(written((copy) => copy.timestamptz(time, 'c'))).toBe('00000008' + expected.toString('hex'));
    }
  });

  it('refuse what a column cannot hold', () => {
    const copy = new BinaryCopy();
    copy.begin();
    for (const value of [NaN, Infinity, -Infinity]) expect(() => copy.float8(value, 'avg_power_kw')).toThrow(new ValueRefused(`avg_power_kw is ${value}`));
    for (const value of [0.5, NaN, 2 ** 31, -(2 ** 31)]) expect(() => copy.int4(value, 'count')).toThrow(ValueRefused);
    for (const value of [0.5, NaN, 1e300]) expect(() => copy.timestamptz(value, 'window_start')).toThrow(ValueRefused);
  });

  it('hold decimals digit by digit, in groups of four from the point', () => {
    const numeric = (text: string) => written((copy) => copy.numeric(text, 'c'));
    // Length; number of groups, weight of the first, sign, decimal places; groups.
    expect(numeric('0')).toBe('0000000a' + '0001' + '0000' + '0000' + '0000' + '0000');
    expect(numeric('1')).toBe('0000000a' + '0001' + '0000' + '0000' + '0000' + '0001');
    expect(numeric('-12345.678')).toBe('0000000e' + '0003' + '0001' + '4000' + '0003' + '0001' + '0929' + '1a7c');
    expect(numeric('0.00000001')).toBe('0000000e' + '0003' + '0000' + '0000' + '0008' + '0000' + '0000' + '0001');
    for (const text of ['', '.5', '1.', '1e3', 'NaN', '1'.repeat(16), `0.${'1'.repeat(15)}`, '١']) expect(() => numeric(text)).toThrow(ValueRefused);
  });

  it('count days from the year 2000', () => {
    const date = (text: string) => written((copy) => copy.date(text, 'c'));
    expect(date('2000-01-01')).toBe('00000004' + '00000000');
    expect(date('1999-12-31')).toBe('00000004' + 'ffffffff');
    expect(date('2026-07-01')).toBe('00000004' + (Date.UTC(2026, 6, 1) / 86_400_000 - 10_957).toString(16).padStart(8, '0'));
    expect(written((copy) => copy.dateOrNull(null, 'c'))).toBe('ffffffff');
    for (const text of ['', '2026-7-1', '2026-13-01', '2026-02-30T00', '2026-07-01T00:00']) expect(() => date(text)).toThrow(ValueRefused);
  });

  it('may be more than a buffer held so far, and begin anew', () => {
    const copy = new BinaryCopy();
    const long = 'é'.repeat(100_000);
    for (const text of [long, 'b']) {
      copy.begin();
      copy.row(2);
      for (let n = 0; n < 2; n++) copy.text(text);
      const bytes = Buffer.from(text);
      const length = bytes.length.toString(16).padStart(8, '0');
      expect(copy.finish().toString('hex')).toBe(`${HEADER}0002${`${length}${bytes.toString('hex')}`.repeat(2)}${END}`);
    }
  });
});
