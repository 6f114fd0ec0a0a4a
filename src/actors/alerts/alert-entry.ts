import type { Alert, AlertEvent, Decision } from '../../model/alert.ts';
import { sortableNumber } from '../../runtime/record-table.ts';
import type { Membership } from './inhibition-cell.ts';

/** An alert as the book keeps it. */
export interface AlertRecord {
  /** Never changed, only replaced: whoever was given it keeps it as it was. */
  alert: Alert;
  /** Start of the newest occurrence: what says that the condition is over says of which. */
  lastStartedAt: number;
  /** Nobody has said that the condition is over. */
  holds: boolean;
  /** While it is flapping: since when it has held, or been well, without a break, by the engine's clock. */
  steadySince: number | null;
  /** Affected meters when the history last said how many. */
  saidMeters: number;
  /** Events that it ever had. */
  events: number;
  /** Rows that its history and its decisions ever had (alert-lines.ts). */
  eventRows: number;
  decisionRows: number;
}

export interface Entry extends AlertRecord {
  /** As of the last flush: the table of standing ones has it, or the history has, and as what. */
  isInBook: boolean;
  filed: Alert | null;
  /** Not in the store's queue yet; null: none. */
  newEvents: AlertEvent[] | null;
  newDecisions: Decision[] | null;
  /** Queued by the last flush, so perhaps not readable there; each is the newest row. */
  flushedEvents: AlertEvent[] | null;
  flushedDecisions: Decision[] | null;
  /** Its part in inhibitions; null while it has none or is not active. */
  membership: Membership<Entry> | null;
}

export function entryOf(record: AlertRecord, { isInBook, filed }: Pick<Entry, 'isInBook' | 'filed'>): Entry {
  return { ...record, isInBook, filed, newEvents: null, newDecisions: null, flushedEvents: null, flushedDecisions: null, membership: null };
}

export function recordOf({ alert, lastStartedAt, holds, steadySince, saidMeters, events, eventRows, decisionRows }: Entry): AlertRecord {
  return { alert, lastStartedAt, holds, steadySince, saidMeters, events, eventRows, decisionRows };
}

export function isActive(alert: Alert): boolean {
  return alert.state !== 'resolved';
}

/** It is active, or a person resolved it while its condition went on. The rest is history. */
export function isStanding({ alert, holds }: AlertRecord): boolean {
  return isActive(alert) || holds;
}

/** Sorts alerts by (openedAt, id). */
export function orderKey({ openedAt, id }: Pick<Alert, 'openedAt' | 'id'>): string {
  return sortableNumber(openedAt) + id;
}

const ID_PATTERN = /^([0-9a-f]{16})-([0-9a-z]{1,11})$/;

/** What an id says; null: it is of no alert. */
export function parseAlertId(id: string): { fingerprint: string; startedAt: number } | null {
  const found = ID_PATTERN.exec(id);
  return found === null ? null : { fingerprint: found[1], startedAt: Number.parseInt(found[2], 36) };
}
