import type { Alert } from '../../model/alert.ts';
import { RecordTable, sortableNumber } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { BEGINNING } from '../sinks/protocol.ts';
import { orderKey } from './alert-entry.ts';
import type { AlertStore } from './alert-store.ts';

/** Changes that are kept for a consumer that is away, 20 MB; past it one that comes back reads everything. */
export const OUTBOX_ROWS_MAX = 500_000;
/** Rows that one step forgets. */
const FORGET_STEP = 1_000;
/** After every sequence. */
const STATE_KEY = '~';
/** sortableNumber's. */
const TIME_DIGITS = 11;

export interface AlertOutboxOptions {
  consumers: readonly string[];
  /** Names this outbox: no two of a data directory may have the same, and it has no dot. Counts when there is none yet. */
  generation: string;
}

export interface AlertPiece {
  /** As they are now. An alert occurs once at most. */
  alerts: Alert[];
  /** Where the next piece begins. */
  position: string;
  /** Nothing comes after it for now. */
  isLast: boolean;
}

interface OutboxState {
  generation: string;
  first: number;
  next: number;
  /** Everything before is written, by consumer. */
  positions: Record<string, string>;
}

/** Where a consumer is: in the rows of changes, or on its way through everything, after which it goes on with the changes from `sequence` on. */
type Place = { part: 'changes'; sequence: number } | { part: 'history' | 'memory'; sequence: number; after: string };

/**
 * Which alerts changed, in the order in which that went to disk, for the systems beside the engine: a row for each alert and turn, in the turn's transaction. As with the shards' outbox, what is read is the
 * newest state, so a piece that is read twice is harmless. Reads see what is committed when they come between turns.
 */
export class AlertOutbox {
  private readonly table: RecordTable<string | OutboxState>;
  private readonly alerts: AlertStore;
  private readonly options: AlertOutboxOptions;
  private readonly rowsMax: number;
  /** null: there are no consumers. */
  private state: OutboxState | null = null;
  private isChanged = false;

  constructor(store: Store, alerts: AlertStore, options: AlertOutboxOptions, rowsMax = OUTBOX_ROWS_MAX) {
    this.table = new RecordTable(store, 'alert-outbox');
    this.alerts = alerts;
    this.options = options;
    this.rowsMax = rowsMax;
  }

  load(): void {
    const { consumers, generation } = this.options;
    const found = this.table.get(STATE_KEY) as OutboxState | null;
    if (consumers.length === 0) {
      // The next consumer begins with everything, under another name.
      if (found !== null) this.table.remove(STATE_KEY);
      return;
    }
    const positions = Object.fromEntries(Object.entries(found?.positions ?? {}).filter(([consumer]) => consumers.includes(consumer)));
    // Rows of a time with consumers that are still there count on, or a number would have two meanings.
    const next = found?.next ?? this.lastRow() + 1;
    this.state = { generation: found?.generation ?? generation, first: found?.first ?? next, next, positions };
    this.isChanged = true;
  }

  get isOn(): boolean {
    return this.state !== null;
  }

  /** Queues that these changed. */
  add(alerts: readonly Alert[]): void {
    if (this.state === null) return;
    for (const { id } of alerts) this.table.put(sortableNumber(this.state.next++), id);
    if (alerts.length > 0) this.isChanged = true;
  }

  flush(): void {
    if (this.state === null || !this.isChanged) return;
    this.table.put(STATE_KEY, { ...this.state, positions: { ...this.state.positions } });
    this.isChanged = false;
  }

  /** The piece that begins at `position`, of `max` alerts at most. null: at what is remembered of the consumer, else at the beginning of all; so for BEGINNING and what means nothing here. */
  read(consumer: string, position: string | null, max: number): AlertPiece {
    const place = this.placeOf(position ?? this.state?.positions[consumer] ?? BEGINNING);
    if (this.state === null) return { alerts: [], position: BEGINNING, isLast: true };
    switch (place.part) {
      case 'changes':
        return this.readChanges(place.sequence, max);
      case 'history':
        return this.readHistory(place, max);
      case 'memory':
        return this.readMemory(place, max);
    }
  }

