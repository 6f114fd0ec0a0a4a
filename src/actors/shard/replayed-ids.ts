import { READING_FLAG } from '../../model/reading.ts';
import type { ReadingBatch } from '../../model/reading-batch.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { readLogRecord } from './log-record.ts';
import { highOf, lowOf, meterTag, WORDS_PER_ENTRY, type ReadingIds } from './reading-ids.ts';
import { isUncounted, type UncountedReadings } from './uncounted-readings.ts';

/**
 * Remembers the readingIds of log records that every snapshot stands for, which nothing else is wanted from. Needs no meter's row, so it may go on beside the restoring of the
 * pages, on another thread. In order of the log.
 */
export interface ReplayedIds {
  /** A batch's record, given away. `uncounted`: its readings that did not count when it was applied; `forgotten`: the second up to which ids were forgotten by then. */
  addBatch(bytes: Uint8Array, sequence: number, uncounted: UncountedReadings, forgotten: number): void;
  /** The words of a `rememberedIds` record. */
  addRemembered(words: Uint8Array): void;
  /** Blocks until all that was added is in `ids`. Returns how many readings the batches had. Throws OperationalError `corrupt` or `format` of a record. */
  finish(ids: ReadingIds): number;
}

/** On this thread, straight into the memory that they belong to. */
export class ReplayedIdsHere implements ReplayedIds {
  private readonly ids: ReadingIds;
  private readings = 0;

  constructor(ids: ReadingIds) {
    this.ids = ids;
  }

  addBatch(bytes: Uint8Array, sequence: number, uncounted: UncountedReadings, forgotten: number): void {
    const record = readLogRecord(bytes, sequence, true);
    if (record.kind !== 'batch') throw new OperationalError('corrupt', `log record ${sequence} is no batch`);
    this.ids.forget(forgotten);
    rememberBatch(this.ids, record.batch, record.nowMs, uncounted);
    this.readings += record.batch.count;
  }

  addRemembered(words: Uint8Array): void {
    rememberWords(this.ids, words);
  }

  finish(): number {
    return this.readings;
  }
}

/** Remembers the readingIds of a batch that was applied before: not those of readings that did not count. */
export function rememberBatch(ids: ReadingIds, batch: ReadingBatch, nowMs: number, uncounted: UncountedReadings): void {
  const { readingIdLow, readingIdHigh, idStart, idLength, bytes, heapStart, meterHash, flags } = batch;
  if (readingIdLow === null || readingIdHigh === null) return;
  for (let i = 0; i < batch.count; i++) {
    if ((flags[i] & READING_FLAG.readingId) === 0 || isUncounted(uncounted, i)) continue;
    const tag = meterTag(bytes, heapStart + idStart[i], idLength[i]);
    const low = lowOf(readingIdLow[i], tag);
    const high = highOf(readingIdHigh[i], tag);
    if (!ids.seen(meterHash[i], low, high, nowMs)) ids.add(meterHash[i], low, high, nowMs);
  }
}

/** Puts the words of a `rememberedIds` record back (reading-id-record.ts). */
export function rememberWords(ids: ReadingIds, bytes: Uint8Array): void {
  // A copy, because words need alignment.
  const words = new Uint32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4));
  for (let at = 0; at + WORDS_PER_ENTRY <= words.length; at += WORDS_PER_ENTRY) ids.add(words[at], words[at + 1], words[at + 2], words[at + 3] * 1_000);
}
