import type { Alert } from '../../model/alert.ts';
import { RecordTable } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { ChangeLog, type ChangeLogOptions, type LogPlace } from '../sinks/change-log.ts';
import { orderKey } from './alert-entry.ts';
import type { AlertStore } from './alert-store.ts';

/** Changes that are kept for a consumer that is away, 20 MB; past it one that comes back reads everything. */
export const OUTBOX_ROWS_MAX = 500_000;
/** sortableNumber's. */
const TIME_DIGITS = 11;
/** Everything is what is in the store's history, then what is in memory. */
const PART = { history: 'h', memory: 'm', changes: 'c' } as const;

export interface AlertPiece {
  /** As they are now. An alert occurs once at most. */
  alerts: Alert[];
  /** Where the next piece begins. */
  position: string;
  /** Nothing comes after it for now. */
  isLast: boolean;
}

/**
 * Which alerts changed (sinks/change-log.ts): a row for each alert and turn. As with the shards' outbox, what is read is the newest state, so a piece that is read twice is harmless. Reads see what is
 * committed when they come between turns.
 */
export class AlertOutbox {
  private readonly log: ChangeLog<string>;
  private readonly alerts: AlertStore;

  constructor(store: Store, alerts: AlertStore, options: ChangeLogOptions, rowsMax = OUTBOX_ROWS_MAX) {
    this.log = new ChangeLog(new RecordTable(store, 'alert-outbox'), options, { parts: [PART.history, PART.memory], changes: PART.changes, rowsMax });
    this.alerts = alerts;
  }

  load(): void {
    this.log.load();
  }

  get isOn(): boolean {
    return this.log.isOn;
  }

  /** Queues that these changed. */
  add(alerts: readonly Alert[]): void {
    this.log.add(alerts.map(({ id }) => id));
  }

  flush(): void {
    this.log.flush();
  }

  /** The piece that begins at `position`, of `max` alerts at most. null: at what is remembered of the consumer, else at the beginning of all; so for BEGINNING and what means nothing here. */
  read(consumer: string, position: string | null, max: number): AlertPiece {
    const place = this.log.placeOf(consumer, position);
    if (!this.isOn) return { alerts: [], position: this.log.position(place), isLast: true };
    return place.part === PART.changes ? this.readChanges(place, max) : place.part === PART.history ? this.readHistory(place, max) : this.readMemory(place, max);
  }

  /** Everything before the position is written. One that means nothing here is left alone. */
  acknowledge(consumer: string, position: string): void {
    this.log.acknowledge(consumer, position);
  }

  /** Forgets some rows that all have, and the oldest of too many; true when there are more. */
  forget(): boolean {
    return this.log.forget();
  }

  private readChanges({ sequence }: LogPlace, max: number): AlertPiece {
    const { rows, next } = this.log.changes(sequence, max);
    const ids = new Set(rows.map(({ record }) => record));
    // One that is forgotten by now is left out.
    const alerts = Array.from(ids, (id) => this.alerts.find(id)?.alert).filter((alert) => alert !== undefined);
    return { alerts, position: this.log.position(next), isLast: rows.length < max };
  }

  private readHistory({ sequence, after }: LogPlace, max: number): AlertPiece {
    const alerts: Alert[] = [];
    let last = after;
    let rows = 0;
    // No key lies between one and itself with a zero byte.
    for (const { key, record } of this.alerts.historyRange({ from: `${after}\0`, limit: max })) {
      rows++;
      last = key;
      // What memory has of it may be gone from there when its turn would come.
      alerts.push(this.alerts.find(record.alert.id)?.alert ?? record.alert);
    }
    const place: LogPlace = rows < max ? { part: PART.memory, sequence, after: '' } : { part: PART.history, sequence, after: last };
    return { alerts, position: this.log.position(place), isLast: false };
  }

  private readMemory({ sequence, after }: LogPlace, max: number): AlertPiece {
    const alerts: Alert[] = [];
    const from = after === '' ? { openedAt: -Infinity, id: '' } : { openedAt: Number.parseInt(after.slice(0, TIME_DIGITS), 36), id: `${after.slice(TIME_DIGITS)}\0` };
    for (const { alert } of this.alerts.index.all.ascending(from)) {
      alerts.push(alert);
      if (alerts.length === max) return { alerts, position: this.log.position({ part: PART.memory, sequence, after: orderKey(alert) }), isLast: false };
    }
    return { alerts, position: this.log.position({ part: PART.changes, sequence, after: '' }), isLast: false };
  }
}
