/**
 * Which log records may go. A record is needed while a page that it changed is not written, and, for the memory of readingIds, for 5 more
 * minutes as long as that costs little.
 */
export interface RetentionOptions {
  /** Records younger than this are kept for the readingIds in them, ms. */
  keepMs: number;
  /** … but no more than about this many bytes for that reason alone. */
  keepBytesMax: number;
}

interface Mark {
  /** First record of the span. */
  sequence: number;
  startedMs: number;
  bytes: number;
}

/** One mark a second at most: 5 min are 300 of them. */
const MARK_MS = 1_000;

export class JournalRetention {
  private readonly options: RetentionOptions;
  private readonly marks: Mark[] = [];
  private totalBytes = 0;
  /** Oldest record that is still there. */
  first: number;

  /** `first`: the oldest record there is; `bytes`: about how much lies from there on. */
  constructor(options: RetentionOptions, first: number, nowMs: number, bytes: number) {
    this.options = options;
    this.first = first;
    this.marks.push({ sequence: first, startedMs: nowMs, bytes });
    this.totalBytes = bytes;
  }

  /** Bytes of the records that are kept, about. */
  get bytes(): number {
    return this.totalBytes;
  }

  appended(sequence: number, bytes: number, nowMs: number): void {
    const last = this.marks.at(-1);
    this.totalBytes += bytes;
    if (last !== undefined && nowMs - last.startedMs < MARK_MS) last.bytes += bytes;
    else this.marks.push({ sequence, startedMs: nowMs, bytes });
  }

  /** Records before the returned sequence may go, given that those from `neededFrom` on may not. Whole marks only. */
  removableBefore(neededFrom: number, nowMs: number): number {
    while (this.marks.length > 1) {
      const [oldest, next] = this.marks;
      const kept = nowMs - next.startedMs < this.options.keepMs && this.totalBytes <= this.options.keepBytesMax;
      if (next.sequence > neededFrom || kept) break;
      this.totalBytes -= oldest.bytes;
      this.marks.shift();
    }
    return this.marks[0].sequence;
  }
}
