import { OperationalError } from './errors.ts';
import type { Store, Table } from './store.ts';

/**
 * A durable log of numbered records, in segments: each segment is a store of its own that is only ever appended to, and goes as a whole once
 * nothing in it is needed. So the log never waits for a writer of other tables, leaves no free pages behind, and costs no memory once it is closed.
 *
 * A segment is named by its first record. It says which segment came before, and, once it is full, which comes next: a segment that is
 * missing, be it the last, is noticed.
 */

export interface JournalRecord {
  sequence: number;
  /** Owned by the caller. */
  bytes: Uint8Array;
}

/** Where segments lie; LMDB environments in production (lmdb-segments.ts), memory in simulations (memory-disk.ts). */
export interface SegmentFiles {
  /** First records of the segments there are, ascending. */
  list(): number[];
  /** null when there are no files of it or nothing was ever in them. Throws OperationalError `corrupt` when it cannot be read. */
  open(first: number): Store | null;
  /** Opens one that may be there already, with nothing in it. Throws OperationalError `storage_full` (retryable) when there is no room for another. */
  make(first: number): Store;
  /** Removes a closed segment; false when it has to stay for now. */
  remove(first: number): boolean;
  /** Bytes of all of them on disk. */
  sizeBytes(): number;
  /** Resolves when nothing is under way any more that goes on by itself after `make`. */
  settled(): Promise<void>;
}

export interface JournalOptions {
  /** Whose log it is; a segment with another label is refused. */
  label: string;
  /** The next record begins a new segment once the newest holds this many bytes. */
  segmentBytesMax: number;
  readOnly?: boolean;
}

/** Raised when what lies in a segment changes its meaning. */
const SEGMENT_FORMAT = 1;
const SEQUENCE_BYTES = 6;
/** The one table of a segment. */
export const SEGMENT_TABLE = 'log';
/** Records lie under their sequence; around them, what the segment says of itself. */
const HEADER_SEQUENCE = 0;
const NEXT_SEQUENCE = 2 ** 48 - 1;

interface Header {
  format: number;
  label: string;
  first: number;
  /** First record of the segment before; null for the first of all. */
  previous: number | null;
}

/** What a segment says of itself. */
interface Look {
  header: Header;
  /** First record of the segment after it; null while it does not say. */
  next: number | null;
}

/** A full segment that may not say on disk which comes next. */
interface Unsealed {
  first: number;
  next: number;
  /** null until it is opened for that. */
  segment: Segment | null;
}

/** A segment that is open. */
interface Segment {
  first: number;
  store: Store;
  log: Table;
  /** Of its records, about. */
  bytes: number;
  /** What it has yet to say of itself; null once that is on disk. */
  header: Header | null;
}

export class Journal {
  private readonly files: SegmentFiles;
  private readonly options: JournalOptions;
  /** Ascending; the last is the one that is written to. */
  private segments: number[];
  private tail: Segment | null = null;
  private unsealed: Unsealed[] = [];
  private hasQueued = false;

  /** Looks at what is there. Throws OperationalError `corrupt` when a segment is missing, `format` or `wrong_journal` when it is none of ours. */
  constructor(files: SegmentFiles, options: JournalOptions) {
    this.files = files;
    this.options = options;
    this.segments = this.checkedChain();
  }

  /** Begin of the oldest segment; null while there is none. */
  get first(): number | null {
    return this.segments[0] ?? null;
  }

  /** Makes the first segment of a new log; resolves when it is on disk. */
  async start(): Promise<void> {
    if (this.segments.length === 0) this.begin(HEADER_SEQUENCE + 1, null);
    await this.commit();
  }

  /** Queues a record; `bytes` must not change until it is on disk. Sequences are above 0 and ascend. Throws what SegmentFiles does. */
  append(sequence: number, bytes: Uint8Array): void {
    const tail = this.tailFor(sequence);
    tail.log.put(sequenceKey(sequence), bytes);
    tail.bytes += bytes.length;
    this.hasQueued = true;
  }

  /**
   * Resolves when everything queued so far is on disk, all or nothing. One call at a time. Rejects as Store.commit does: with `storage_full` nothing of it
   * is on disk and the sequences may be used again, with `storage_failed` nobody knows.
   */
  async commit(): Promise<void> {
    const { tail } = this;
    this.hasQueued = false;
    if (tail !== null) {
      if (tail.header !== null) tail.log.put(sequenceKey(HEADER_SEQUENCE), Buffer.from(JSON.stringify(tail.header)));
      await tail.store.commit();
      tail.header = null;
    }
    // After its successor is on disk, or a crash in between would look like a missing segment.
    for (const unsealed of [...this.unsealed]) await this.seal(unsealed);
  }

