import { describe, expect, it } from 'vitest';
import { ANOMALY_KINDS } from '../../src/model/anomaly.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { baselineOf } from '../../src/actors/shard/detection/detection.ts';
import { KIND } from '../../src/actors/shard/detection/detector-cells.ts';
import { openKinds } from '../../src/actors/shard/detection/episodes.ts';
import { DAY_MS, DetectionMeter, HOUR_MS, MINUTE_MS, MONDAY_MS } from './detection-meter.ts';

describe('spikes and drops', () => {
  it('are not judged before the warm-up, and are right after it', () => {
    const cold = new DetectionMeter();
    cold.feedAround(2, 20);
    cold.feedTimes(20, 9);
    expect(cold.events).toEqual([]);

    const warm = new DetectionMeter();
    warm.feedAround(2, 30);
    warm.feedTimes(20, 5);
    expect(warm.events).toMatchObject([{ what: 'opened', kind: 'spike', basis: 'recent', startedAt: MONDAY_MS + 30 * MINUTE_MS, value: 20 }]);
    expect(warm.events[0].expected).toBeGreaterThan(1.8);
    expect(warm.events[0].expected).toBeLessThan(4);
  });

  it('a spike begins with the first window of its run, opens after five minutes and ends where it was over', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 600);
    const begun = meter.nextMs;
    meter.feedTimes(12, 10);
    const over = meter.nextMs;
    meter.feedAround(2, 10);
    expect(meter.events).toMatchObject([
      { what: 'opened', kind: 'spike', startedAt: begun, at: begun + 4 * MINUTE_MS },
      { what: 'ended', kind: 'spike', startedAt: begun, endedAt: over, reason: 'recovered', at: over + 2 * MINUTE_MS },
    ]);
    expect(openKinds(meter.cells)).toEqual([]);
  });

  it('a drop of nine tenths opens and recovers', () => {
    const meter = new DetectionMeter();
    meter.feedAround(3, 600);
    meter.feedAround(0.3, 10);
    expect(openKinds(meter.cells)).toEqual(['drop']);
    meter.feedAround(3, 10);
    expect(meter.events).toMatchObject([
      { what: 'opened', kind: 'drop', severity: 'WARN' },
      { what: 'ended', kind: 'drop', reason: 'recovered' },
    ]);
  });

  it('a kettle is no alarm, neither on its day nor on the next', () => {
    const meter = new DetectionMeter();
    for (let day = 0; day < 3; day++) {
      for (let minute = 0; minute < 1440; minute++) {
        if (minute % 360 === 200 || minute % 360 === 201) meter.feed(3.2);
        else meter.feedAround(0.3, 1);
      }
    }
    expect(meter.events).toEqual([]);
  });

  it('hysteresis: a value between the exit and the enter score neither opens an episode nor ends one', () => {
    const meter = new DetectionMeter({ config: { adoptWindows: 200 } });
    meter.feedAround(10, 600);
    const { meanKw } = baselineOf(meter.cells, meter.config);
    const between = meanKw * (1 + 0.1 * 3.4);
    meter.feedTimes(between, 10);
    expect(meter.events).toEqual([]);
    meter.feedTimes(meanKw * 1.8, 6);
    meter.feedTimes(between, 10);
    expect(meter.events.map((event) => event.what)).toEqual(['opened']);
    meter.feedAround(10, 3);
    expect(meter.events.map((event) => event.what)).toEqual(['opened', 'ended']);
  });

  it('a single ordinary window does not end an episode', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 600);
    meter.feedTimes(12, 8);
    meter.feed(2);
    meter.feedTimes(12, 3);
    expect(meter.events.map((event) => event.what)).toEqual(['opened']);
  });

  it('a level that stays is adopted after adoptWindows, and the way back is no alarm', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 600);
    const begun = meter.nextMs;
    meter.feedAround(8, 60);
    expect(meter.events).toMatchObject([
      { what: 'opened', kind: 'spike' },
      { what: 'ended', kind: 'spike', reason: 'adapted', startedAt: begun, endedAt: begun + DEFAULT_DETECTION.adoptWindows * MINUTE_MS },
    ]);
    expect(baselineOf(meter.cells, meter.config).meanKw).toBeCloseTo(8, 0);
    meter.feedAround(2, 120);
    expect(meter.events).toHaveLength(2);
  });

  it('an anomaly is fed winsorised: ten minutes of a wild value hardly move the baseline', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 600);
    const before = baselineOf(meter.cells, meter.config);
    meter.feedTimes(10_000, 10);
    const after = baselineOf(meter.cells, meter.config);
    expect(after.meanKw - before.meanKw).toBeLessThan(0.1);
    expect(after.deviationKw).toBeLessThan(0.5);
    expect(after.windows).toBe(before.windows + 10);
  });

  it('worsens: one change per doubling of the score or step of severity, never for a severity that falls', () => {
    const meter = new DetectionMeter({ startMs: MONDAY_MS });
    meter.feedAround(2, 3 * 1440);
    meter.feedTimes(3.5, 6);
    meter.feedTimes(4.4, 2);
    meter.feedTimes(200, 4);
    meter.feedTimes(4.4, 4);
    expect(meter.of('spike').map((event) => [event.what, event.severity])).toEqual([
      ['opened', 'INFO'],
      ['changed', 'WARN'],
      ['changed', 'CRITICAL'],
    ]);
  });

  it('is WARN at most while no whole day is known', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 300);
    meter.feedTimes(500, 10);
    expect(meter.events.map((event) => event.severity)).toEqual(['WARN']);
  });

  it('a household whose load is too skewed for deviations still cannot fall under its base load unseen', () => {
    const meter = new DetectionMeter({ config: { warmupWindows: 180 } });
    for (let minute = 0; minute < 4 * 1440; minute++) meter.feedAround(minute % 180 >= 140 ? 4 : 0.3, 1);
    expect(meter.events).toEqual([]);
    meter.feedAround(0.05, 10);
    expect(meter.events).toMatchObject([{ what: 'opened', kind: 'drop', severity: 'WARN' }]);
    expect(baselineOf(meter.cells, meter.config).deviationKw).toBeGreaterThan(1);
  });

  it('half-hourly meters: one odd reading opens nothing, two do, and fifteen hours make a new normal', () => {
    const meter = new DetectionMeter({ spacingMs: 30 * MINUTE_MS });
    meter.feedAround(2, 100);
    meter.feed(9);
    meter.feedAround(2, 10);
    expect(meter.events).toEqual([]);
    const begun = meter.nextMs;
    meter.feedAround(9, 40);
    expect(meter.events).toMatchObject([
      { what: 'opened', startedAt: begun, at: begun + 30 * MINUTE_MS },
      { what: 'ended', reason: 'adapted', at: begun + 29 * 30 * MINUTE_MS },
    ]);
  });

  it('a pause breaks a run: four odd minutes before it and one after it are not five', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 600);
    meter.feedTimes(12, 4);
    meter.nextMs += DAY_MS;
    meter.feed(12);
    expect(meter.events).toEqual([]);
  });

  it('a window that is not newer than the last one is ignored', () => {
    const meter = new DetectionMeter();
    meter.feedAround(2, 50);
    const bytes = meter.cells.u8.slice();
    meter.feed(900, { startMs: meter.nextMs - MINUTE_MS });
    meter.feed(900, { startMs: meter.nextMs - HOUR_MS });
    expect(meter.cells.u8).toEqual(bytes);
  });

  it('kind places are those of ANOMALY_KINDS', () => {
    expect([KIND.spike, KIND.drop, KIND.outage, KIND.flatLine, KIND.voltageBand].map((kind) => ANOMALY_KINDS[kind])).toEqual([
      'spike',
      'drop',
      'outage',
      'flat_line',
      'voltage_band',
    ]);
  });
});
