import { partitionOfHash } from '../../model/ids.ts';
import { rowOffset } from './meter-pages.ts';
import { ROW } from './page-layout.ts';
import { highOf, lowOf, READING_ID_TTL_MS, WORDS_PER_ENTRY } from './reading-ids.ts';
import type { ShardState } from './state.ts';

/**
 * The memory of readingIds as a log record: what a clean stop and a redistribution leave in place of the batches that it would be rebuilt from. Four words each: hash of the meter's id, both
 * halves of the readingId's hash as the meter's (reading-ids.ts), second of arrival.
 */
/** Of one record: 1.2 MB. */
const IDS_PER_RECORD_MAX = 75_000;
/** Before meters were named by hashes: partition, page, row in the page, both halves of the id's own hash, second of arrival. */
const WORDS_BY_ROW = 6;

/** The words of records with all ids that the state remembers and that still count at `nowMs`; when absent, at the newest of them. */
export function packRememberedIds(state: ShardState, nowMs?: number): Uint8Array[] {
  return packRememberedIdsBy(state, () => 0, nowMs).get(0) ?? [];
}

/** The same, by what `targetOf` names for a partition. */
export function packRememberedIdsBy(state: ShardState, targetOf: (partition: number) => number, nowMs?: number): Map<number, Uint8Array[]> {
  const sinceSecond = Math.floor(((nowMs ?? newestMs(state)) - READING_ID_TTL_MS) / 1_000);
  const records = new Map<number, Uint8Array[]>();
  const open = new Map<number, number[]>();
  const finish = (target: number, words: number[]): void => {
    if (words.length > 0) records.set(target, [...(records.get(target) ?? []), new Uint8Array(Uint32Array.from(words).buffer)]);
    words.length = 0;
  };
  state.readingIds.forEach((meterHash, low, high, second) => {
    if (second < sinceSecond) return;
    const target = targetOf(partitionOfHash(meterHash, state.partitionCount));
    let words = open.get(target);
    if (words === undefined) open.set(target, (words = []));
    words.push(meterHash, low, high, second);
    if (words.length === IDS_PER_RECORD_MAX * WORDS_PER_ENTRY) finish(target, words);
  });
  for (const [target, words] of open) finish(target, words);
  return records;
}

/** Puts the ids of a record back that names meters by their rows. Those of rows that are not there are left out. */
export function restoreReadingIdsByRow(state: ShardState, bytes: Uint8Array): void {
  const words = wordsOf(bytes);
  for (let at = 0; at + WORDS_BY_ROW <= words.length; at += WORDS_BY_ROW) {
    const page = state.directory.pagesOf(words[at])[words[at + 1]];
    const row = words[at + 2];
    if (page === undefined || row >= page.rowCount) continue;
    const offset = rowOffset(page.rowAt(row));
    const tag = page.u32[(offset + ROW.tag) >> 2];
    state.readingIds.add(page.u32[(offset + ROW.hash) >> 2], lowOf(words[at + 3], tag), highOf(words[at + 4], tag), words[at + 5] * 1_000);
  }
}

function newestMs(state: ShardState): number {
  let newest = 0;
  state.readingIds.forEach((_meterHash, _low, _high, second) => (newest = Math.max(newest, second)));
  return newest * 1_000;
}

/** A copy, because words need alignment. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const copy = new Uint8Array(bytes);
  return new Uint32Array(copy.buffer, 0, Math.floor(copy.length / 4));
}
