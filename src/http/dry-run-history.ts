import type { DryRunHistory } from '../actors/alerts/protocol.ts';
import { DryRunSieve } from '../actors/alerts/dry-run-sieve.ts';
import type { AlertRules } from '../actors/alerts/rules.ts';
import type { Anomaly } from '../model/anomaly.ts';
import type { RegionId } from '../model/ids.ts';
import type { Page } from '../model/queries.ts';
import type { RegionWindow } from '../model/window.ts';
import type { EnginePort } from './engine-port.ts';
import { LIST_LIMITS, WINDOW_LIMITS } from './meter-routes.ts';
import type { Problem } from './problem-details.ts';

/** What a dry run of rules is run over: episodes and regional windows of some days, read from the shards page by page. */

export const DRY_RUN_SPAN_MAX_MS = 7 * 86_400_000;

/** Rows of one kind that are read, and of them those that can matter (DryRunSieve) and go to the alerts thread in one message. */
export interface HistoryBounds {
  anomaliesReadMax: number;
  windowsReadMax: number;
  /** Of both together: one message, which holds the main thread up while it is written, and is all that the alerts thread does while it is read and run. A third of what was felt (dry-run-sieve.ts). */
  rowsMax: number;
}

/** A week of a million meters with a few thousand episodes a day; a week of a hundred regions. */
const BOUNDS: HistoryBounds = { anomaliesReadMax: 200_000, windowsReadMax: 1_010_000, rowsMax: 50_000 };

export interface ReadHistory {
  history: DryRunHistory;
  /** Rows that were looked at. */
  read: { anomalies: number; regionWindows: number };
}

/** Reads what the rules look at; a problem when it is more than a dry run may take. */
export async function readDryRunHistory(engine: EnginePort, rules: AlertRules, range: { from: number; to: number }, bounds: HistoryBounds = BOUNDS): Promise<ReadHistory | Problem> {
  const sieve = new DryRunSieve(rules);
  const regions = await engine.regions();
  const asked = { meterId: null, region: null, kind: null, severity: null, open: false, ...range, limit: LIST_LIMITS.max };
  const anomalies = new Rows<Anomaly>('anomalies', bounds.anomaliesReadMax, bounds.rowsMax);
  const episodes = await anomalies.read((cursor) => engine.anomalies({ ...asked, cursor }), (anomaly) => sieve.passesAnomaly(anomaly));
  if (episodes !== null) return episodes;
  const windows = new Rows<RegionWindow>('regional windows', bounds.windowsReadMax, bounds.rowsMax - anomalies.kept.length);
  for (const region of regions) {
    if (!sieve.watchesLoad(region)) continue;
    const passes = sieve.ofRegion(region.region);
    const ask = (cursor: string | null) => engine.regionWindows(region.region as RegionId, { granularity: '1m', ...range, limit: WINDOW_LIMITS.max, cursor });
    const problem = await windows.read(ask, (window) => window.final && passes(window));
    if (problem !== null) return problem;
  }
  const regionMeters = Object.fromEntries(regions.map(({ region, meters }) => [region, meters]));
  // Pages of anomalies are newest first.
  return { history: { ...range, anomalies: anomalies.kept.reverse(), regionWindows: windows.kept, regionMeters }, read: { anomalies: anomalies.count, regionWindows: windows.count } };
}

class Rows<Row> {
  readonly kept: Row[] = [];
  count = 0;
  private readonly noun: string;
  private readonly readMax: number;
  private readonly keptMax: number;

  constructor(noun: string, readMax: number, keptMax: number) {
    this.noun = noun;
    this.readMax = readMax;
    this.keptMax = keptMax;
  }

  /** Reads all pages; a problem when there are too many rows. */
  async read(ask: (cursor: string | null) => Promise<Page<Row> | null>, passes: (row: Row) => boolean): Promise<Problem | null> {
    let cursor: string | null = null;
    do {
      const page: Page<Row> | null = await ask(cursor);
      if (page === null) return null;
      this.count += page.data.length;
      for (const row of page.data) if (passes(row)) this.kept.push(row);
      if (this.count > this.readMax) return tooMuch(`more than ${this.readMax} ${this.noun} in this time, which is as many as are read`);
      if (this.kept.length > this.keptMax) return tooMuch(`more ${this.noun} in this time that these rules look at than a dry run takes`);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return null;
  }
}

function tooMuch(what: string): Problem {
  return { status: 422, code: 'too_much_history', detail: `There are ${what}. Choose a shorter time.` };
}
