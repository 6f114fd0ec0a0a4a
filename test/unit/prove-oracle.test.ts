import { beforeEach, describe, expect, test } from 'vitest';
import { Availability } from '../../src/cli/prove/availability.ts';
import { FAULT_KINDS, faultOrder } from '../../src/cli/prove/faults.ts';
import { ProofOracle, type WindowRow } from '../../src/cli/prove/oracle.ts';
import { ProofReadings, SLOTS, type ReadingName } from '../../src/cli/prove/proof-readings.ts';
import { SeededChance } from '../../src/cli/prove/seeded-chance.ts';
import { windowsOf, type OracleWindow } from '../oracle/window-oracle.ts';

/** `seg prove` is worth what its oracle notices: here an engine is made up that loses, repeats and miscounts. */

const MINUTE = 29_000_010;
const readings = new ProofReadings(3);
let oracle: ProofOracle;

function row(window: OracleWindow): WindowRow {
  return { ...window, windowStart: new Date(window.windowStart).toISOString(), windowEnd: new Date(window.windowEnd).toISOString() };
}

/** What a right engine answers that counted these. */
function answer(names: readonly ReadingName[]): [WindowRow[], WindowRow[]] {
  const sent = names.map((name) => readings.reading(name));
  return [windowsOf(sent, '1m').map(row), windowsOf(sent, '15m').map(row)];
}

function everySlot(meter: number, minutes = 3): ReadingName[] {
  return Array.from({ length: minutes * SLOTS }, (_, i) => ({ meter, minute: MINUTE + Math.floor(i / SLOTS), slot: i % SLOTS }));
}

function found(meter: number, [minutes, quarters]: [WindowRow[], WindowRow[]]): [number, number, number] {
  const { lost, duplicated, wrong } = oracle.check(meter, MINUTE, minutes, quarters);
  return [lost, duplicated, wrong];
}

beforeEach(() => {
  oracle = new ProofOracle(readings);
});