  /** Records from `fromSequence` on that are on disk, in order. Segments are opened one after the other. */
  *records(fromSequence: number): Generator<JournalRecord> {
    const segments = [...this.segments];
    for (const [i, first] of segments.entries()) {
      if (i + 1 < segments.length && segments[i + 1] <= fromSequence) continue;
      const { segment, close } = this.borrow(first);
      try {
        const from = sequenceKey(Math.max(fromSequence, HEADER_SEQUENCE + 1));
        for (const { key, value } of segment.log.range(from, sequenceKey(NEXT_SEQUENCE))) yield { sequence: sequenceOf(key), bytes: value };
      } finally {
        close();
      }
    }
  }

  /** Sequence of the newest record on disk; 0 when there is none. */
  lastSequence(): number {
    for (const first of [...this.segments].reverse()) {
      const [last] = this.read(first, (log) => [...log.range(sequenceKey(HEADER_SEQUENCE + 1), sequenceKey(NEXT_SEQUENCE), { reverse: true, limit: 1 })]);
      if (last !== undefined) return sequenceOf(last.key);
    }
    return 0;
  }

  /** First record that would be left if those before `sequence` could go; null while there is no segment. */
  keptFrom(sequence: number): number | null {
    return this.segments.findLast((first) => first <= sequence) ?? this.first;
  }

  /** Removes the segments that hold nothing but records before `sequence`, as far as they may go. */
  release(sequence: number): void {
    while (this.segments.length > 1 && this.segments[1] <= sequence) {
      const [oldest] = this.segments;
      if (this.unsealed.some(({ first }) => first === oldest) || !this.files.remove(oldest)) return;
      this.segments.shift();
    }
  }

  /** Segments there are: the first record of each, and its bytes on disk, about. */
  spans(): { sequence: number; bytes: number }[] {
    const bytes = this.files.sizeBytes() / Math.max(1, this.segments.length);
    return this.segments.map((sequence) => ({ sequence, bytes }));
  }

  /** Bytes the segments occupy on disk. */
  sizeBytes(): number {
    return this.files.sizeBytes();
  }

  async close(): Promise<void> {
    const open = [...this.unsealed.map(({ segment }) => segment), this.tail];
    this.unsealed = [];
    this.tail = null;
    for (const segment of open) await segment?.store.close();
    await this.files.settled();
  }

  // Segments ---------------------------------------------------------------------------------------------------------------

  private tailFor(sequence: number): Segment {
    const { tail } = this;
    if (tail === null) {
      const newest = this.segments.at(-1);
      return newest === undefined ? this.begin(sequence, null) : (this.tail = this.open(newest));
    }
    // Between two commits, so that what belongs together stays together; and never from a segment that has nothing in it.
    if (this.hasQueued || tail.header !== null || tail.first === sequence || tail.bytes < this.options.segmentBytesMax) return tail;
    try {
      return this.begin(sequence, tail);
    } catch (error) {
      // No room: the commit will say so if there is none for the record either.
      if (error instanceof OperationalError && error.retryable) return tail;
      throw error;
    }
  }

  private begin(first: number, before: Segment | null): Segment {
    const segment = segmentOf(first, this.files.make(first));
    segment.header = { format: SEGMENT_FORMAT, label: this.options.label, first, previous: before?.first ?? null };
    if (before !== null) this.unsealed.push({ first: before.first, next: first, segment: before });
    this.segments.push(first);
    this.tail = segment;
    return segment;
  }

  private async seal(unsealed: Unsealed): Promise<void> {
    const segment = (unsealed.segment ??= this.open(unsealed.first));
    segment.log.put(sequenceKey(NEXT_SEQUENCE), Buffer.from(String(unsealed.next)));
    try {
      await segment.store.commit();
    } catch (error) {
      // The records of this commit are on disk, so it has not failed; the next one tries again.
      if (error instanceof OperationalError && error.retryable) return;
      throw error;
    }
    this.unsealed.splice(this.unsealed.indexOf(unsealed), 1);
    await segment.store.close();
  }

  private open(first: number): Segment {
    const store = this.files.open(first);
    if (store === null) throw missing(first, []);
    return segmentOf(first, store);
  }

