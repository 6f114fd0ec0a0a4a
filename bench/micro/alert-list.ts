import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AlertBook } from '../../src/actors/alerts/alert-book.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { RaisedSignal } from '../../src/actors/alerts/signal.ts';
import type { Alert, AlertListQuery } from '../../src/model/alert.ts';
import { SEVERITIES } from '../../src/model/anomaly.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import type { Store, Table } from '../../src/runtime/store.ts';
import { hashOf, quantileOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';

/** Lists of a book with many active alerts, what they take of memory, and what happens when something touches all of them. */

export interface AlertListOptions {
  alerts: number;
  queriesPerRound: number;
  rounds: number;
}

export const ALERT_LIST_FULL: AlertListOptions = { alerts: 100_000, queriesPerRound: 50, rounds: 7 };

const START_MS = Date.parse('2026-11-27T10:00:00Z');
const HOUR_MS = 3_600_000;
/** After all alerts have opened; what is touched once an hour does not flap. */
const TOUCH_MS = START_MS + 24 * HOUR_MS;
const REGIONS = 50;
/** Of so many alerts one is CRITICAL, which a filter has to look for. */
const CRITICAL_EVERY = 5_000;
const PAGE = 100;
const MB = 2 ** 20;

const ANY: AlertListQuery = { state: null, type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: START_MS * 2, limit: PAGE, cursor: null };

export async function run(options: AlertListOptions = ALERT_LIST_FULL): Promise<BenchReport> {
  const { alerts, rounds } = options;
  const bytesBefore = heapBytes();
  const book = new AlertBook(DEFAULT_RULES, new ForgetfulStore(), { outbox: { consumers: [], generation: 'bench' } });
  book.load();
  const openedMs = timeOf(() => fill(book, alerts));
  book.flush();
  book.flush();
  const bytesEach = (heapBytes() - bytesBefore) / alerts;
  const rows: BenchRow[] = [
    rowOf('alerts opened', 'alerts/s', [(alerts * 1_000) / openedMs], `with decisions and history; ${(bytesEach / 1_024).toFixed(2)} KB of heap each, ${((bytesEach * alerts) / MB).toFixed(0)} MB in all`, hashOf(String([...book.active()].length))),
    ...queries(alerts).map(({ name, query }) => listRow(book, name, query, options)),
    touchRow(book, 'a silence of everything begins and ends', rounds, (nowMs) => silence(book, nowMs, [])),
    touchRow(book, 'a silence of one region begins and ends', rounds, (nowMs) => silence(book, nowMs, ['region-7'])),
    touchRow(book, 'a region goes dark and is lit again', rounds, (nowMs) => dark(book, nowMs)),
  ];
  return { name: 'micro: alert-list', leavesOut: 'HTTP, JSON, the disk, alerts of the history.', rows };
}

function queries(alerts: number): { name: string; query: Partial<AlertListQuery> }[] {
  const middle = START_MS + Math.floor(alerts / 2);
  return [
    { name: 'newest', query: {} },
    { name: 'active ones from the middle on', query: { state: 'active', to: middle } },
    { name: 'CRITICAL', query: { severity: 'CRITICAL' } },
    { name: 'of a type and severity that there is not', query: { type: 'ANOMALY', severity: 'INFO' } },
    { name: 'acknowledged (none)', query: { state: 'acknowledged' } },
    { name: 'suppressed (none)', query: { isSuppressed: true } },
    { name: 'of a region', query: { region: 'region-7' } },
    { name: 'CRITICAL of a region', query: { region: 'region-0', severity: 'CRITICAL' } },
    { name: 'of a meter', query: { meterId: 'meter-77' } },
  ];
}

function listRow(book: AlertBook, name: string, query: Partial<AlertListQuery>, { queriesPerRound, rounds }: AlertListOptions): BenchRow {
  const latencies = new Float64Array(queriesPerRound * rounds);
  const rates: number[] = [];
  let answer: Alert[] = [];
  for (let round = -1; round < rounds; round++) {
    const roundMs = timeOf(() => {
      for (let k = 0; k < queriesPerRound; k++) {
        const ms = timeOf(() => (answer = book.list({ ...ANY, ...query }).data));
        if (round >= 0) latencies[round * queriesPerRound + k] = ms;
      }
    });
    if (round >= 0) rates.push((queriesPerRound * 1_000) / roundMs);
  }
  const p99 = quantileOf(latencies, 0.99);
  return rowOf(`list, ${name}`, 'queries/s', rates, `${answer.length} found, p99 ${p99.toFixed(2)} ms, slowest ${latencies[latencies.length - 1].toFixed(2)} ms`, hashOf(JSON.stringify(answer)));
}

/** `touch` does something and takes it back, and gives how many changes that were. */
function touchRow(book: AlertBook, name: string, rounds: number, touch: (nowMs: number) => number): BenchRow {
  const times: number[] = [];
  let changes = 0;
  for (let round = 0; round < rounds; round++) {
    times.push(timeOf(() => (changes = touch(TOUCH_MS + round * HOUR_MS))));
    book.flush();
  }
  return rowOf(name, 'ms', times, `${changes} changes`, hashOf(String(changes)));
}

function silence(book: AlertBook, nowMs: number, regions: string[]): number {
  const match = { types: [], severities: [], rules: [], regions, meters: [], components: [] };
  const { answer, changes } = book.makeSilence({ kind: 'silence', match, startsAt: nowMs, endsAt: nowMs + HOUR_MS / 2, createdBy: 'bench', comment: 'bench' }, nowMs);
  return changes.length + book.endSilence(answer.id, null, 'bench', null, nowMs + 1).changes.length;
}

function dark(book: AlertBook, nowMs: number): number {
  const subject = { rule: 'region-dark', kind: 'region_dark', region: 'region-7', meterId: null, component: null, startedAt: nowMs } as const;
  const changes = book.apply(signalOf({ ...subject, type: 'METER_OUTAGE', severity: 'CRITICAL' }), nowMs);
  return changes.length + book.apply({ state: 'cleared', reason: 'It is lit.', ...subject }, nowMs + 1).length;
}

function fill(book: AlertBook, alerts: number): void {
  for (let i = 0; i < alerts; i++) {
    const severity = i % CRITICAL_EVERY === 0 ? SEVERITIES[2] : SEVERITIES[i % 2];
    book.apply(signalOf({ meterId: `meter-${i}`, region: `region-${i % REGIONS}`, severity, startedAt: START_MS + i - 60_000 }), START_MS + i);
  }
  invariant(book.figures().standing === alerts, 'all alerts are active');
}

function signalOf(of: Partial<RaisedSignal>): RaisedSignal {
  const named = { rule: 'meter-outage', type: 'METER_OUTAGE', kind: 'outage', severity: 'WARN', region: null, meterId: null, component: null, startedAt: START_MS, ...of } as const;
  const title = `Outage of meter ${named.meterId} in ${named.region}`;
  return { state: 'raised', title, description: `${title}: nothing has been heard of it for 15 minutes, and it sends every 5 minutes as a rule.`, value: 0, threshold: null, unit: 'kW', affectedMeters: 1, ...named };
}

function timeOf(work: () => void): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}

/** Without what nobody holds. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/** A store that keeps nothing, so that the memory measured is the book's alone. */
class ForgetfulStore implements Store {
  private readonly empty = new MemoryStore();

  table(name: string): Table {
    const nothing = this.empty.table(name);
    return { put: () => {}, remove: () => {}, get: () => undefined, count: () => 0, keys: (from, to) => nothing.keys(from, to), range: (from, to) => nothing.range(from, to) };
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  sizeBytes(): number {
    return 0;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
