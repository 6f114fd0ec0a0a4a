import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RealFile } from '../oracle/real-files.ts';
import { allRows, regionWindows } from './engine-api.ts';
import { EngineProcess, eventually, REPOSITORY, removeDirectory, seg, temporaryDirectory } from './engine-process.ts';
import { WindowPages } from './real-data-pages.ts';
import { ExpectedRegion } from './real-data-regions.ts';
import { ExpectedWindows, type Granularity } from './real-data-windows.ts';
import { suite } from './required-suites.ts';

const DATA = resolve(REPOSITORY, '../shared/data');
const GRANULARITIES = ['1m', '15m'] as const;
/** Around everything the files hold. */
const RANGE = { from: Date.UTC(2006, 0, 1), to: Date.UTC(2020, 0, 1) };
/** Each of the two tests of a file. Alone on two cores the slowest takes about one minute. */
const TIMEOUT_MS = 240_000;
/** Long enough that no pause of a busy machine closes a window in the middle of an import. */
const LATENESS_MS = 10_000;
/** Meters that are read at the same time: enough that the engine always has a next question while the answer before is compared. */
const METERS_IN_FLIGHT = 4;
/** Between two looks at a meter whose last windows the clock has not closed yet. */
const ASK_AGAIN_MS = 500;
const METERS_PER_PAGE = 1_000;
/**
 * In a file of hundreds of meters one of so many is asked for its windows, which takes two cores a minute for every three million; those of the others are in the
 * region's, which have to be the exact sums over all. `SEG_REAL_DATA=all` asks every meter.
 */
const ASKED_EVERY = process.env.SEG_REAL_DATA === 'all' ? 1 : 4;

export interface RealDataSet {
  preset: 'uci' | 'edrp' | 'swiss';
  /** Below ../shared/data. */
  file: string;
  read: (path: string) => RealFile;
  region: string;
}

/** A meter and how many of its windows were final and the expected ones so far. */
interface MeterInWork {
  meterId: string;
  isAsked: boolean;
  /** How often it has been found with open windows. */
  foundOpen: number;
  compared: Record<Granularity, number>;
}

/**
 * Declares the suite of one real file: through `seg import` and HTTP into a real engine of its own, then the windows of meters
 * and every window of the region against an independent recomputation.
 */
export function realDataSuite({ preset, file, read, region }: RealDataSet): void {
  const path = join(DATA, file);
  suite(`real data of ${preset}`, existsSync(path), `It reads ${path}.`, () => {
    let engine: EngineProcess;
    let stateDirectory: string;
    let source: RealFile;
    let accepted = 0;
    let importedAtMs = 0;
    beforeAll(async () => {
      stateDirectory = temporaryDirectory();
      engine = await EngineProcess.start({ settings: { SHARDS: '2', LATENESS: `${LATENESS_MS / 1_000}s` } });
    });
    afterAll(async () => {
      await engine?.dispose();
      removeDirectory(stateDirectory);
    });

    it('is imported by its preset without a duplicate or a rejection', { timeout: TIMEOUT_MS }, async () => {
      const startedMs = Date.now();
      const imported = seg(['import', path, '--preset', preset, '--url', engine.ingestUrl(), '--state-dir', stateDirectory]);
      source = read(path);
      const { code, stderr } = await imported;
      importedAtMs = Date.now();
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/, 0 duplicates, 0 rejected;/);
      accepted = Number(/: ([\d,]+) accepted/.exec(stderr)![1].replaceAll(',', ''));
      const meters = await allRows<{ meterId: string }>(engine, '/api/v1/meters', { limit: METERS_PER_PAGE });
      expect(meters.map(({ meterId }) => meterId)).toEqual(source.meterIds.toSorted());
      console.log(`${preset}: ${accepted} readings of ${source.meterIds.length} meters imported in ${seconds(importedAtMs - startedMs)}`);
    });

    it('gives the windows that the readings make, and its region their sums', { timeout: TIMEOUT_MS }, async () => {
      const startedMs = Date.now();
      const regions = { '1m': new ExpectedRegion(region), '15m': new ExpectedRegion(region) };
      const pages = new WindowPages(engine, METERS_IN_FLIGHT);
      const waiting: MeterInWork[] = source.meterIds.map((meterId, i) => ({ meterId, isAsked: i % ASKED_EVERY === 0, foundOpen: 0, compared: { '1m': 0, '15m': 0 } }));
      let readingCount = 0;
      let windowCount = 0;

      /** Compares from the first window that was not final last time; false when one is still open. */
      const compare = async (expected: ExpectedWindows, compared: Record<Granularity, number>): Promise<boolean> => {
        const { meterId, granularity } = expected;
        let at = compared[granularity];
        for await (const page of pages.ofMeter(meterId, granularity, { from: Math.max(RANGE.from, expected.endBefore(at)), to: RANGE.to })) {
          for (const window of page) {
            if (!window.final && at < expected.length && Date.now() < importedAtMs + 3 * LATENESS_MS) return false;
            const fault = expected.difference(at, window);
            if (fault !== null) expect.fail(`${granularity} windows of ${meterId}: ${fault}`);
            regions[granularity].add(window);
            compared[granularity] = ++at;
          }
        }
        if (at < expected.length) expect.fail(`${granularity} windows of ${meterId}: got ${at}, expected ${expected.length}`);
        return true;
      };
      const compareMeters = async (): Promise<void> => {
        for (let meter = waiting.shift(); meter !== undefined; meter = waiting.shift()) {
          const readings = source.readingsOf(meter.meterId);
          let closed = true;
          for (const granularity of GRANULARITIES) {
            const expected = new ExpectedWindows(readings, granularity);
            if (!meter.isAsked) {
              for (let at = 0; at < expected.length; at++) regions[granularity].add(expected.window(at));
              continue;
            }
            // A meter's last windows are closed by the clock, one lateness after they came: the meter goes to the end of the queue.
            if (await compare(expected, meter.compared)) continue;
            closed = false;
          }
          if (closed) {
            readingCount += readings.length;
            windowCount += meter.compared['1m'] + meter.compared['15m'];
          } else {
            waiting.push(meter);
            // The first time there are other meters to compare meanwhile.
            if (meter.foundOpen++ > 0) await sleep(ASK_AGAIN_MS);
          }
        }
      };
      try {
        await Promise.all(Array.from({ length: METERS_IN_FLIGHT }, compareMeters));
      } catch (error) {
        // What the engine says of a thread that ended comes a moment after the answers that fail with it.
        await sleep(ASK_AGAIN_MS);
        console.error(engine.transcript());
        throw error;
      } finally {
        pages.close();
      }
      expect(readingCount).toBe(accepted);
      const errors = engine.lines.filter(({ level }) => level === 'error');
      for (const { msg } of errors) console.warn(`${preset}: the engine says: ${msg}`);
      // A thread that hung on a busy machine was started anew and has answered since; see WindowPages.
      expect(errors.filter(({ reason }) => reason !== 'hung')).toEqual([]);

      let regionalCount = 0;
      for (const granularity of GRANULARITIES) {
        const windows = await eventually(() => regionWindows(engine, region, granularity, RANGE), (all) => all.every(({ final }) => final), 3 * LATENESS_MS);
        expect(regions[granularity].difference(windows)).toBe(null);
        regionalCount += windows.length;
      }
      console.log(`${preset}: ${windowCount} windows (1m and 15m of ${Math.ceil(source.meterIds.length / ASKED_EVERY)} of ${source.meterIds.length} meters) and ${regionalCount} of the region are as expected (${seconds(Date.now() - startedMs)})`);
    });
  });
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
