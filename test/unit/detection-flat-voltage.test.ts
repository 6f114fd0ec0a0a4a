import { describe, expect, it } from 'vitest';
import { messageOf } from '../../src/actors/shard/detection/anomaly-message.ts';
import { openKinds } from '../../src/actors/shard/detection/episodes.ts';
import { DAY_MS, DetectionMeter, MINUTE_MS } from './detection-meter.ts';

describe('flat line', () => {
  it('opens after an hour of the same value on a meter that varied, and ends with the first other one', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 300);
    const begun = meter.nextMs;
    meter.feedTimes(2.05, 59);
    expect(meter.events).toEqual([]);
    meter.feedTimes(2.05, 41);
    const over = meter.nextMs;
    meter.feedAround(2, 5);
    expect(meter.events).toMatchObject([
      { what: 'opened', kind: 'flat_line', severity: 'WARN', startedAt: begun, value: 2.05, at: begun + 59 * MINUTE_MS },
      { what: 'ended', kind: 'flat_line', startedAt: begun, endedAt: over, reason: 'recovered' },
    ]);
  });

  it('is none where readings within the minutes differ, or where the meter never varied', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 300);
    meter.feedTimes(2.05, 200, { minPowerKw: 2, maxPowerKw: 2.1 });
    expect(meter.events).toEqual([]);
    const constant = new DetectionMeter();
    constant.feedTimes(2.05, 3000);
    expect(constant.events).toEqual([]);
  });

  it('freezes the baseline, so that a stuck day does not make ordinary variation an alarm', () => {
    const meter = new DetectionMeter();
    for (let i = 0; i < 2000; i++) meter.feed(2 + Math.sin(i / 50));
    meter.feedTimes(2.05, 5 * 1440);
    for (let i = 0; i < 2000; i++) meter.feed(2 + Math.sin(i / 50));
    expect(meter.events.map((event) => [event.what, event.kind])).toEqual([
      ['opened', 'flat_line'],
      ['ended', 'flat_line'],
    ]);
  });

  it('a day seen in part only, because the register was stuck, is no record of how low the meter goes', () => {
    const meter = new DetectionMeter({ config: { warmupWindows: 180 } });
    const cyclic = (): number => (meter.nextMs % (3 * 60 * MINUTE_MS) < 60 * MINUTE_MS ? 4 : 0.3);
    for (let i = 0; i < 4 * 1440 - 30; i++) meter.feedAround(cyclic(), 1);
    meter.feedTimes(4, 1440);
    meter.feedAround(4, 40);
    for (let i = 0; i < 600; i++) meter.feedAround(cyclic(), 1);
    expect(meter.events.map((event) => [event.what, event.kind])).toEqual([
      ['opened', 'flat_line'],
      ['ended', 'flat_line'],
    ]);
  });

  it('half-hourly meters need sixty windows too: thirty hours', () => {
    const meter = new DetectionMeter({ spacingMs: 30 * MINUTE_MS });
    meter.feedAround(2, 300);
    meter.feedTimes(2.05, 59);
    expect(meter.events).toEqual([]);
    meter.feedTimes(2.05, 1);
    expect(openKinds(meter.cells)).toEqual(['flat_line']);
  });

  it('zeros count for a meter that was never at zero, and not for one that was, like solar at night', () => {
    const busy = new DetectionMeter();
    busy.feedAround(2, 300);
    busy.feedTimes(0, 70, { voltageAvg: 230 });
    expect(busy.of('flat_line')).toHaveLength(1);

    const solar = new DetectionMeter();
    for (let i = 0; i < 5 * 1440; i++) solar.feed(-3 * Math.max(0, Math.sin((2 * Math.PI * i) / 1440)));
    expect(solar.of('flat_line')).toEqual([]);
  });

  it('a machine that holds its level every day is not told, and still when it sticks for two days', () => {
    const meter = new DetectionMeter();
    for (let day = 0; day < 6; day++) {
      meter.feedTimes(20, 600);
      meter.feedAround(60, 840);
    }
    expect(meter.of('flat_line')).toEqual([]);
    const stuck = meter.nextMs;
    meter.feedTimes(20, 3000);
    expect(meter.of('flat_line')).toMatchObject([{ what: 'opened', startedAt: stuck }]);
    expect(meter.of('flat_line')[0].at - stuck).toBeLessThanOrEqual(2 * DAY_MS);
  });

  it('a stretch that comes back at the same level becomes a habit; a register that sticks where it stands is told each time', () => {
    const machine = new DetectionMeter();
    const stuck = new DetectionMeter();
    for (let day = 0; day < 6; day++) {
      machine.feedAround(3, 1140);
      machine.feedTimes(2, 300);
      stuck.feedAround(3, 1140);
      stuck.feedTimes(3 + day / 100, 300);
    }
    expect(machine.of('flat_line').filter((event) => event.what === 'opened')).toHaveLength(2);
    expect(stuck.of('flat_line').filter((event) => event.what === 'opened')).toHaveLength(6);
  });
});

