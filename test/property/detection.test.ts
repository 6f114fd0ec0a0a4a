import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baselineOf } from '../../src/actors/shard/detection/detection.ts';
import { DETECTOR_BYTES, detectorCells, F32, F64 } from '../../src/actors/shard/detection/detector-cells.ts';
import { openKinds } from '../../src/actors/shard/detection/episodes.ts';
import { observeReturn, observeSilence } from '../../src/actors/shard/detection/outage.ts';
import { knownHours } from '../../src/actors/shard/detection/seasonal-profile.ts';
import { DetectionMeter, MINUTE_MS } from '../unit/detection-meter.ts';

/** One stretch of a meter's life. Long enough runs of each make episodes of every kind. */
interface Stretch {
  windows: number;
  stepMinutes: number;
  pauseMinutes: number;
  levelKw: number;
  wobbleKw: number;
  voltageV: number;
  poweredShare: number;
  silent: boolean;
}

const level = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: -5, max: 50, noNaN: true }) },
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(-1e6, 1e6, Number.MIN_VALUE, 1e-12) },
);

const stretch: fc.Arbitrary<Stretch> = fc.record({
  windows: fc.integer({ min: 1, max: 200 }),
  stepMinutes: fc.constantFrom(1, 1, 1, 15, 30),
  pauseMinutes: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 30 * 1440 }) }),
  levelKw: level,
  wobbleKw: fc.constantFrom(0, 0.01, 0.3, 20),
  voltageV: fc.constantFrom(NaN, NaN, 0, 230, 251, 260, 180, 1e6, -1e6),
  poweredShare: fc.constantFrom(NaN, 0, 0.4, 1),
  silent: fc.boolean(),
});

const life = fc.array(stretch, { minLength: 1, maxLength: 15 });

/** `check` is called after every window with the number of windows so far. */
function live(meter: DetectionMeter, stretches: readonly Stretch[], check: (windows: number) => void = () => {}): void {
  let windows = 0;
  for (const part of stretches) {
    meter.nextMs += part.pauseMinutes * MINUTE_MS;
    meter.spacingMs = part.stepMinutes * MINUTE_MS;
    if (part.silent) {
      observeSilence(meter.cells, meter.nextMs + 90 * MINUTE_MS, meter.nextMs - 1, meter.nextMs - 1, meter.config, meter);
      observeReturn(meter.cells, meter.nextMs, meter);
    }
    for (let i = 0; i < part.windows; i++) {
      const power = Math.max(-1e6, Math.min(1e6, part.levelKw + part.wobbleKw * Math.sin(windows)));
      meter.feed(power, { voltageAvg: part.voltageV, regionPoweredShare: part.poweredShare });
      check(++windows);
    }
  }
}

describe('detection over any life of a meter', () => {
  it('at most one episode a kind is open, every end belongs to its opening, and no two episodes share their identity', () => {
    fc.assert(
      fc.property(life, (stretches) => {
        const meter = new DetectionMeter();
        live(meter, stretches);
        const open = new Map<string, number>();
        const seen = new Set<string>();
        for (const event of meter.events) {
          const id = `${event.kind}/${event.startedAt}`;
          if (event.what === 'opened') {
            expect(open.has(event.kind)).toBe(false);
            expect(seen.has(id)).toBe(false);
            seen.add(id);
            open.set(event.kind, event.startedAt);
          } else {
            expect(open.get(event.kind)).toBe(event.startedAt);
          }
          if (event.what === 'ended') {
            expect(event.endedAt).toBeGreaterThanOrEqual(event.startedAt);
            open.delete(event.kind);
          } else {
            expect(Number.isFinite(event.value) && Number.isFinite(event.expected) && Number.isFinite(event.score)).toBe(true);
          }
        }
        expect(openKinds(meter.cells).sort()).toEqual([...open.keys()].sort());
      }),
      { numRuns: 150 },
    );
  });

  it('no NaN enters the state', () => {
    fc.assert(
      fc.property(life, (stretches) => {
        const meter = new DetectionMeter();
        live(meter, stretches);
        for (let i = F64.mean; i < F64.runStart + 5; i++) expect(Number.isFinite(meter.cells.f64[i])).toBe(true);
        for (const i of [...Array.from({ length: F32.seasonalVariance + 1 - F32.cadence }, (_, k) => F32.cadence + k), F32.flatLevel]) expect(Number.isNaN(meter.cells.f32[i])).toBe(false);
        for (const { meanKw, deviationKw } of knownHours(meter.profile, meter.config)) expect(Number.isFinite(meanKw) && Number.isFinite(deviationKw)).toBe(true);
        expect(baselineOf(meter.cells, meter.config).deviationKw).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 150 },
    );
  });

  it('a constant series never alarms, whatever its level, spacing and pauses', () => {
    fc.assert(
      fc.property(level, fc.array(stretch, { minLength: 1, maxLength: 10 }), (levelKw, stretches) => {
        const meter = new DetectionMeter();
        live(meter, stretches.map((part) => ({ ...part, levelKw, wobbleKw: 0, voltageV: 230, silent: false })));
        expect(meter.events).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it('a row copied to another place mid-way goes on with the same events and ends with the same bytes', () => {
    fc.assert(
      fc.property(life, fc.nat(), (stretches, cut) => {
        const whole = new DetectionMeter();
        live(whole, stretches);
        const total = stretches.reduce((sum, part) => sum + part.windows, 0);
        const moved = new DetectionMeter();
        live(moved, stretches, (windows) => {
          if (windows === 1 + (cut % total)) moveRow(moved);
        });
        expect(moved.events).toEqual(whole.events);
        expect(moved.cells.u8.slice(moved.cells.at, moved.cells.at + DETECTOR_BYTES)).toEqual(whole.cells.u8);
        expect(moved.profile.bytes()).toEqual(whole.profile.bytes());
      }),
      { numRuns: 80 },
    );
  });

  it('mean and variance are those of a naive recomputation while no value is cut off', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 9, max: 11, noNaN: true }), { minLength: 1, maxLength: 400 }), (powers) => {
        const meter = new DetectionMeter();
        for (const power of powers) meter.feed(power);
        const weights: number[] = [];
        for (let i = 0; i < powers.length; i++) {
          const weight = Math.max(1 / (i + 1), MINUTE_MS / (meter.config.baselineTauMs + MINUTE_MS));
          for (let j = 0; j < i; j++) weights[j] *= 1 - weight;
          weights.push(weight);
        }
        const mean = powers.reduce((sum, power, i) => sum + weights[i] * power, 0);
        const variance = powers.reduce((sum, power, i) => sum + weights[i] * (power - mean) ** 2, 0);
        const baseline = baselineOf(meter.cells, meter.config);
        expect(baseline.meanKw).toBeCloseTo(mean, 9);
        expect(baseline.deviationKw).toBeCloseTo(Math.sqrt(variance), 6);
      }),
      { numRuns: 100 },
    );
  });
});

/** Puts the meter's state at an odd place of larger buffers, surrounded by noise, as a page of a shard would. */
function moveRow(meter: DetectionMeter): void {
  const cells = detectorCells(new ArrayBuffer(3 * DETECTOR_BYTES));
  cells.u8.fill(0xa5);
  cells.at = DETECTOR_BYTES;
  cells.u8.set(meter.cells.u8, cells.at);
  Object.assign(meter.cells, cells);
  meter.profile.move();
}
