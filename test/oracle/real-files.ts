import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { OracleReading } from './window-oracle.ts';

/**
 * The real files of ../shared/data, read the straightforward way; shares no code with src/cli/import. The meters, regions and clock are those of its presets. A file is kept as
 * text, and a meter's readings are made when they are asked for, so that 2.7 million of them need not exist at once.
 */
export interface RealFile {
  meterIds: string[];
  /** In order of time. */
  readingsOf(meterId: string): OracleReading[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** All three winters lie in standard time: Paris and Zurich were one hour ahead of UTC throughout. */
const CENTRAL_EUROPE_WINTER_MS = HOUR_MS;

function linesOf(path: string): string[] {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.split('\n').map((line) => line.replace('\r', '')).filter((line) => line !== '');
}

/** Either UCI file, told apart by its separator. One meter, a minute a row; rows without a power are left out. */
export function readUci(path: string): RealFile {
  const [header, ...rows] = linesOf(path);
  const original = header.startsWith('Date;');
  const readings: OracleReading[] = [];
  for (const row of rows) {
    const cells = row.split(original ? ';' : ',');
    const [power, voltage] = original ? [cells[2], cells[4]] : [cells[1], cells[3]];
    if (power === '?' || power === '') continue;
    const [day, month, year] = original ? cells[0].split('/').map(Number) : cells[0].slice(0, 10).split('-').map(Number).reverse();
    const [hour, minute] = (original ? cells[1] : cells[0].slice(11)).split(':').map(Number);
    const timestamp = Date.UTC(year, month - 1, day, hour, minute) - CENTRAL_EUROPE_WINTER_MS;
    const reading: OracleReading = { meterId: 'uci-sceaux', region: 'sceaux', timestamp, powerKw: Number(power) };
    if (voltage !== '?' && voltage !== '') reading.voltage = Number(voltage);
    readings.push(reading);
  }
  return { meterIds: ['uci-sceaux'], readingsOf: () => readings };
}

/** 622 households, kWh per half hour, a column a meter; stamps are UTC. */
export function readEdrp(path: string): RealFile {
  const [header, ...rows] = linesOf(path);
  const names = header.split(',').slice(1);
  const timestamps = rows.map((row) => Date.parse(`${row.slice(0, 10)}T${row.slice(11, 16)}:00Z`));
  const values = rows.map((row) => Float64Array.from(row.split(',').slice(1), Number));
  return {
    meterIds: names.map((name) => `edrp-${name}`),
    readingsOf: (meterId) => {
      const column = names.indexOf(meterId.replace('edrp-', ''));
      return timestamps.map((timestamp, row) => ({ meterId, region: 'edrp-scotland', timestamp, powerKw: values[row][column] * 2, energyKwh: values[row][column] }));
    },
  };
}

/** 537 households, kWh per quarter hour, a row a meter and week; w44 begins on Monday 2018-10-29, local midnight. */
export function readSwiss(path: string): RealFile {
  const rowsOf = new Map<string, { startMs: number; values: Float64Array }[]>();
  for (const row of linesOf(path).slice(1)) {
    const cells = row.split(',');
    const startMs = Date.UTC(2018, 9, 29 + 7 * (Number(cells[0].slice(1)) - 44)) - CENTRAL_EUROPE_WINTER_MS;
    const meterId = `swiss-${cells[1]}`;
    const rows = rowsOf.get(meterId) ?? [];
    rowsOf.set(meterId, rows);
    rows.push({ startMs, values: Float64Array.from(cells.slice(2), Number) });
  }
  return {
    meterIds: [...rowsOf.keys()],
    readingsOf: (meterId) =>
      rowsOf
        .get(meterId)!
        .sort((a, b) => a.startMs - b.startMs)
        .flatMap(({ startMs, values }) =>
          Array.from(values, (kwh, quarter) => ({ meterId, region: 'swiss', timestamp: startMs + quarter * 15 * MINUTE_MS, powerKw: kwh * 4, energyKwh: kwh })),
        ),
  };
}