describe('voltage band', () => {
  it('opens after two windows beyond ±10 %, ends after two within ±9 %', () => {
    const meter = new DetectionMeter();
    const begun = meter.nextMs;
    meter.feedAround(2, 1, { voltageAvg: 256 });
    expect(meter.events).toEqual([]);
    meter.feedAround(2, 1, { voltageAvg: 256 });
    meter.feedAround(2, 5, { voltageAvg: 252 });
    meter.feedAround(2, 1, { voltageAvg: 230 });
    meter.feedAround(2, 1, { voltageAvg: 252 });
    expect(meter.events).toMatchObject([{ what: 'opened', kind: 'voltage_band', basis: 'nominal', severity: 'WARN', startedAt: begun, value: 256, expected: 230 }]);
    const over = meter.nextMs;
    meter.feedAround(2, 2, { voltageAvg: 231 });
    expect(meter.events[1]).toMatchObject({ what: 'ended', kind: 'voltage_band', startedAt: begun, endedAt: over, reason: 'recovered' });
  });

  it('a single window out of band, and exactly ±10 %, are none', () => {
    const meter = new DetectionMeter();
    for (let i = 0; i < 10; i++) {
      meter.feed(2, { voltageAvg: 200 });
      meter.feed(2, { voltageAvg: 230 });
    }
    meter.feedTimes(2, 5, { voltageAvg: 253 });
    meter.feedTimes(2, 5, { voltageAvg: 207 });
    expect(meter.events).toEqual([]);
  });

  it('becomes CRITICAL at 15 %', () => {
    const meter = new DetectionMeter();
    meter.feedTimes(2, 3, { voltageAvg: 205 });
    meter.feedTimes(2, 3, { voltageAvg: 190 });
    expect(meter.events.map((event) => [event.what, event.severity])).toEqual([
      ['opened', 'WARN'],
      ['changed', 'CRITICAL'],
    ]);
  });

  it('no voltage, or one near zero, neither opens nor ends an episode', () => {
    const meter = new DetectionMeter();
    meter.feedTimes(2, 20, { voltageAvg: 0 });
    meter.feedTimes(2, 20, { voltageAvg: NaN });
    expect(meter.events).toEqual([]);
    meter.feedTimes(2, 2, { voltageAvg: 270 });
    meter.feedTimes(2, 20, { voltageAvg: NaN });
    expect(openKinds(meter.cells)).toEqual(['voltage_band']);
  });
});

describe('messages', () => {
  it.each([
    [messageOf('drop', 'hour_of_day', 0.2, 3.14), '0.2 kW where 3.1 kW is usual at this hour'],
    [messageOf('drop', 'hour_of_week', 0.2, 3.14), '0.2 kW where 3.1 kW is usual at this hour of the week'],
    [messageOf('spike', 'recent', 120, 3), '120 kW where 3 kW is usual for this meter'],
    [messageOf('outage', 'silent', 0, 1.26), 'no readings any more, where 1.3 kW was usual'],
    [messageOf('outage', 'dark', 0.0121, 1.26), 'no power (0.012 kW where 1.3 kW is usual) while neighbours have it'],
    [messageOf('flat_line', 'recent', 0.5, 1.2), "every reading is 0.5 kW, although this meter's power varies"],
    [messageOf('voltage_band', 'nominal', 260.4, 230), '260.4 V, 13.2 % above the nominal 230 V'],
    [messageOf('voltage_band', 'nominal', 200, 230), '200 V, 13 % below the nominal 230 V'],
    [messageOf('spike', 'recent', -0.0001, 3), '0 kW where 3 kW is usual for this meter'],
  ])('%s', (message, expected) => {
    expect(message).toBe(expected);
  });
});
