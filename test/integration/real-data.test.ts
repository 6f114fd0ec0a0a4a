import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEdrp, readSwiss, readUci, type RealFile } from '../oracle/real-files.ts';
import { billionths, windowsOf, type OracleWindow } from '../oracle/window-oracle.ts';
import { meterWindows, regionWindows, type WireRegionWindow, type WireWindow } from '../support/engine-api.ts';
import { EngineProcess, eventually, REPOSITORY, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';
import { suite } from '../support/required-suites.ts';

/** The real files, through `seg import` and HTTP into a real engine, against the independent oracle: every window of every meter. */

const DATA = resolve(REPOSITORY, '../shared/data');
const FILES = [
  { preset: 'uci', file: join(DATA, 'uci_household_1min/household_1min_2006-12-16_2007-02-28.csv.gz'), read: readUci, region: 'sceaux' },
  { preset: 'edrp', file: join(DATA, 'edrp_scotland_622/edrp_622_halfhourly_wide.csv.gz'), read: readEdrp, region: 'edrp-scotland' },
  { preset: 'swiss', file: join(DATA, 'swiss_15min_537/elcons_15min_537x7weeks_wide.csv.gz'), read: readSwiss, region: 'swiss' },
] as const;

/** Around everything the files hold. */
const RANGE = { from: Date.UTC(2006, 0, 1), to: Date.UTC(2020, 0, 1) };
const GRANULARITIES = ['1m', '15m'] as const;
const IMPORT_TIMEOUT_MS = 240_000;
/** One billionth: an estimate may be rounded once more than the oracle's (see its head). */
const ROUNDING = 1e-9;
/** Long enough that no pause of a busy machine closes a window in the middle of an import. */
const LATENESS_MS = 10_000;

/** null when they agree, else what differs. Plain comparisons: expect() on a million windows would take minutes. */
function difference(got: WireWindow, wanted: OracleWindow): string | null {
  const same =
    got.meterId === wanted.meterId &&
    got.region === wanted.region &&
    got.granularity === wanted.granularity &&
    Date.parse(got.windowStart) === wanted.windowStart &&
    Date.parse(got.windowEnd) === wanted.windowEnd &&
    got.avgPowerKw === wanted.avgPowerKw &&
    got.minPowerKw === wanted.minPowerKw &&
    got.maxPowerKw === wanted.maxPowerKw &&
    got.energySource === wanted.energySource &&
    (wanted.energySource === 'measured' ? got.energyKwhSum === wanted.energyKwhSum : Math.abs(got.energyKwhSum - wanted.energyKwhSum) <= ROUNDING * 1.01) &&
    got.voltageAvg === wanted.voltageAvg &&
    got.voltageMin === wanted.voltageMin &&
    got.voltageMax === wanted.voltageMax &&
    got.count === wanted.count &&
    got.revision === 0 &&
    got.final;
  return same ? null : `got ${JSON.stringify(got)}, the oracle has ${JSON.stringify(wanted)}`;
}

/** A region's windows as exact sums over its meters' windows, in billionths. */
class RegionSums {
  private readonly byStart = new Map<number, { meters: number; power: bigint; energy: bigint; min: number; max: number }>();

  add(window: WireWindow): void {
    const start = Date.parse(window.windowStart);
    const sum = this.byStart.get(start) ?? { meters: 0, power: 0n, energy: 0n, min: Infinity, max: -Infinity };
    this.byStart.set(start, sum);
    sum.meters++;
    sum.power += billionths(window.avgPowerKw);
    sum.energy += billionths(window.energyKwhSum);
    sum.min = Math.min(sum.min, window.minPowerKw);
    sum.max = Math.max(sum.max, window.maxPowerKw);
  }

  get size(): number {
    return this.byStart.size;
  }

  difference(got: WireRegionWindow): string | null {
    const sum = this.byStart.get(Date.parse(got.windowStart));
    const same =
      sum !== undefined &&
      got.metersReporting === sum.meters &&
      billionths(got.sumPowerKw) === sum.power &&
      billionths(got.energyKwhSum) === sum.energy &&
      Math.abs(got.avgPowerKw - Number(sum.power) / 1e9 / sum.meters) <= ROUNDING * 1.01 &&
      got.minPowerKw === sum.min &&
      got.maxPowerKw === sum.max &&
      got.final;
    return same ? null : `got ${JSON.stringify(got)}, its meters' windows give ${sum === undefined ? 'none' : JSON.stringify({ ...sum, power: String(sum.power), energy: String(sum.energy) })}`;
  }
}

suite('real data', FILES.every(({ file }) => existsSync(file)), `It reads the files of ${DATA}.`, () => {
  let engine: EngineProcess;
  let work: string;
  beforeAll(async () => {
    work = temporaryDirectory();
    engine = await EngineProcess.start({ settings: { SHARDS: '2', LATENESS: `${LATENESS_MS / 1_000}s` } });
  });
  afterAll(async () => {
    await engine.dispose();
    removeDirectory(work);
  });

  describe.each(FILES)('$preset', ({ preset, file, read, region }) => {
    let source: RealFile;

    it('is imported whole by its preset', { timeout: IMPORT_TIMEOUT_MS }, async () => {
      source = read(file);
      const started = Date.now();
      const { code, stderr } = await seg(['import', file, '--preset', preset, '--url', engine.ingestUrl(), '--state-dir', work]);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/, 0 duplicates, 0 rejected;/);
      const sent = Number(/: ([\d,]+) accepted/.exec(stderr)![1].replaceAll(',', ''));
      let readings = 0;
      for (const meterId of source.meterIds) readings += source.readingsOf(meterId).length;
      expect(sent).toBe(readings);
      console.log(`${preset}: ${readings} readings of ${source.meterIds.length} meters imported in ${((Date.now() - started) / 1_000).toFixed(1)} s`);
    });

    it('gives the windows that the oracle computes, and its region their sums', { timeout: IMPORT_TIMEOUT_MS }, async () => {
      const started = Date.now();
      const regional = new RegionSums();
      let compared = 0;
      for (const meterId of source.meterIds) {
        const readings = source.readingsOf(meterId);
        for (const granularity of GRANULARITIES) {
          const wanted = windowsOf(readings, granularity);
          // A meter's last windows are closed by the clock, one lateness after they came.
          const got = await eventually(
            () => meterWindows(engine, meterId, granularity, RANGE),
            (windows) => windows.every(({ final }) => final),
            3 * LATENESS_MS,
          );
          expect(got.length, `${granularity} windows of ${meterId}`).toBe(wanted.length);
          for (const [i, window] of got.entries()) {
            const fault = difference(window, wanted[i]);
            if (fault !== null) expect.fail(fault);
            if (granularity === '15m') regional.add(window);
          }
          compared += got.length;
        }
      }
      const ofRegion = await regionWindows(engine, region, '15m', RANGE);
      expect(ofRegion.length).toBe(regional.size);
      for (const window of ofRegion) {
        const fault = regional.difference(window);
        if (fault !== null) expect.fail(fault);
      }
      console.log(`${preset}: ${compared} windows of ${source.meterIds.length} meters and ${ofRegion.length} of its region equal the oracle's (${((Date.now() - started) / 1_000).toFixed(1)} s)`);
    });
  });
});
