import type { MeterPage } from './meter-pages.ts';

/** The log record that is being applied: what every part of the state needs to know of it. */
export class Turn {
  /** Sequence of the record. */
  sequence = 0;
  /** Records up to this are already in the saved regional parts. */
  ledgerSequence = 0;
  /** Recovering: nothing counts for metrics. */
  replaying = false;
  /** Pages that changed since their snapshot, in the order in which they first did: the first holds the log back. */
  readonly dirtyPages = new Set<MeterPage>();
  /** Pages with more pending windows than they should keep. */
  readonly crowdedPages = new Set<MeterPage>();
  /** Of closed windows that are not on disk, in all pages. */
  pendingBytes = 0;

  /** The page changes in this turn. */
  touch(page: MeterPage): void {
    if (page.dirty) return;
    page.dirty = true;
    page.dirtySequence = this.sequence;
    this.dirtyPages.add(page);
  }

  /** True when the regional parts do not include this record yet. */
  get isLedgerDue(): boolean {
    return this.sequence > this.ledgerSequence;
  }
}

/** Plain counts since start, for metrics. */
export interface ShardCounters {
  accepted: number;
  duplicates: number;
  conflicts: number;
  tooLate: number;
  limited: number;
  /** Accepted into a window that was already closed. */
  late: number;
  /** Per granularity, in the order of GRANULARITIES. */
  windowsClosed: number[];
  windowsCorrected: number[];
}

export function zeroCounters(): ShardCounters {
  return { accepted: 0, duplicates: 0, conflicts: 0, tooLate: 0, limited: 0, late: 0, windowsClosed: [0, 0], windowsCorrected: [0, 0] };
}
