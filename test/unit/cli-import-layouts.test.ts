import { describe, expect, it } from 'vitest';
import { detectDelimiter } from '../../src/cli/import/delimited-file.ts';
import type { ImportPlan } from '../../src/cli/import/import-plan.ts';
import { AckWatermark, FILE_START } from '../../src/cli/import/import-state.ts';
import { ZoneClock, timeParser } from '../../src/cli/import/local-time.ts';
import { RowReader } from '../../src/cli/import/row-reader.ts';

const QUARTER_MS = 900_000;

function read(plan: Partial<ImportPlan>, rows: string[], from = FILE_START) {
  const reader = new RowReader({ preset: null, flags: { region: 'r', ...plan }, from, maxErrors: 1_000 });
  rows.forEach((row, i) => reader.row(row.split(','), i + 1));
  const taken = reader.pending === 0 ? [] : reader.take(reader.pending).readings;
  return { readings: taken, reader };
}

describe('times in a file', () => {
  const wall = (format: string, text: string) => timeParser(format)(text)?.wallMs;

  it('are read by pattern, with or without leading zeros', () => {
    expect(wall('DD/MM/YYYY HH:mm:ss', '19/1/2007 08:25:00')).toBe(Date.UTC(2007, 0, 19, 8, 25));
    expect(wall('YYYYMMDDHHmm', '200701190825')).toBe(Date.UTC(2007, 0, 19, 8, 25));
    expect(wall('DD.MM.YYYY', '31.12.2025')).toBe(Date.UTC(2025, 11, 31));
  });

  it('are read as ISO with date alone, minutes, fractions, and offsets that win over the zone', () => {
    expect(wall('iso', '2006-12-16 17:24:00')).toBe(Date.UTC(2006, 11, 16, 17, 24));
    expect(wall('iso', '2006-12-16')).toBe(Date.UTC(2006, 11, 16));
    expect(wall('iso', '2006-12-16T24:00')).toBe(Date.UTC(2006, 11, 17));
    expect(timeParser('iso')('2006-12-16T17:24:00.5+10:00')).toEqual({ wallMs: Date.UTC(2006, 11, 16, 17, 24, 0, 500), offsetMs: 36_000_000 });
    expect(timeParser('epoch-s')('1166286240')).toEqual({ wallMs: 1_166_286_240_000, offsetMs: 0 });
  });

  it('are refused when the calendar has no such day or the clock no such minute', () => {
    for (const text of ['2026-02-29', '2026-13-01', '2026-01-01 24:01', '2026-01-01 12:60', '', 'yesterday', '2026-1-1']) expect(timeParser('iso')(text)).toBeNull();
    expect(() => timeParser('HH:mm')).toThrow(/not a time format/);
  });
});

describe('a zone clock', () => {
  const day = (zone: string, y: number, m: number, d: number) => {
    const clock = new ZoneClock(zone);
    return clock.toEpochMs(Date.UTC(y, m, d + 1), null)! - clock.toEpochMs(Date.UTC(y, m, d), null)!;
  };

  it('knows days of 92, 96 and 100 quarter-hours', () => {
    expect(day('Europe/Paris', 2026, 2, 29) / QUARTER_MS).toBe(92);
    expect(day('Europe/Paris', 2026, 3, 1) / QUARTER_MS).toBe(96);
    expect(day('Europe/Paris', 2026, 9, 25) / QUARTER_MS).toBe(100);
    expect(day('Australia/Lord_Howe', 2026, 3, 5) / QUARTER_MS).toBe(98);
    expect(day('+10:00', 2026, 2, 29) / QUARTER_MS).toBe(96);
  });

  it('agrees with fixed offsets and with half-hour zones', () => {
    expect(new ZoneClock('+10:00').toEpochMs(Date.UTC(2026, 0, 1), null)).toBe(Date.UTC(2025, 11, 31, 14));
    expect(new ZoneClock('UTC').toEpochMs(Date.UTC(2026, 0, 1), null)).toBe(Date.UTC(2026, 0, 1));
    expect(new ZoneClock('Asia/Kolkata').toEpochMs(Date.UTC(2026, 0, 1), null)).toBe(Date.UTC(2025, 11, 31, 18, 30));
  });

  it('keeps all 100 quarter-hours of an autumn day that a file has in order', () => {
    const clock = new ZoneClock('Europe/Paris');
    const quarters: number[] = [];
    for (let at = 0; at < 12; at++) quarters.push(Date.UTC(2026, 9, 25) + at * QUARTER_MS);
    for (let at = 8; at < 96; at++) quarters.push(Date.UTC(2026, 9, 25) + at * QUARTER_MS);
    let previous: number | null = null;
    const instants = quarters.map((wallMs) => (previous = clock.toEpochMs(wallMs, previous)!));
    const first = Date.UTC(2026, 9, 24, 22);
    expect(instants).toEqual(Array.from({ length: 100 }, (_, i) => first + i * QUARTER_MS));
  });

  it('takes a repeated hour that the file has once as the first', () => {
    expect(new ZoneClock('Europe/Paris').toEpochMs(Date.UTC(2026, 9, 25, 2, 30), null)).toBe(Date.UTC(2026, 9, 25, 0, 30));
  });

  it('has no time for the hour that clocks skip', () => {
    const clock = new ZoneClock('Europe/Paris');
    expect(clock.toEpochMs(Date.UTC(2026, 2, 29, 2, 30), null)).toBeNull();
    expect(clock.toEpochMs(Date.UTC(2026, 2, 29, 3), null)).toBe(Date.UTC(2026, 2, 29, 1));
    expect(() => new ZoneClock('Mars/Olympus')).toThrow(/not a time zone/);
  });
});

