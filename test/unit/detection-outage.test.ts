import { describe, expect, it } from 'vitest';
import { cadenceMs, observeArrival, observeReading } from '../../src/actors/shard/detection/cadence.ts';
import { openKinds } from '../../src/actors/shard/detection/episodes.ts';
import { observeReturn, observeSilence, silenceDeadlineMs } from '../../src/actors/shard/detection/outage.ts';
import { DAY_MS, DetectionMeter, HOUR_MS, MINUTE_MS, MONDAY_MS } from './detection-meter.ts';

function meterWithCadence(stepMs: number, steps = 20): { meter: DetectionMeter; newestMs: number } {
  const meter = new DetectionMeter();
  let newestMs = MONDAY_MS;
  for (let i = 0; i < steps; i++) {
    observeReading(meter.cells, newestMs + stepMs, newestMs);
    newestMs += stepMs;
  }
  return { meter, newestMs };
}

describe('outage by darkness', () => {
  const dark = { voltageAvg: NaN };

  it('opens after two dark windows while the neighbours have power, and ends when power is back', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 300);
    const begun = meter.nextMs;
    meter.feedTimes(0, 10, dark);
    const back = meter.nextMs;
    meter.feedAround(2, 5);
    expect(meter.events).toMatchObject([
      { what: 'opened', kind: 'outage', basis: 'dark', severity: 'CRITICAL', startedAt: begun, value: 0, at: begun + MINUTE_MS },
      { what: 'ended', kind: 'outage', endedAt: back, reason: 'recovered' },
    ]);
  });

  it.each([
    ['the neighbours are dark too', { regionPoweredShare: 0.4 }],
    ['nothing is known of the neighbours', { regionPoweredShare: NaN }],
    ['too few neighbours report', { regionReporting: 2 }],
    ['there is voltage', { voltageAvg: 229 }],
    ['some reading of the window had power', { maxPowerKw: 0.5 }],
  ])('is none where %s', (_, facts) => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 300);
    meter.feedTimes(0, 10, facts);
    expect(meter.of('outage')).toEqual([]);
    expect(meter.of('drop').map((event) => event.what)).toEqual(['opened']);
  });

  it('is told once at most for a meter without voltage that is at zero of its own accord, like a charger', () => {
    const startsOff = new DetectionMeter();
    for (let i = 0; i < 4000; i++) startsOff.feed(i % 300 < 200 ? 0 : 7);
    expect(startsOff.of('outage')).toEqual([]);
    const startsOn = new DetectionMeter();
    for (let i = 0; i < 4000; i++) startsOn.feed(i % 300 < 100 ? 7 : 0);
    expect(startsOn.of('outage').map((event) => event.what)).toEqual(['opened', 'ended']);
  });

  it('is told each time where the meter reports that the voltage is gone', () => {
    const meter = new DetectionMeter();
    for (let hour = 0; hour < 5; hour++) {
      meter.feedAround(2, 50, { voltageAvg: 231 });
      meter.feedTimes(0, 10, { voltageAvg: 0 });
    }
    expect(meter.of('outage').filter((event) => event.what === 'opened')).toHaveLength(5);
  });

  it('feeds no baseline while it lasts', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 300);
    const mean = meter.cells.f64[0];
    meter.feedTimes(0, 500);
    expect(meter.cells.f64[0]).toBe(mean);
    expect(openKinds(meter.cells)).toEqual(['outage']);
  });

  it('gives a dark episode another start than the silence that ended in its first minute', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 300);
    const newestMs = meter.nextMs;
    observeSilence(meter.cells, newestMs + DAY_MS, newestMs, newestMs, meter.config, meter);
    observeReturn(meter.cells, newestMs + 30_000, meter);
    meter.feedTimes(0, 3);
    const starts = meter.of('outage').filter((event) => event.what === 'opened');
    expect(starts.map((event) => event.startedAt)).toEqual([newestMs, newestMs + 30_000]);
  });
});

