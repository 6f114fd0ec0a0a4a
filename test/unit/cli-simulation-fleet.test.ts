import { describe, expect, it } from 'vitest';
import { Delivery } from '../../src/cli/simulate/delivery.ts';
import { DueQueue } from '../../src/cli/simulate/due-queue.ts';
import type { FleetOptions } from '../../src/cli/simulate/fleet.ts';
import { Fleet } from '../../src/cli/simulate/fleet.ts';
import type { SimulationMode } from '../../src/cli/simulate/scenario.ts';
import type { WireElement, WireReading } from '../../src/cli/wire-reading.ts';
import { isSpoiled } from '../../src/cli/wire-reading.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 14, 12);

function fleetOptions(overrides: Partial<FleetOptions> = {}, ...modes: SimulationMode[]): FleetOptions {
  return { seed: 1, regions: 10, meters: 100, intervalMs: 60_000, startMs: START_MS, endMs: START_MS + 4 * HOUR_MS, onsetMs: HOUR_MS, modes: new Set(modes), ...overrides };
}

function readAll(options: FleetOptions): WireReading[] {
  const fleet = new Fleet(options);
  const readings: WireReading[] = [];
  while (fleet.nextTimeMs < Infinity) {
    const reading = fleet.step();
    if (reading !== null) readings.push(reading);
  }
  return readings;
}

function deliverAll(batchSize: number, stepMs: number, format: 'json' | 'ndjson' | 'msgpack', ...modes: SimulationMode[]): WireElement[] {
  const options = fleetOptions({}, ...modes);
  const delivery = new Delivery(new Fleet(options), START_MS, { seed: 1, modes: options.modes, format, settledAfter: 1_500 });
  const elements: WireElement[] = [];
  for (let nowMs = START_MS; delivery.nextDueMs !== Infinity; nowMs += stepMs) {
    for (let batch = delivery.next(batchSize, nowMs); batch.length > 0; batch = delivery.next(batchSize, nowMs)) {
      expect(batch.length).toBeLessThanOrEqual(batchSize);
      elements.push(...batch);
    }
  }
  return elements;
}

function groupBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

