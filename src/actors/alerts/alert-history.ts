import type { Alert, AlertListQuery } from '../../model/alert.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { sortableNumber } from '../../runtime/record-table.ts';
import { isActive, orderKey, parseAlertId } from './alert-entry.ts';
import type { OrderPoint } from './alert-index.ts';
import { meterKey, regionKey, typeKey, type AlertStore } from './alert-store.ts';

/** Resolved alerts are kept so long … */
export const HISTORY_KEPT_MS = 400 * 86_400_000;
/** … and so many at most: 2 GB. */
export const HISTORY_ROWS_MAX = 1_000_000;
/** Rows of the history that one query looks at, 10 ms of work on a slow machine (bench/RESULTS.md): a filter that matches little gives a short page and a cursor instead of a long wait. */
export const ROWS_PER_QUERY_MAX = 500;
/** Rows that one step forgets: each has a few dozen others. */
const FORGET_STEP = 50;
const TIME_MAX_MS = 8.64e15;
/** sortableNumber's. */
const TIME_DIGITS = 11;

interface Candidate {
  key: string;
  /** null: the filter does not match it. */
  alert: Alert | null;
}

/** Lists alerts, those in memory and those of the history in one order. Throws OperationalError `bad_cursor`. */
export function listAlerts(store: AlertStore, query: AlertListQuery, rowsMax = ROWS_PER_QUERY_MAX): Page<Alert> {
  const { limit } = query;
  const data: Alert[] = [];
  let lastKey: string | null = null;
  let rows = 0;
  for (const { key, alert, isRow } of newestFirst(store, query, rowsMax)) {
    if (alert !== null && data.length === limit) return { data, nextCursor: lastKey };
    if (alert !== null) data.push(alert);
    // Past the last of a full page the filter's misses need not be looked at again.
    lastKey = key;
    if (isRow && ++rows === rowsMax) return { data, nextCursor: key };
  }
  return { data, nextCursor: null };
}

/** Forgets resolved alerts of long ago, and the oldest of too many; true when there may be more. */
export function forgetHistory(store: AlertStore, nowMs: number, rowsMax = HISTORY_ROWS_MAX): boolean {
  let tooMany = store.historyCount - rowsMax;
  let forgotten = 0;
  for (const { record } of store.historyRange({ limit: FORGET_STEP })) {
    if (store.isInMemory(record.alert.id)) continue;
    if (tooMany <= 0 && record.alert.resolved!.at + HISTORY_KEPT_MS > nowMs) continue;
    store.removeHistory(record);
    tooMany--;
    forgotten++;
  }
  return forgotten === FORGET_STEP;
}

/** Every row of the history is in it, with null where it does not match; of memory those that match. */
function* newestFirst(store: AlertStore, query: AlertListQuery, rowsMax: number): Generator<Candidate & { isRow: boolean }> {
  const memory = inMemory(store, query);
  const rows = inHistory(store, query, rowsMax);
  let left = memory.next();
  let right = rows.next();
  while (!left.done || !right.done) {
    if (right.done || (!left.done && left.value.key > right.value.key)) {
      yield { ...left.value!, isRow: false };
      left = memory.next();
    } else {
      yield { ...right.value, isRow: true };
      right = rows.next();
    }
  }
}

function* inMemory({ index }: AlertStore, query: AlertListQuery): Generator<Candidate> {
  for (const { alert } of index.descending(query, startOf(query))) {
    if (alert.openedAt < query.from) return;
    if (matches(query, alert)) yield { key: orderKey(alert), alert };
  }
}

function* inHistory(store: AlertStore, query: AlertListQuery, rowsMax: number): Generator<Candidate> {
  // All that is there is resolved, and nobody keeps it back.
  if ((query.state !== null && query.state !== 'resolved') || query.isSuppressed === true) return;
  const span = { from: sortableNumber(clamped(query.from)), to: orderKey(startOf(query)), reverse: true };
  const subject = subjectOf(query);
  for (const { key, record } of subject === null ? store.historyRange({ ...span, limit: rowsMax }) : store.historyOf(subject, span)) {
    // Memory has it as it is now.
    const isWanted = !store.isInMemory(record.alert.id) && matches(query, record.alert);
    yield { key, alert: isWanted ? record.alert : null };
  }
}

/** Beginning of the keys that narrow the history down most; null: all of it is looked at. */
function subjectOf({ meterId, region, type }: AlertListQuery): string | null {
  if (meterId !== null) return meterKey(meterId);
  if (region !== null) return regionKey(region);
  return type === null ? null : typeKey(type);
}

/** What is listed lies before it. */
function startOf({ cursor, to }: AlertListQuery): OrderPoint {
  const end = { openedAt: clamped(to), id: '' };
  if (cursor === null) return end;
  const point = { openedAt: Number.parseInt(cursor.slice(0, TIME_DIGITS), 36), id: cursor.slice(TIME_DIGITS) };
  if (parseAlertId(point.id) === null || orderKey(point) !== cursor) throw new OperationalError('bad_cursor', 'the cursor is of no page');
  return point.openedAt < end.openedAt ? point : end;
}

function matches({ state, type, severity, region, meterId, isSuppressed }: AlertListQuery, alert: Alert): boolean {
  return (
    (state === null || (state === 'active' ? isActive(alert) : alert.state === state)) &&
    (type === null || alert.type === type) &&
    (severity === null || alert.severity === severity) &&
    (region === null || alert.region === region) &&
    (meterId === null || alert.meterId === meterId) &&
    (isSuppressed === null || (alert.suppression !== null) === isSuppressed)
  );
}

function clamped(timeMs: number): number {
  return Math.min(TIME_MAX_MS, Math.max(0, timeMs));
}