  /** Everything before the position is written. One that means nothing here is left alone. */
  acknowledge(consumer: string, position: string): void {
    if (this.state === null || !this.options.consumers.includes(consumer)) return;
    if (this.parse(position) === null || this.state.positions[consumer] === position) return;
    this.state.positions[consumer] = position;
    this.isChanged = true;
  }

  /** Forgets some rows that all have, and the oldest of too many; true when there are more. */
  forget(): boolean {
    const to = this.state === null ? Infinity : Math.max(this.neededFrom(), this.state.next - this.rowsMax);
    let forgotten = 0;
    for (const { key } of this.table.range({ to: to === Infinity ? STATE_KEY : sortableNumber(to), limit: FORGET_STEP })) {
      this.table.remove(key);
      forgotten++;
      if (this.state !== null) {
        this.state.first = sequenceOf(key) + 1;
        this.isChanged = true;
      }
    }
    return forgotten === FORGET_STEP;
  }

  private neededFrom(): number {
    const { positions, next } = this.state!;
    let needed = next;
    for (const consumer of this.options.consumers) needed = Math.min(needed, this.parse(positions[consumer] ?? BEGINNING)?.sequence ?? 0);
    return needed;
  }

  private readChanges(sequence: number, max: number): AlertPiece {
    const ids = new Set<string>();
    let rows = 0;
    let next = sequence;
    for (const { key, record } of this.table.range({ from: sortableNumber(sequence), to: STATE_KEY, limit: max })) {
      ids.add(record as string);
      next = sequenceOf(key) + 1;
      rows++;
    }
    // One that is forgotten by now is left out.
    const alerts = Array.from(ids, (id) => this.alerts.find(id)?.alert).filter((alert) => alert !== undefined);
    return { alerts, position: this.text({ part: 'changes', sequence: next }), isLast: rows < max };
  }

  private readHistory({ sequence, after }: { sequence: number; after: string }, max: number): AlertPiece {
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
    const place: Place = rows < max ? { part: 'memory', sequence, after: '' } : { part: 'history', sequence, after: last };
    return { alerts, position: this.text(place), isLast: false };
  }

  private readMemory({ sequence, after }: { sequence: number; after: string }, max: number): AlertPiece {
    const alerts: Alert[] = [];
    const from = after === '' ? { openedAt: -Infinity, id: '' } : { openedAt: Number.parseInt(after.slice(0, TIME_DIGITS), 36), id: `${after.slice(TIME_DIGITS)}\0` };
    for (const { alert } of this.alerts.index.all.ascending(from)) {
      alerts.push(alert);
      if (alerts.length === max) return { alerts, position: this.text({ part: 'memory', sequence, after: orderKey(alert) }), isLast: false };
    }
    return { alerts, position: this.text({ part: 'changes', sequence }), isLast: false };
  }

  private placeOf(position: string): Place {
    const place = this.parse(position);
    const isKept = place !== null && this.state !== null && place.sequence >= this.state.first;
    return isKept ? place : { part: 'history', sequence: this.state?.next ?? 0, after: '' };
  }

  private text(place: Place): string {
    const { generation } = this.state!;
    return place.part === 'changes' ? `${generation}.c.${place.sequence}` : `${generation}.${place.part === 'history' ? 'h' : 'm'}.${place.sequence}.${place.after}`;
  }

  private parse(position: string): Place | null {
    const [generation, part, sequence, after = ''] = position.split('.');
    if (generation !== this.state?.generation || !/^\d{1,16}$/.test(sequence ?? '') || Number(sequence) > this.state.next) return null;
    if (part === 'c') return { part: 'changes', sequence: Number(sequence) };
    if (part !== 'h' && part !== 'm') return null;
    return { part: part === 'h' ? 'history' : 'memory', sequence: Number(sequence), after };
  }

  private lastRow(): number {
    for (const { key } of this.table.range({ to: STATE_KEY, reverse: true, limit: 1 })) return sequenceOf(key);
    return 0;
  }
}

function sequenceOf(key: string): number {
  return Number.parseInt(key, 36);
}