describe('outage by silence', () => {
  it('follows the meter: four of its intervals, ninety seconds at least', () => {
    const { meter: quick, newestMs } = meterWithCadence(10_000);
    expect(silenceDeadlineMs(quick.cells, newestMs, quick.config)).toBe(newestMs + 90_000);
    observeSilence(quick.cells, newestMs + 90_000, newestMs, newestMs, quick.config, quick);
    expect(quick.events).toEqual([]);
    observeSilence(quick.cells, newestMs + 90_001, newestMs, newestMs, quick.config, quick);
    expect(quick.events).toMatchObject([{ what: 'opened', kind: 'outage', basis: 'silent', severity: 'WARN', startedAt: newestMs, value: 0 }]);

    const { meter: slow, newestMs: slowNewest } = meterWithCadence(30 * MINUTE_MS);
    expect(silenceDeadlineMs(slow.cells, slowNewest, slow.config)).toBe(slowNewest + 2 * HOUR_MS);
  });

  it('opens once, is raised to CRITICAL after an hour, and ends with the next reading', () => {
    const { meter, newestMs } = meterWithCadence(10_000);
    for (let now = newestMs; now < newestMs + 2 * HOUR_MS; now += 30_000) observeSilence(meter.cells, now, newestMs, newestMs, meter.config, meter);
    expect(silenceDeadlineMs(meter.cells, newestMs, meter.config)).toBe(Infinity);
    observeReturn(meter.cells, newestMs + 2 * HOUR_MS, meter);
    observeReturn(meter.cells, newestMs + 2 * HOUR_MS + 10_000, meter);
    expect(meter.events).toMatchObject([
      { what: 'opened', severity: 'WARN' },
      { what: 'changed', severity: 'CRITICAL', startedAt: newestMs },
      { what: 'ended', startedAt: newestMs, endedAt: newestMs + 2 * HOUR_MS, reason: 'recovered' },
    ]);
  });

  it('asks to be looked at again when it would become CRITICAL', () => {
    const { meter, newestMs } = meterWithCadence(10_000);
    observeSilence(meter.cells, newestMs + 100_000, newestMs, newestMs, meter.config, meter);
    expect(silenceDeadlineMs(meter.cells, newestMs, meter.config)).toBe(newestMs + HOUR_MS);
  });

  it('is not ended by a window that the clock closed, nor opened twice beside darkness', () => {
    const { meter, newestMs } = meterWithCadence(MINUTE_MS);
    meter.nextMs = newestMs;
    observeSilence(meter.cells, newestMs + HOUR_MS / 2, newestMs, newestMs, meter.config, meter);
    meter.feed(2);
    expect(openKinds(meter.cells)).toEqual(['outage']);

    const darkMeter = new DetectionMeter();
    darkMeter.feedAround(2, 300);
    darkMeter.feedTimes(0, 3);
    observeSilence(darkMeter.cells, darkMeter.nextMs + DAY_MS, darkMeter.nextMs, darkMeter.nextMs, darkMeter.config, darkMeter);
    observeReturn(darkMeter.cells, darkMeter.nextMs + DAY_MS, darkMeter);
    expect(darkMeter.events).toHaveLength(1);
  });

  it('gives a meter with a single reading the benefit of an hour', () => {
    const meter = new DetectionMeter();
    expect(silenceDeadlineMs(meter.cells, 1000, meter.config)).toBe(1000 + HOUR_MS);
  });
});

describe('cadence', () => {
  it('is not wrecked by a gap, ignores steps backwards, and follows a new interval', () => {
    const { meter, newestMs } = meterWithCadence(10_000);
    observeReading(meter.cells, newestMs + 30 * DAY_MS, newestMs);
    expect(cadenceMs(meter.cells)).toBeLessThan(12_000);
    observeReading(meter.cells, newestMs, newestMs + 30 * DAY_MS);
    observeReading(meter.cells, newestMs, newestMs);
    expect(cadenceMs(meter.cells)).toBeLessThan(12_000);
    for (let i = 0; i < 60; i++) observeReading(meter.cells, newestMs + (i + 1) * 15 * MINUTE_MS, newestMs + i * 15 * MINUTE_MS);
    expect(cadenceMs(meter.cells)).toBeGreaterThan(14 * MINUTE_MS);
    expect(cadenceMs(new DetectionMeter().cells)).toBeNull();
  });

  it('learns that a meter delivers quarter-hours once a day, and soon forgets a single long absence', () => {
    const { meter } = meterWithCadence(15 * MINUTE_MS);
    for (let day = 1; day <= 4; day++) observeArrival(meter.cells, day * DAY_MS, (day - 1) * DAY_MS);
    expect(silenceDeadlineMs(meter.cells, 0, meter.config)).toBeGreaterThan(DAY_MS);

    const { meter: steady } = meterWithCadence(15 * MINUTE_MS);
    observeArrival(steady.cells, 7 * DAY_MS, 0);
    for (let i = 1; i <= 3; i++) observeArrival(steady.cells, 7 * DAY_MS + i * 15 * MINUTE_MS, 7 * DAY_MS + (i - 1) * 15 * MINUTE_MS);
    expect(silenceDeadlineMs(steady.cells, 0, steady.config)).toBe(HOUR_MS);
  });
});