const key = (reading: WireReading) => `${reading.meterId} ${reading.timestamp}`;
const byMeter = (readings: WireReading[]) => groupBy(readings, (reading) => reading.meterId);
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe('a simulated fleet', () => {
  it('gives the same readings for the same options, and others for another seed', () => {
    const modes: SimulationMode[] = ['peak', 'outage', 'theft', 'clock-drift'];
    expect(readAll(fleetOptions({}, ...modes))).toEqual(readAll(fleetOptions({}, ...modes)));
    expect(readAll(fleetOptions({ seed: 2 }))).not.toEqual(readAll(fleetOptions()));
  });

  it('spreads the meters over the regions and reads each once an interval, in order of time, with rising seq', () => {
    const readings = readAll(fleetOptions());
    expect(readings).toHaveLength(100 * 240);
    expect(readings.every((reading, i) => i === 0 || reading.timestamp >= readings[i - 1].timestamp)).toBe(true);
    expect(new Set(readings.map((reading) => reading.region)).size).toBe(10);
    for (const [, series] of byMeter(readings)) {
      expect(series.map((reading) => reading.seq)).toEqual(series.map((_, i) => i + 1));
      expect(series.every((reading, i) => i === 0 || reading.timestamp - series[i - 1].timestamp === 60_000)).toBe(true);
    }
  });

  it('counts the energy of the power it shows: the sums agree to a milliwatt-hour over any length of time', () => {
    for (const [, series] of byMeter(readAll(fleetOptions({ intervalMs: 10_000 })))) {
      const powerTimesTime = series.reduce((kwh, reading) => kwh + reading.powerKw * (10_000 / HOUR_MS), 0);
      const counted = series.reduce((kwh, reading) => kwh + reading.energyKwh!, 0);
      expect(Math.abs(counted - powerTimesTime)).toBeLessThan(2e-6);
      for (const reading of series) expect(Math.abs(reading.energyKwh! - reading.powerKw * (10_000 / HOUR_MS))).toBeLessThan(1.1e-6);
    }
  });

  it('looks like households: evening above night, winter above summer, some export at noon in June, voltage and frequency near nominal', () => {
    const day = (startMs: number) => readAll(fleetOptions({ startMs, endMs: startMs + 24 * HOUR_MS, intervalMs: 600_000 }));
    const winter = day(Date.UTC(2026, 0, 14));
    const summer = day(Date.UTC(2026, 5, 17));
    const atHour = (readings: WireReading[], hour: number) => readings.filter((reading) => new Date(reading.timestamp).getUTCHours() === hour).map((reading) => reading.powerKw);
    expect(mean(atHour(winter, 19))).toBeGreaterThan(2.5 * mean(atHour(winter, 3)));
    expect(mean(atHour(winter, 3))).toBeGreaterThan(mean(atHour(summer, 3)));
    expect(atHour(summer, 12).some((powerKw) => powerKw < -0.5)).toBe(true);
    expect(atHour(winter, 19).filter((powerKw) => powerKw > 0).length).toBeGreaterThan(500);
    for (const { voltage, frequency, powerFactor } of [...winter, ...summer]) {
      expect(Math.abs(voltage! - 230)).toBeLessThan(8);
      expect(Math.abs(frequency! - 50)).toBeLessThanOrEqual(0.0201);
      expect(powerFactor).toBeLessThanOrEqual(1);
    }
  });

  it('changes nothing before the onset, whatever the mode', () => {
    const before = (readings: WireReading[]) => readings.filter((reading) => reading.timestamp < START_MS + HOUR_MS);
    expect(before(readAll(fleetOptions({}, 'peak', 'outage', 'theft')))).toEqual(before(readAll(fleetOptions())));
  });

  it('peak: drives one region at a time to more than twice its load', () => {
    const load = (readings: WireReading[]) => {
      const loads = new Map<string, number>();
      for (const reading of readings) {
        const slot = `${reading.region} ${Math.floor(reading.timestamp / 60_000)}`;
        loads.set(slot, (loads.get(slot) ?? 0) + reading.powerKw);
      }
      return loads;
    };
    const plain = load(readAll(fleetOptions()));
    const peaked = [...load(readAll(fleetOptions({}, 'peak')))].filter(([slot, loadKw]) => loadKw > plain.get(slot)! + 20);
    const regionsByMinute = groupBy(peaked, ([slot]) => slot.split(' ')[1]);
    expect(regionsByMinute.size).toBeGreaterThan(30);
    for (const [, regions] of regionsByMinute) expect(regions).toHaveLength(1);
  });

  it('outage: a whole region goes dark or silent and comes back, and single meters fall silent', () => {
    const readings = readAll(fleetOptions({ endMs: START_MS + 12 * HOUR_MS }, 'outage'));
    const dark = readings.filter((reading) => reading.voltage === 0);
    expect(dark.length).toBeGreaterThan(10);
    expect(dark.every((reading) => reading.powerKw === 0 && reading.energyKwh === 0)).toBe(true);
    expect(readings.length).toBeLessThan(100 * 720);
    for (const [, series] of byMeter(readings)) expect(series.at(-1)!.timestamp).toBeGreaterThan(START_MS + 11.5 * HOUR_MS);
    const gaps = [...byMeter(readings).values()].filter((series) => series.some((reading, i) => i > 0 && reading.timestamp - series[i - 1].timestamp > 180_000));
    expect(gaps.length).toBeGreaterThan(10);
  });

  it('theft: a few meters show 10 to 40 % of what they would, for good, and their neighbours go on', () => {
    const honest = byMeter(readAll(fleetOptions()));
    const stolen = byMeter(readAll(fleetOptions({}, 'theft')));
    const late = (series: WireReading[]) => series.filter((reading) => reading.timestamp > START_MS + 2 * HOUR_MS && reading.powerKw > 0);
    const shares = [...stolen].map(([meterId, series]) => mean(late(series).map((r) => r.powerKw)) / mean(late(honest.get(meterId)!).map((r) => r.powerKw)));
    const thieves = shares.filter((share) => share < 0.99);
    expect(thieves.length).toBeGreaterThanOrEqual(1);
    expect(thieves.length).toBeLessThan(20);
    for (const share of thieves) expect(share).toSatisfy((s: number) => s > 0.09 && s < 0.41);
  });

  it('clock-drift: some clocks wander by minutes, at most four, and never run backwards', () => {
    const drifting = byMeter(readAll(fleetOptions({}, 'clock-drift')));
    const right = byMeter(readAll(fleetOptions()));
    const errors = [...drifting].map(([meterId, series]) => Math.max(...series.map((reading, i) => Math.abs(reading.timestamp - right.get(meterId)![i].timestamp))));
    expect(errors.filter((errorMs) => errorMs > 30_000).length).toBeGreaterThanOrEqual(1);
    expect(errors.filter((errorMs) => errorMs === 0).length).toBeGreaterThan(60);
    expect(Math.max(...errors)).toBeLessThanOrEqual(240_000);
    for (const [, series] of drifting) expect(series.every((reading, i) => i === 0 || reading.timestamp > series[i - 1].timestamp)).toBe(true);
  });
});

