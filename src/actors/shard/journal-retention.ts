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

interface Mark {
  /** First record of the span. */
  sequence: number;
  startedMs: number;
  bytes: number;
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

  /** `first`: the oldest record there is; `bytes`: about how much lies from there on. */
  constructor(options: RetentionOptions, first: number, nowMs: number, bytes: number) {
    this.options = options;
    this.first = first;
    this.newest = first - 1;
    this.marks.push({ sequence: first, startedMs: nowMs, bytes });
    this.totalBytes = bytes;
  }

  /** Bytes of the records that are kept, about. */
  get bytes(): number {
    return this.totalBytes;
  }

  /** Bytes of the records from `sequence` on, about: whole marks. */
  bytesFrom(sequence: number): number {
    let bytes = 0;
    if (sequence > this.newest) return bytes;
    for (let i = this.marks.length - 1; i >= 0; i--) {
      if (i + 1 < this.marks.length && this.marks[i + 1].sequence <= sequence) break;
      bytes += this.marks[i].bytes;
    }
    return bytes;
  }

  appended(sequence: number, bytes: number, nowMs: number): void {
    const last = this.marks.at(-1);
    this.newest = sequence;
    this.totalBytes += bytes;
    this.appendedBytes += bytes;
    if (last !== undefined && nowMs - last.startedMs < MARK_MS && last.bytes < this.options.markBytes) last.bytes += bytes;
    else this.marks.push({ sequence, startedMs: nowMs, bytes });
  }

  /** Records before the returned sequence may go, given that those from `neededFrom` on may not. Whole marks only. */
  removableBefore(neededFrom: number, nowMs: number): number {
    let bytesBefore = this.totalBytes - this.bytesFrom(neededFrom);
    while (this.marks.length > 1) {
      const [oldest, next] = this.marks;
      const kept = nowMs - next.startedMs < this.options.keepMs && bytesBefore <= this.options.keepBytesMax;
      if (next.sequence > neededFrom || kept) break;
      this.totalBytes -= oldest.bytes;
      bytesBefore -= oldest.bytes;
      this.marks.shift();
    }
    return this.marks[0].sequence;
  }
}
