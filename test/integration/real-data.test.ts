import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEdrp, readSwiss, readUci, type RealFile } from '../oracle/real-files.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import { meterWindows, regionWindows, type WireWindow } from '../support/engine-api.ts';
import { EngineProcess, eventually, REPOSITORY, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';
import { RegionalSums } from '../support/regional-sums.ts';
import { suite } from '../support/required-suites.ts';
import { windowsDifference } from '../support/window-difference.ts';

/**
 * The real files, through `seg import` and HTTP into a real engine, against the independent oracle: every window of every meter. Of the
 * Swiss file, for the sake of time, every 15-minute window and the one-minute windows of half of the meters.
 */

const DATA = resolve(REPOSITORY, '../shared/data');
const FILES = [
  { preset: 'uci', file: join(DATA, 'uci_household_1min/household_1min_2006-12-16_2007-02-28.csv.gz'), read: readUci, region: 'sceaux', minutesOf: () => true },
  { preset: 'edrp', file: join(DATA, 'edrp_scotland_622/edrp_622_halfhourly_wide.csv.gz'), read: readEdrp, region: 'edrp-scotland', minutesOf: () => true },
  { preset: 'swiss', file: join(DATA, 'swiss_15min_537/elcons_15min_537x7weeks_wide.csv.gz'), read: readSwiss, region: 'swiss', minutesOf: isSampled },
] as const;

/** Around everything the files hold. */
const RANGE = { from: Date.UTC(2006, 0, 1), to: Date.UTC(2020, 0, 1) };
const GRANULARITIES = ['1m', '15m'] as const;
const IMPORT_TIMEOUT_MS = 240_000;
/** Long enough that no pause of a busy machine closes a window in the middle of an import. */
const LATENESS_MS = 10_000;

/** Repeatable half: even meters by a hash of their name (FNV-1a). */
function isSampled(meterId: string): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < meterId.length; i++) hash = Math.imul(hash ^ meterId.charCodeAt(i), 0x01000193);
  return ((hash >>> 7) & 1) === 0;
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

  describe.each(FILES)('$preset', ({ preset, file, read, region, minutesOf }) => {
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
      const regional = new RegionalSums();
      const granularitiesOf = (meterId: string) => (minutesOf(meterId) ? GRANULARITIES : (['15m'] as const));
      // A meter's last windows are closed by the clock, one lateness after they came.
      const fetched = (meterId: string): Promise<WireWindow[][]> =>
        Promise.all(granularitiesOf(meterId).map((granularity) => eventually(() => meterWindows(engine, meterId, granularity, RANGE), (windows) => windows.every(({ final }) => final), 3 * LATENESS_MS)));
      let compared = 0;
      let next = fetched(source.meterIds[0]);
      for (const [i, meterId] of source.meterIds.entries()) {
        const got = await next;
        // The engine answers for the next meter while the oracle computes this one.
        if (i + 1 < source.meterIds.length) next = fetched(source.meterIds[i + 1]);
        const readings = source.readingsOf(meterId);
        for (const [g, granularity] of granularitiesOf(meterId).entries()) {
          const fault = windowsDifference(got[g], windowsOf(readings, granularity));
          if (fault !== null) expect.fail(`${granularity} windows of ${meterId}: ${fault}`);
          if (got[g].some(({ revision }) => revision !== 0)) expect.fail(`a window of ${meterId} was corrected`);
          compared += got[g].length;
        }
        for (const window of got.at(-1)!) regional.add(window);
      }
      const ofRegion = await regionWindows(engine, region, '15m', RANGE);
      expect(regional.difference(ofRegion)).toBe(null);
      const minuteMeters = source.meterIds.filter(minutesOf).length;
      console.log(
        `${preset}: ${compared} windows (15m of ${source.meterIds.length} meters, 1m of ${minuteMeters}) and ${ofRegion.length} of the region equal the oracle's (${((Date.now() - started) / 1_000).toFixed(1)} s)`,
      );
    });
  });
});