describe('the delivery of a fleet', () => {
  const plain = readAll(fleetOptions());

  it('hands out the same elements in the same order whatever the batches and the pace', () => {
    const modes: SimulationMode[] = ['duplicates', 'late', 'broken'];
    expect(deliverAll(500, 60_000, 'json', ...modes)).toEqual(deliverAll(7, 3_333, 'json', ...modes));
  });

  it('duplicates, late and broken leave the set of good readings as it was', () => {
    const good = deliverAll(500, 60_000, 'json', 'duplicates', 'late', 'broken').filter((element): element is WireReading => !isSpoiled(element));
    expect(new Map(good.map((reading) => [key(reading), reading]))).toEqual(new Map(plain.map((reading) => [key(reading), reading])));
    expect(good.length).toBeGreaterThan(plain.length * 1.03);
  });

  it('late: readings come minutes to hours after their time, all of a lost connection together', () => {
    const elements = deliverAll(500, 60_000, 'json', 'late') as WireReading[];
    let newest = 0;
    const behindMs = elements.map((reading) => (newest = Math.max(newest, reading.timestamp)) - reading.timestamp);
    expect(behindMs.filter((ms) => ms > 60_000).length).toBeGreaterThan(plain.length * 0.02);
    expect(Math.max(...behindMs)).toBeGreaterThan(HOUR_MS);
  });

  it('broken: spoiled elements are valid JSON in JSON bodies, and of every kind', () => {
    const spoiled = deliverAll(500, 60_000, 'json', 'broken').filter(isSpoiled);
    expect(spoiled.length).toBeGreaterThan(plain.length * 0.04);
    for (const { json } of spoiled) expect(() => JSON.parse(json) as unknown).not.toThrow();
    const texts = spoiled.map(({ json }) => json).join('\n');
    for (const sign of ['42', '1e999', '2099-', '1969-', '"status":"ok"', 'mmmmmmmm', '2026-02-30']) expect(texts).toContain(sign);
  });

  it('broken: lines that are no JSON only where they hurt no other', () => {
    const broken = (format: 'json' | 'ndjson') => deliverAll(500, 60_000, format, 'broken').filter(isSpoiled).map(({ json }) => json);
    const unparsable = (texts: string[]) => texts.filter((text) => !URL.canParse(`x:${text}`) || text.endsWith(','));
    expect(unparsable(broken('json'))).toEqual([]);
    expect(unparsable(broken('ndjson')).length).toBeGreaterThan(0);
  });
});

describe('a due queue', () => {
  it('gives back items by due time, equal ones in order of arrival, and none before its time', () => {
    const queue = new DueQueue<string>();
    for (const [dueMs, item] of [[5, 'e1'], [1, 'a'], [5, 'e2'], [3, 'c'], [2, 'b'], [5, 'e3']] as const) queue.push(dueMs, item);
    expect([queue.shift(0), queue.shift(4), queue.shift(4), queue.shift(4), queue.shift(4)]).toEqual([null, 'a', 'b', 'c', null]);
    expect([queue.shift(9), queue.shift(9), queue.shift(9), queue.shift(9)]).toEqual(['e1', 'e2', 'e3', null]);
  });
});