describe('a long file', () => {
  const plan: Partial<ImportPlan> = { meterColumn: 'id', timeColumn: 'at', powerColumn: 'p', voltageColumn: 'v', zone: 'UTC' };

  it('gives a reading a row, leaves out what is missing, and counts what cannot be read by line', () => {
    const { readings, reader } = read(plan, ['id,at,p,v', 'm1,2026-01-01 00:00,1.5,230', 'm1,2026-01-01 00:01,?,230', 'm1,2026-01-01 00:02,0,', 'm1,never,1,1', 'm 1,2026-01-01 00:03,1,1', 'm1,2026-01-01 00:03,0x10,1', 'm1']);
    expect(readings).toEqual([
      { meterId: 'm1', region: 'r', timestamp: Date.UTC(2026, 0, 1), powerKw: 1.5, voltage: 230 },
      { meterId: 'm1', region: 'r', timestamp: Date.UTC(2026, 0, 1, 0, 2), powerKw: 0 },
    ]);
    expect(reader.missing).toBe(1);
    expect(reader.badRows.map(({ line }) => line)).toEqual([5, 6, 7, 8]);
    expect(reader.badRows[0].reason).toContain('"never"');
  });

  it('turns units into kW and kWh', () => {
    const at = '2026-01-01 00:00';
    const one = (extra: Partial<ImportPlan>) => read({ meter: 'm', timeColumn: 'at', ...extra }, ['at,x,y', `${at},250,1500`]).readings[0];
    expect(one({ energyColumn: 'x', energyUnit: 'Wh', intervalMs: QUARTER_MS })).toMatchObject({ powerKw: 1, energyKwh: 0.25 });
    expect(one({ energyColumn: 'x', energyUnit: 'kWh', intervalMs: 1_800_000 })).toMatchObject({ powerKw: 500, energyKwh: 250 });
    expect(one({ powerColumn: 'y', powerUnit: 'W' })).toEqual({ meterId: 'm', region: 'r', timestamp: Date.UTC(2026, 0, 1), powerKw: 1.5 });
    expect(one({ energyColumn: 'x', energyUnit: 'Wh', powerColumn: 'y', powerUnit: 'W', intervalMs: QUARTER_MS })).toMatchObject({ powerKw: 1.5, energyKwh: 0.25 });
  });

  it('stamps a reading with the start of its interval also when the file stamps the end', () => {
    const { readings } = read({ ...plan, timestamps: 'end', intervalMs: QUARTER_MS }, ['id,at,p,v', 'm1,2026-01-01 24:00,1,']);
    expect(readings[0].timestamp).toBe(Date.UTC(2026, 0, 1, 23, 45));
  });

  it('tells repeated hours apart for each meter on its own', () => {
    const rows = ['2026-10-25 02:00', '2026-10-25 02:30', '2026-10-25 02:00', '2026-10-25 02:30'].flatMap((at) => [`a,${at},1,`, `b,${at},1,`]);
    const { readings } = read({ ...plan, zone: 'Europe/Paris' }, ['id,at,p,v', ...rows]);
    for (const meterId of ['a', 'b']) {
      const minutes = readings.filter((reading) => reading.meterId === meterId).map((reading) => (reading.timestamp - Date.UTC(2026, 9, 25)) / 60_000);
      expect(minutes).toEqual([0, 30, 60, 90]);
    }
  });

  it('takes the region from its column, the map, or the option', () => {
    const rows = ['id,at,p,area', 'a,2026-01-01,1,north', 'b,2026-01-01,1,no/name'];
    const base: Partial<ImportPlan> = { meterColumn: 'id', timeColumn: 'at', powerColumn: 'p' };
    const byColumn = read({ ...base, regionColumn: 'area' }, rows);
    expect(byColumn.readings.map(({ region }) => region)).toEqual(['north']);
    expect(byColumn.reader.bad).toBe(1);
    expect(read({ ...base, regionMap: new Map([['b', 'south']]) }, rows).readings.map(({ region }) => region)).toEqual(['r', 'south']);
  });
});

