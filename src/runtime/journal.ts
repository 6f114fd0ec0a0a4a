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
  /** Makes it when it is missing. Throws OperationalError `storage_full` when there is no room for another, `corrupt` when it cannot be read. */
  open(first: number): Store;
  /** Removes a closed segment; false when it has to stay for now. */
  remove(first: number): boolean;
  /** Bytes of all of them on disk. */
  sizeBytes(): number;
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
  /** Full segments that may not say on disk which comes next. */
  private unsealed: { first: number; next: number; segment: Segment | null }[] = [];
  private hasQueued = false;

  /** Looks at what is there. Throws OperationalError `corrupt` when a segment is missing, `format` or `wrong_journal` when it is none of ours. */
  constructor(files: SegmentFiles, options: JournalOptions) {
    this.files = files;
    this.options = options;
    this.segments = files.list();
    this.checkChain();
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

  /** Queues a record; `bytes` must not change until it is on disk. Sequences are above 0 and ascend. Throws what SegmentFiles.open does. */
  append(sequence: number, bytes: Uint8Array): void {
    const tail = this.tailFor(sequence);
    tail.log.put(sequenceKey(sequence), bytes);
    tail.bytes += bytes.length;
    this.hasQueued = true;
  }

  /** Resolves when everything queued so far is on disk, all or nothing. One call at a time. Rejects as Store.commit does; the sequences may then be used again. */
  async commit(): Promise<void> {
    const { tail } = this;
    this.hasQueued = false;
    if (tail === null) return;
    const { header } = tail;
    if (header !== null) tail.log.put(sequenceKey(HEADER_SEQUENCE), Buffer.from(JSON.stringify(header)));
    await tail.store.commit();
    if (header !== null) tail.header = null;
    // After its successor is on disk, or a crash in between would look like a missing segment.
    for (const { first, next, segment } of this.unsealed) await this.seal(segment ?? this.open(first), next);
  }

  /** Records from `fromSequence` on that are on disk, in order. Segments are opened one after the other. */
  *records(fromSequence: number): Generator<JournalRecord> {
    for (const [i, first] of this.segments.entries()) {
      if (i + 1 < this.segments.length && this.segments[i + 1] <= fromSequence) continue;
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

  /** Bytes the segments occupy on disk. */
  sizeBytes(): number {
    return this.files.sizeBytes();
  }

  async close(): Promise<void> {
    const open = [...this.unsealed.map(({ segment }) => segment), this.tail];
    this.unsealed = [];
    this.tail = null;
    for (const segment of open) await segment?.store.close();
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
    const segment = this.open(first);
    segment.header = { format: SEGMENT_FORMAT, label: this.options.label, first, previous: before?.first ?? null };
    if (before !== null) this.unsealed.push({ first: before.first, next: first, segment: before });
    this.segments.push(first);
    this.tail = segment;
    return segment;
  }

  private async seal(segment: Segment, next: number): Promise<void> {
    segment.log.put(sequenceKey(NEXT_SEQUENCE), Buffer.from(String(next)));
    await segment.store.commit();
    this.unsealed = this.unsealed.filter(({ first }) => first !== segment.first);
    await segment.store.close();
  }

  private open(first: number): Segment {
    const store = this.files.open(first);
    return { first, store, log: store.table('log'), bytes: store.sizeBytes(), header: null };
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

  private checkChain(): void {
    let previous: { first: number; next: number | null } | null = null;
    for (const first of [...this.segments]) {
      const { header, next } = this.read(first, (log) => ({ header: headerOf(log), next: nextOf(log) }));
      if (header === null && first === this.segments.at(-1)) {
        // Made, and the engine died before anything was in it.
        this.segments.pop();
        if (this.options.readOnly !== true) this.files.remove(first);
        break;
      }
      this.checkHeader(first, header);
      if (previous !== null && (header!.previous !== previous.first || (previous.next ?? first) !== first)) throw missing(previous.next ?? header!.previous ?? first);
      if (previous !== null && previous.next === null && this.options.readOnly !== true) this.unsealed.push({ first: previous.first, next: first, segment: null });
      previous = { first, next };
    }
    if (previous !== null && previous.next !== null) throw missing(previous.next);
  }

  private checkHeader(first: number, header: Header | null): void {
    const name = `the log segment that begins with record ${first}`;
    if (header === null) throw new OperationalError('corrupt', `${name} does not say what it is`);
    if (header.format !== SEGMENT_FORMAT) throw new OperationalError('format', `${name} has format ${header.format}, this engine reads ${SEGMENT_FORMAT}; use the engine that wrote it`);
    if (header.label !== this.options.label || header.first !== first) {
      throw new OperationalError('wrong_journal', `${name} is that of record ${header.first} of ${header.label}, not of ${this.options.label}: its files were moved; bring them back, or restore a backup with seg restore`);
    }
  }
}

function headerOf(log: Table): Header | null {
  const found = log.get(sequenceKey(HEADER_SEQUENCE));
  if (found === undefined) return null;
  try {
    return JSON.parse(Buffer.from(found).toString()) as Header;
  } catch (cause) {
    throw new OperationalError('corrupt', 'a log segment has an unreadable header', { cause });
  }
}

function nextOf(log: Table): number | null {
  const found = log.get(sequenceKey(NEXT_SEQUENCE));
  return found === undefined ? null : Number(Buffer.from(found).toString());
}

function missing(first: number): OperationalError {
  return new OperationalError('corrupt', `the log segment that begins with record ${first} is missing`);
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