describe('the oracle of seg prove', () => {
  test.each([0, 1, 2, 3, 5, 6])('agrees with the slow oracle of the tests on every window of meter %i', (meter) => {
    const names = everySlot(meter, 40).filter((_, i) => i % 7 !== 3);
    for (const name of names) {
      oracle.sent(name);
      oracle.acknowledged(name);
    }
    const [minutes, quarters] = answer(names);
    const findings = oracle.check(meter, MINUTE, minutes, quarters);
    expect(findings.examples).toEqual([]);
    expect(findings.compared).toBe(minutes.length + quarters.length);
    expect(minutes.length).toBeGreaterThan(30);
  });

  test('counts each acknowledged reading that is in no window', () => {
    const names = everySlot(1);
    for (const name of names) {
      oracle.sent(name);
      oracle.acknowledged(name);
    }
    expect(found(1, answer(names.filter((_, i) => i !== 2 && i !== 11)))).toEqual([2, 0, 0]);
    expect(found(1, answer(names.slice(SLOTS)))).toEqual([SLOTS, 0, 0]);
    expect(found(1, [[], []])).toEqual([names.length, 0, 0]);
  });

  test('leaves readings that were not acknowledged in or out, but not out again once they were seen', () => {
    const names = everySlot(2, 1);
    for (const name of names) oracle.sent(name);
    expect(found(2, [[], []])).toEqual([0, 0, 0]);
    expect(found(2, answer(names.slice(0, 5)))).toEqual([0, 0, 0]);
    expect(found(2, answer(names))).toEqual([0, 0, 0]);
    expect(found(2, answer(names.slice(0, 6)))).toEqual([2, 0, 0]);
  });

  test('counts a reading that is in its window twice', () => {
    const names = everySlot(3, 1).slice(0, 4);
    for (const name of names) oracle.sent(name);
    const power = [...names, names[2]].map((name) => readings.reading(name).powerKw);
    const [[window], quarters] = answer(names);
    const twice = { ...window, count: 5, avgPowerKw: Number((power.reduce((a, b) => a + b, 0) / 5).toFixed(9)) };
    const [lost, duplicated] = found(3, [[twice], quarters]);
    expect([lost, duplicated]).toEqual([0, 1]);
  });

  test.each(['avgPowerKw', 'minPowerKw', 'maxPowerKw', 'energyKwhSum', 'voltageAvg', 'voltageMin', 'voltageMax', 'count'] as const)('notices %s that is off by a little', (field) => {
    const names = everySlot(2, 20);
    for (const name of names) oracle.sent(name);
    for (const which of [0, 1] as const) {
      const answers = answer(names);
      const window = answers[which][0];
      answers[which][0] = { ...window, [field]: window[field]! + (field === 'count' ? 1 : 2e-9) };
      const [lost, duplicated, wrong] = found(2, answers);
      expect(lost + duplicated + wrong, `${field} of ${window.windowStart}`).toBeGreaterThan(0);
    }
  });

  test('notices windows of readings nobody sent, in another region, or missing for a quarter', () => {
    const names = everySlot(1, 1);
    for (const name of names.slice(0, 5)) oracle.sent(name);
    expect(found(1, answer(names))[2]).toBeGreaterThan(0);
    const [minutes, quarters] = answer(names.slice(0, 5));
    expect(found(1, [[{ ...minutes[0], region: 'region-04' }], quarters])).toEqual([0, 0, 1]);
    expect(found(1, [minutes, []])).toEqual([0, 0, 1]);
    const strange = answer([{ meter: 1, minute: MINUTE + 100, slot: 0 }]);
    expect(found(1, [[...minutes, ...strange[0]], quarters])).toEqual([0, 0, 1]);
  });

  test('tells which windows have to be looked at again', () => {
    oracle.sent({ meter: 4, minute: MINUTE + 20, slot: 1 });
    oracle.sent({ meter: 4, minute: MINUTE + 2, slot: 1 });
    expect([...oracle.takeTouched()]).toEqual([[4, MINUTE]]);
    expect([...oracle.takeTouched()]).toEqual([]);
    expect([...oracle.everything()]).toEqual([[4, MINUTE]]);
    expect(oracle.isUncertain(4, MINUTE + 3)).toBe(true);
    oracle.acknowledged({ meter: 4, minute: MINUTE + 20, slot: 1 });
    expect(oracle.isUncertain(4, MINUTE + 3)).toBe(false);
  });
});

describe('a run of seg prove', () => {
  test('has every fault once before any comes again, in an order that follows from the seed', () => {
    const take = (seed: number, count: number): string[] => {
      const order = faultOrder(FAULT_KINDS, new SeededChance(seed, 0));
      return Array.from({ length: count }, () => order.next().value);
    };
    expect(new Set(take(5, FAULT_KINDS.length)).size).toBe(FAULT_KINDS.length);
    expect(take(5, 200)).toEqual(take(5, 200));
    expect(take(6, 200)).not.toEqual(take(5, 200));
    const order = faultOrder(['disk-full'], new SeededChance(1, 0));
    expect([order.next().value, order.next().value]).toEqual(['disk-full', 'disk-full']);
  });

  test('counts the longest time without an acknowledgement, and none of the time off the clock', () => {
    let nowMs = 0;
    const availability = new Availability(() => nowMs);
    const at = (ms: number, event: () => void): void => {
      nowMs = ms;
      event();
    };
    at(100, () => availability.resume());
    at(150, () => availability.acknowledged());
    at(400, () => availability.acknowledged());
    at(500, () => availability.suspend());
    at(5_000, () => availability.resume());
    at(5_200, () => availability.acknowledged());
    expect(availability.take()).toBe(250);
    at(9_000, () => availability.suspend());
    expect(availability.take()).toBe(3_800);
  });
});