describe('a wide file', () => {
  it('with a column a meter gives a reading a cell', () => {
    const { readings, reader } = read({ layout: 'wide-meters', timeColumn: 'ts', unit: 'kWh', intervalMs: 1_800_000, meterPrefix: 'x-' }, ['ts,A,B', '2026-01-01 00:00,0.5,', '2026-01-01 00:30,zero,0', '2026-01-01 01:00,1']);
    expect(readings).toEqual([
      { meterId: 'x-A', region: 'r', timestamp: Date.UTC(2026, 0, 1), powerKw: 1, energyKwh: 0.5 },
      { meterId: 'x-B', region: 'r', timestamp: Date.UTC(2026, 0, 1, 0, 30), powerKw: 0, energyKwh: 0 },
    ]);
    expect([reader.missing, reader.bad]).toEqual([1, 2]);
  });

  it('with a column an interval counts elapsed time from the local start, through a change of clocks', () => {
    const plan: Partial<ImportPlan> = { layout: 'wide-intervals', meterColumn: 'id', dateColumn: 'day', firstInterval: 'V1', intervalMs: QUARTER_MS, unit: 'kWh', zone: 'Europe/Paris' };
    const header = ['id', 'day', ...Array.from({ length: 100 }, (_, i) => `V${i + 1}`)].join(',');
    const row = (day: string, quarters: number) => ['m', day, ...Array.from({ length: quarters }, () => '1')].join(',');
    const { readings } = read(plan, [header, row('2026-03-29', 92), row('2026-03-30', 96), row('2026-10-25', 100), row('2026-10-26', 96)]);
    const stamps = readings.map((reading) => reading.timestamp);
    expect(stamps).toHaveLength(384);
    expect(new Set(stamps).size).toBe(384);
    expect(stamps[92] - stamps[0]).toBe(92 * QUARTER_MS);
    expect(stamps[92] - stamps[91]).toBe(QUARTER_MS);
    expect(stamps[288] - stamps[287]).toBe(QUARTER_MS);
  });

  it('finds the start of a row by its period', () => {
    const plan: Partial<ImportPlan> = { layout: 'wide-intervals', meterColumn: 'id', periodColumn: 'week', periodStarts: new Map([['w1', '2026-01-05']]), firstInterval: 'V1', intervalMs: QUARTER_MS, unit: 'kW' };
    const { readings, reader } = read(plan, ['week,id,V1,V2', 'w1,m,1,-2', 'w9,m,1,2']);
    expect(readings.map(({ timestamp, powerKw }) => [timestamp, powerKw])).toEqual([[Date.UTC(2026, 0, 5), 1], [Date.UTC(2026, 0, 5, 0, 15), -2]]);
    expect(reader.badRows).toEqual([{ line: 3, reason: 'period "w9" has no --period-start' }]);
  });

  it('continues at any item of the file with exactly the readings that were left', () => {
    const plan: Partial<ImportPlan> = { layout: 'wide-meters', timeColumn: 'ts', unit: 'kW' };
    const rows = ['ts,A,B,C', '2026-01-01 00:00,1,?,3', '2026-01-01 00:01,x,5,6', '2026-01-01 00:02,7,8,?'];
    const all = read(plan, rows).readings;
    for (let count = 1; count <= all.length; count++) {
      const reader = new RowReader({ preset: null, flags: { region: 'r', ...plan }, from: FILE_START, maxErrors: 9 });
      rows.forEach((row, i) => reader.row(row.split(','), i + 1));
      expect(read(plan, rows, reader.take(count).end).readings).toEqual(all.slice(count));
    }
  });
});

describe('a plan that does not fit', () => {
  it('is refused with every fault, and with the columns there are', () => {
    expect(() => read({ layout: 'wide-intervals', region: 'r' }, ['a,b'])).toThrow(/--meter-column.*--first-interval.*--interval.*--start/);
    expect(() => read({ meter: 'm', timeColumn: 'at', powerColumn: 'kw' }, ['at,power'])).toThrow('the file has no column "kw"; it has at, power');
    expect(() => read({ layout: 'wide-meters', timeColumn: 'at', unit: 'kW' }, ['at,A,A'])).toThrow(/two columns/);
    expect(() => read({ meter: 'm', timeColumn: 'at', energyColumn: 'e' }, ['at,e'])).toThrow(/--interval/);
  });
});

describe('small parts of the import', () => {
  it('finds the delimiter of the first line outside quotes', () => {
    expect(detectDelimiter(Buffer.from('a;"b,c,d,e";c\n1,1;2;3\n'))).toBe(';');
    expect(detectDelimiter(Buffer.from('a\tb\n'))).toBe('\t');
    expect(detectDelimiter(Buffer.from('single\n'))).toBe(',');
  });

  it('moves the watermark only over what is acknowledged without a gap', () => {
    const watermark = new AckWatermark({ row: 0, items: 0 });
    const [first, second, third] = [1, 2, 3].map((row) => watermark.sent({ row, items: 0 }));
    second();
    expect(watermark.position.row).toBe(0);
    first();
    expect(watermark.position.row).toBe(2);
    third();
    expect(watermark.position.row).toBe(3);
  });
});
