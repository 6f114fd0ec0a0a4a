import { sortableNumber, type KeyedRecord } from '../../runtime/record-table.ts';
import { BEGINNING } from './protocol.ts';

/**
 * What changed of a supervisor's records, in the order in which that went to disk, for the systems beside the engine: a row for each change, in the turn's transaction. Who reads begins with parts of everything,
 * named and gone through by the outbox that this is of, and goes on with the changes since it began. Where each is, is written down here.
 */

/** Rows that one step forgets. */
const FORGET_STEP = 1_000;
const FIRST_KEY = sortableNumber(0);
/** After every sequence. */
const STATE_KEY = '~';

export interface ChangeLogOptions {
  consumers: readonly string[];
  /** Names this log: no two of a data directory may have the same, and it has no dot. Counts when there is none yet. */
  generation: string;
}

export interface ChangeLogShape {
  /** Parts of everything as positions name them, in order. */
  parts: readonly string[];
  /** The changes, as positions name them. */
  changes: string;
  /** Changes that are kept for a consumer that is away; past it one that comes back reads everything. */
  rowsMax: number;
}

/** Where a consumer is: in the changes, or `after` a record of a part, at whose end it goes on with the changes from `sequence` on. */
export interface LogPlace {
  part: string;
  sequence: number;
  after: string;
}

interface LogState {
  generation: string;
  first: number;
  next: number;
  /** Everything before is written, by consumer. */
  positions: Record<string, string>;
}

/** A table of rows that is the log's alone. `range`: records with `from` ≤ key < `to`, in order. */
export interface LogTable<Row> {
  get(key: string): Row | null;
  put(key: string, row: Row): void;
  remove(key: string): void;
  range(options: { from: string; to: string; reverse?: boolean }): Iterable<KeyedRecord<Row>>;
}

export class ChangeLog<Row> {
  private readonly table: LogTable<Row | LogState>;
  private readonly options: ChangeLogOptions;
  private readonly shape: ChangeLogShape;
  /** null: there are no consumers. */
  private state: LogState | null = null;
  private isChanged = false;

  constructor(table: LogTable<Row | LogState>, options: ChangeLogOptions, shape: ChangeLogShape) {
    this.table = table;
    this.options = options;
    this.shape = shape;
  }

  load(): void {
    const { consumers, generation } = this.options;
    const found = this.table.get(STATE_KEY) as LogState | null;
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

  /** Somebody reads it. */
  get isOn(): boolean {
    return this.state !== null;
  }

  add(rows: readonly Row[]): void {
    if (this.state === null) return;
    for (const row of rows) this.table.put(sortableNumber(this.state.next++), row);
    if (rows.length > 0) this.isChanged = true;
  }

  flush(): void {
    if (this.state === null || !this.isChanged) return;
    this.table.put(STATE_KEY, { ...this.state, positions: { ...this.state.positions } });
    this.isChanged = false;
  }

  /** Where the consumer reads on. null: where is remembered of it, else at the beginning of all; so for BEGINNING and what means nothing here. */
  placeOf(consumer: string, position: string | null): LogPlace {
    const place = this.parse(position ?? this.state?.positions[consumer] ?? BEGINNING);
    const isKept = place !== null && this.state !== null && place.sequence >= this.state.first;
    return isKept ? place : { part: this.shape.parts[0], sequence: this.state?.next ?? 0, after: '' };
  }

  /** The place as a position; BEGINNING while nobody reads. */
  position({ part, sequence, after }: LogPlace): string {
    if (this.state === null) return BEGINNING;
    const { generation } = this.state;
    return part === this.shape.changes ? `${generation}.${part}.${sequence}` : `${generation}.${part}.${sequence}.${after}`;
  }

  /** Up to `max` changes from `sequence` on, under their keys, and where the next ones begin. */
  changes(sequence: number, max: number): { rows: KeyedRecord<Row>[]; next: LogPlace } {
    const rows: KeyedRecord<Row>[] = [];
    for (const row of this.table.range({ from: sortableNumber(sequence), to: STATE_KEY })) {
      if (rows.length === max) break;
      rows.push(row as KeyedRecord<Row>);
    }
    const last = rows.at(-1);
    return { rows, next: { part: this.shape.changes, sequence: last === undefined ? sequence : sequenceOf(last.key) + 1, after: '' } };
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
    const to = this.state === null ? STATE_KEY : sortableNumber(Math.max(this.neededFrom(), this.state.next - this.shape.rowsMax));
    const keys: string[] = [];
    for (const { key } of this.table.range({ from: FIRST_KEY, to })) {
      keys.push(key);
      if (keys.length === FORGET_STEP) break;
    }
    for (const key of keys) this.table.remove(key);
    if (this.state !== null && keys.length > 0) {
      this.state.first = sequenceOf(keys[keys.length - 1]) + 1;
      this.isChanged = true;
    }
    return keys.length === FORGET_STEP;
  }

  private neededFrom(): number {
    const { positions, next } = this.state!;
    let needed = next;
    for (const consumer of this.options.consumers) needed = Math.min(needed, this.parse(positions[consumer] ?? BEGINNING)?.sequence ?? 0);
    return needed;
  }

  private parse(position: string): LogPlace | null {
    const [generation, part, sequence, after = ''] = position.split('.');
    if (generation !== this.state?.generation || !/^\d{1,16}$/.test(sequence ?? '') || Number(sequence) > this.state.next) return null;
    const { parts, changes } = this.shape;
    if (part === changes) return { part, sequence: Number(sequence), after: '' };
    return parts.includes(part) ? { part, sequence: Number(sequence), after } : null;
  }

  private lastRow(): number {
    for (const { key } of this.table.range({ from: FIRST_KEY, to: STATE_KEY, reverse: true })) return sequenceOf(key);
    return 0;
  }
}

function sequenceOf(key: string): number {
  return Number.parseInt(key, 36);
}