  /** A segment to read, which is open already or is opened until `close`. */
  private borrow(first: number): { segment: Segment; close(): void } {
    const open = [this.tail, ...this.unsealed.map(({ segment }) => segment)].find((segment) => segment?.first === first);
    if (open !== undefined && open !== null) return { segment: open, close() {} };
    const segment = this.open(first);
    // Nothing is written to it, so nothing can fail that anybody would want to hear of.
    return { segment, close: () => void segment.store.close().catch(() => {}) };
  }

  private read<T>(first: number, look: (log: Table) => T): T {
    const { segment, close } = this.borrow(first);
    try {
      return look(segment.log);
    } finally {
      close();
    }
  }

  // The chain --------------------------------------------------------------------------------------------------------------

  /** First records of the segments that hold something, once it is sure that none of them is missing. */
  private checkedChain(): number[] {
    const chain: number[] = [];
    const empty: number[] = [];
    let before: { first: number; next: number | null } | null = null;
    for (const first of this.files.list()) {
      const look = this.lookAt(first);
      if (look === null) {
        empty.push(first);
        continue;
      }
      const { previous } = look.header;
      if (before === null) {
        // Others may have been before the oldest, but they went whole.
        if (previous !== null && empty.includes(previous)) throw missing(previous, empty);
      } else {
        if (previous !== before.first || (before.next ?? first) !== first) throw missing(before.next ?? previous ?? first, empty);
        if (before.next === null && this.options.readOnly !== true) this.unsealed.push({ first: before.first, next: first, segment: null });
      }
      chain.push(first);
      before = { first, next: look.next };
    }
    if (before === null) return [];
    if (before.next !== null) throw missing(before.next, empty);
    // The chain does without them: they were made, and the engine died before anything was in them.
    if (this.options.readOnly !== true) for (const first of empty) this.files.remove(first);
    return chain;
  }

  /** null when nothing was ever in the segment, or nothing is left. */
  private lookAt(first: number): Look | null {
    const store = this.files.open(first);
    if (store === null) return null;
    try {
      const log = store.table(SEGMENT_TABLE);
      const header = headerOf(log, nameOf(first));
      if (header === null) {
        // It comes with the first records.
        if (log.count() > 0) throw new OperationalError('corrupt', `${nameOf(first)} does not say what it is`);
        return null;
      }
      this.checkHeader(first, header);
      return { header, next: nextOf(log, first) };
    } finally {
      store.close().catch(() => {});
    }
  }

  private checkHeader(first: number, header: Header): void {
    const name = nameOf(first);
    if (header.format !== SEGMENT_FORMAT) throw new OperationalError('format', `${name} has format ${header.format}, this engine reads ${SEGMENT_FORMAT}; use the engine that wrote it`);
    if (header.label !== this.options.label || header.first !== first) {
      throw new OperationalError('wrong_journal', `${name} is that of record ${header.first} of ${header.label}, not of ${this.options.label}: its files were moved; bring them back, or restore a backup with seg restore`);
    }
  }
}

function segmentOf(first: number, store: Store): Segment {
  return { first, store, log: store.table(SEGMENT_TABLE), bytes: store.sizeBytes(), header: null };
}

/** null when there is none. */
function headerOf(log: Table, name: string): Header | null {
  const found = log.get(sequenceKey(HEADER_SEQUENCE));
  if (found === undefined) return null;
  let header: Partial<Header> | null = null;
  try {
    header = JSON.parse(Buffer.from(found).toString()) as Partial<Header> | null;
  } catch {
    // Said below.
  }
  if (header === null || !Number.isSafeInteger(header.format)) throw new OperationalError('corrupt', `${name} has an unreadable header`);
  return header as Header;
}

function nextOf(log: Table, first: number): number | null {
  const found = log.get(sequenceKey(NEXT_SEQUENCE));
  if (found === undefined) return null;
  const next = Number(Buffer.from(found).toString());
  if (!Number.isSafeInteger(next) || next <= first) throw new OperationalError('corrupt', `${nameOf(first)} has an unreadable end`);
  return next;
}

function nameOf(first: number): string {
  return `the log segment that begins with record ${first}`;
}

function missing(first: number, empty: readonly number[]): OperationalError {
  return new OperationalError('corrupt', `${nameOf(first)} ${empty.includes(first) ? 'holds nothing any more' : 'is missing'}`);
}

/** Big-endian, so that bytewise order is the order of the numbers. */
function sequenceKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(SEQUENCE_BYTES);
  key.writeUIntBE(sequence, 0, SEQUENCE_BYTES);
  return key;
}

function sequenceOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.length).readUIntBE(0, SEQUENCE_BYTES);
}
