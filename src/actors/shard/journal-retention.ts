/**
 * Which log records may go. A record is needed while a page that it changed is not written, and, for the memory of readingIds, for 5 more
 * minutes as long as that costs little.
 */
export interface RetentionOptions {
  /** Records younger than this are kept for the readingIds in them, ms. */
  keepMs: number;
  /** … but no more than about this many bytes of those that are not needed otherwise. */
  keepBytesMax: number;
  /** Log is counted in pieces of about so many bytes at most. */
  markBytes: number;
}

/** A part of the log, up to the next. */
export interface LogSpan {
  /** Its first record. */
  sequence: number;
  /** About. */
  bytes: number;
}

interface Mark extends LogSpan {
  startedMs: number;
  /** It was there at the start: its bytes are not the load's that has to be written. */
  isRestored?: boolean;
}

/** One mark a second, or for `markBytes` where those come sooner: 5 min are 300 of them. */
const MARK_MS = 1_000;

export class JournalRetention {
  private readonly options: RetentionOptions;
  private readonly marks: Mark[] = [];
  private totalBytes = 0;
  /** Of all records since the start. */
  appendedBytes = 0;
  /** Oldest record that is still there. */
  first: number;
  private newest: number;

  /** `restored`: the log there is, at least one span, which may be empty. Of when nobody knows, so all of it counts as of `nowMs`. */
  constructor(options: RetentionOptions, restored: readonly LogSpan[], nowMs: number) {
    this.options = options;
    this.first = restored[0].sequence;
    this.newest = this.first - 1;
    for (const { sequence, bytes } of restored) this.marks.push({ sequence, startedMs: nowMs, bytes, isRestored: true });
  }

  /** Bytes of the records that came since the start and are kept, about. */
  get bytes(): number {
    return this.totalBytes;
  }

  /** Bytes of the records from `sequence` on, about: whole marks. */
  bytesFrom(sequence: number): number {
    let bytes = 0;
    if (sequence > this.newest) return bytes;
    for (let i = this.marks.length - 1; i >= 0; i--) {
      if (i + 1 < this.marks.length && this.marks[i + 1].sequence <= sequence) break;
      if (this.marks[i].isRestored !== true) bytes += this.marks[i].bytes;
    }
    return bytes;
  }

  appended(sequence: number, bytes: number, nowMs: number): void {
    const last = this.marks.at(-1);
    this.newest = sequence;
    this.totalBytes += bytes;
    this.appendedBytes += bytes;
    if (last !== undefined && last.isRestored !== true && nowMs - last.startedMs < MARK_MS && last.bytes < this.options.markBytes) last.bytes += bytes;
    else this.marks.push({ sequence, startedMs: nowMs, bytes });
  }

  /** Records before the returned sequence may go, given that those from `neededFrom` on may not. Whole marks only. */
  removableBefore(neededFrom: number, nowMs: number): number {
    let bytesBefore = 0;
    for (let i = 0; i + 1 < this.marks.length && this.marks[i + 1].sequence <= neededFrom; i++) bytesBefore += this.marks[i].bytes;
    if (neededFrom > this.newest && this.newest >= this.first) bytesBefore += this.marks.at(-1)!.bytes;
    let gone = 0;
    for (; gone + 1 < this.marks.length; gone++) {
      const [oldest, next] = [this.marks[gone], this.marks[gone + 1]];
      const kept = nowMs - next.startedMs < this.options.keepMs && bytesBefore <= this.options.keepBytesMax;
      if (next.sequence > neededFrom || kept) break;
      if (oldest.isRestored !== true) this.totalBytes -= oldest.bytes;
      bytesBefore -= oldest.bytes;
    }
    // At once: one by one each may move all the others.
    this.marks.splice(0, gone);
    return this.marks[0].sequence;
  }
}
