import { READING_FLAG } from '../../model/reading.ts';
import { readLogRecord } from './log-record.ts';
import { NO_ROW, rowInPage } from './meter-pages.ts';
import { READING_ID_TTL_MS } from './reading-ids.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';

/**
 * The memory of readingIds as a log record: what a redistribution leaves in the new shards' logs, because the batches that it would be
 * rebuilt from stay behind. Six words each: partition, page, row in the page, both halves of the id's hash, seconds of arrival.
 */
const WORDS = 6;
/** Of one record: 1.2 MB. */
const IDS_PER_RECORD_MAX = 50_000;

/**
 * Collects the readingIds of the last 5 min from the shard's log, by the shard that `targetOf` names for a partition, and calls `add` with the words of
 * each record (handed over). `state` is the recovered shard; everything in it is on disk.
 */
export function packReadingIds(state: ShardState, store: ShardStore, targetOf: (partition: number) => number, add: (target: number, words: Uint8Array) => void): void {
  const open = new Map<number, number[]>();
  const sinceMs = newestRecordMs(store) - READING_ID_TTL_MS;
  for (const { sequence, bytes } of store.records()) {
    const record = readLogRecord(bytes, sequence);
    if (record.kind === 'readingIds') {
      for (const [partition, ...rest] of entriesOf(record.words)) push(open, targetOf(partition), [partition, ...rest], add);
      continue;
    }
    if (record.kind !== 'batch' || record.batch.readingIdLow === null || record.nowMs < sinceMs) continue;
    const { batch, nowMs } = record;
    const rejected = store.rejectedPositions(nowMs, sequence);
    for (let i = 0; i < batch.count; i++) {
      if ((batch.flags[i] & READING_FLAG.readingId) === 0 || rejected.has(i)) continue;
      const row = state.directory.find(batch.meterHash[i], batch.bytes, batch.heapStart + batch.idStart[i], batch.idLength[i]);
      if (row === NO_ROW) continue;
      const page = state.directory.pages[row >>> 6];
      push(open, targetOf(page.partition), [page.partition, page.number, rowInPage(row), batch.readingIdLow![i], batch.readingIdHigh![i], Math.floor(nowMs / 1_000)], add);
    }
  }
  for (const [target, words] of open) if (words.length > 0) add(target, packed(words));
}

/** The words of records with all ids that the state remembers and that still count at `nowMs`. */
export function packRememberedIds(state: ShardState, nowMs: number): Uint8Array[] {
  const records: Uint8Array[] = [];
  const sinceSecond = Math.floor((nowMs - READING_ID_TTL_MS) / 1_000);
  const words = new Uint32Array(IDS_PER_RECORD_MAX * WORDS);
  let end = 0;
  const finish = (): void => {
    if (end > 0) records.push(new Uint8Array(words.slice(0, end).buffer));
    end = 0;
  };
  state.readingIds.forEach((row, low, high, second) => {
    if (second < sinceSecond) return;
    const page = state.directory.pages[row >>> 6];
    words[end] = page.partition;
    words[end + 1] = page.number;
    words[end + 2] = rowInPage(row);
    words[end + 3] = low;
    words[end + 4] = high;
    words[end + 5] = second;
    end += WORDS;
    if (end === words.length) finish();
  });
  finish();
  return records;
}

/** Puts a record's ids back. Those of rows that are not there are left out. */
export function restoreReadingIds(state: ShardState, bytes: Uint8Array): void {
  const words = wordsOf(bytes);
  for (let at = 0; at + WORDS <= words.length; at += WORDS) {
    const page = state.directory.pagesOf(words[at])[words[at + 1]];
    const row = words[at + 2];
    if (page !== undefined && row < page.rowCount) state.readingIds.add(page.rowAt(row), words[at + 3], words[at + 4], words[at + 5] * 1_000);
  }
}

function push(open: Map<number, number[]>, target: number, entry: readonly number[], add: (target: number, words: Uint8Array) => void): void {
  let words = open.get(target);
  if (words === undefined) open.set(target, (words = []));
  words.push(...entry);
  if (words.length < IDS_PER_RECORD_MAX * WORDS) return;
  add(target, packed(words));
  words.length = 0;
}

function packed(words: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

function* entriesOf(bytes: Uint8Array): Iterable<number[]> {
  const words = wordsOf(bytes);
  for (let at = 0; at + WORDS <= words.length; at += WORDS) yield [...words.subarray(at, at + WORDS)];
}

/** A copy, because words need alignment. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const copy = new Uint8Array(bytes);
  return new Uint32Array(copy.buffer, 0, Math.floor(copy.length / 4));
}

function newestRecordMs(store: ShardStore): number {
  for (const { sequence, bytes } of store.journal.records(store.lastSequence())) return readLogRecord(bytes, sequence).nowMs;
  return 0;
}
