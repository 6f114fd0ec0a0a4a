import { describe, expect, it, vi } from 'vitest';
import { DETECTOR_BYTES } from '../../src/actors/shard/detection/detector-cells.ts';
import { hourOfWeek, knownHours, PROFILE_BYTES } from '../../src/actors/shard/detection/seasonal-profile.ts';
import { DAY_MS, DetectionMeter, HOUR_MS, MINUTE_MS, MONDAY_MS } from './detection-meter.ts';

/** A shop: 20 kW on workdays from 8 to 18 h, 2 kW otherwise. */
function shopKw(ms: number): number {
  const hour = hourOfWeek(ms);
  return hour < 120 && hour % 24 >= 8 && hour % 24 < 18 ? 20 : 2;
}

function openShop(days: number, withProfile = true): DetectionMeter {
  const meter = new DetectionMeter({ spacingMs: 15 * MINUTE_MS, withProfile });
  while (meter.nextMs < MONDAY_MS + days * DAY_MS) meter.feedAround(shopKw(meter.nextMs), 1);
  meter.events.length = 0;
  return meter;
}

describe('the profile by hour of the week', () => {
  it('counts hours from Monday 00:00 UTC', () => {
    expect(hourOfWeek(MONDAY_MS)).toBe(0);
    expect(hourOfWeek(MONDAY_MS - 1)).toBe(167);
    expect(hourOfWeek(MONDAY_MS + 6 * DAY_MS + 5.5 * HOUR_MS)).toBe(149);
    expect(hourOfWeek(0)).toBe(72);
  });

  it('learns each finished hour: mean, deviation, and which slots have two weeks', () => {
    const meter = openShop(13);
    const first = knownHours(meter.profile, meter.config);
    expect(first.map((slot) => slot.hour)).toEqual(Array.from({ length: 143 }, (_, hour) => hour));
    const nine = first[9];
    expect(nine.meanKw).toBeGreaterThan(19);
    expect(nine.meanKw).toBeLessThan(21);
    expect(nine.deviationKw).toBeGreaterThan(0.2);
    expect(nine.deviationKw).toBeLessThan(1);
  });

  it('expects the hour of the week once it is known: a dark shop at noon is a drop, a closed Sunday is none', () => {
    const meter = openShop(21);
    while (meter.nextMs < MONDAY_MS + 21 * DAY_MS + 11 * HOUR_MS) meter.feedAround(shopKw(meter.nextMs), 1);
    meter.feedAround(2, 3);
    expect(meter.events).toMatchObject([{ what: 'opened', kind: 'drop', basis: 'hour_of_week' }]);
    expect(meter.events[0].expected).toBeCloseTo(20, 0);

    const quiet = openShop(28);
    for (let i = 0; i < 7 * 96; i++) quiet.feedAround(shopKw(quiet.nextMs), 1);
    expect(quiet.events).toEqual([]);
  });

  it('holds a meter that keeps its hours to them: after five weeks half of the load gone at noon is a drop, though every night has less', () => {
    const meter = openShop(35);
    while (meter.nextMs < MONDAY_MS + 35 * DAY_MS + 11 * HOUR_MS) meter.feedAround(shopKw(meter.nextMs), 1);
    meter.feedAround(10, 3);
    expect(meter.events).toMatchObject([{ what: 'opened', kind: 'drop', basis: 'hour_of_week' }]);
  });

  it('sees what the weighted mean cannot: daytime load in the night', () => {
    for (const withProfile of [true, false]) {
      const meter = openShop(21, withProfile);
      while (meter.nextMs < MONDAY_MS + 21 * DAY_MS + 2 * HOUR_MS) meter.feedAround(shopKw(meter.nextMs), 1);
      meter.feedAround(20, 4);
      expect(meter.events.map((event) => [event.kind, event.basis])).toEqual(withProfile ? [['spike', 'hour_of_week']] : []);
    }
  });

  it('goes by the hour of the day before the week is known', () => {
    const meter = openShop(4);
    while (meter.nextMs < MONDAY_MS + 4 * DAY_MS + 11 * HOUR_MS) meter.feedAround(shopKw(meter.nextMs), 1);
    expect(meter.events).toEqual([]);
    meter.feedAround(0.5, 3);
    expect(meter.events).toMatchObject([{ what: 'opened', kind: 'drop', basis: 'hour_of_day' }]);
  });

  it('an adopted level stands beside the profile: neither it nor the old pattern alarms again', () => {
    const meter = openShop(28);
    const begun = meter.nextMs + 11 * HOUR_MS;
    const raised = (ms: number): number => shopKw(ms) + (ms >= begun && ms < begun + 2 * DAY_MS ? 40 : 0);
    while (meter.nextMs < MONDAY_MS + 33 * DAY_MS) meter.feedAround(raised(meter.nextMs), 1);
    expect(meter.events.map((event) => [event.what, event.kind, event.reason])).toEqual([
      ['opened', 'spike', undefined],
      ['ended', 'spike', 'adapted'],
    ]);
  });

  it('an hour that windows cover by less than half teaches nothing', () => {
    const meter = new DetectionMeter();
    for (let hour = 0; hour < 3 * 168; hour++) {
      meter.nextMs = MONDAY_MS + hour * HOUR_MS;
      meter.feedAround(2, 20);
    }
    expect(knownHours(meter.profile, meter.config)).toEqual([]);
  });

  it('asks for two hours of the day when the hour turns, and for none in between', () => {
    const meter = new DetectionMeter();
    const hour = vi.spyOn(meter.profile, 'hour');
    meter.feedAround(2, 60);
    expect(hour.mock.calls).toEqual([]);
    meter.feedAround(2, 60);
    expect(hour.mock.calls).toEqual([[0, true], [1, false]]);
  });

  it('the rows are as small as the pages count on, and stay aligned', () => {
    expect(DETECTOR_BYTES).toBeLessThanOrEqual(208);
    expect(DETECTOR_BYTES % 8).toBe(0);
    expect(PROFILE_BYTES).toBeLessThanOrEqual(52);
    expect(PROFILE_BYTES % 4).toBe(0);
  });
});
