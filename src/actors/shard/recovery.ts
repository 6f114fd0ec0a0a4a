import { isReadingBatch, receivedAtAsSaid } from '../../model/reading-batch.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { collectUncounted, type UncountedKeeper } from './dead-letters.ts';
import type { Checkpoint } from './checkpoint.ts';
import { readLogRecord, type LogRecord } from './log-record.ts';
import { decodePage } from './page-codec.ts';
import type { LoggedPicture } from './picture-history.ts';
import { restoreReadingIdsByRow } from './reading-id-record.ts';
import { rememberBatch, rememberWords, ReplayedIdsHere, type ReplayedIds } from './replayed-ids.ts';
import { NONE_UNCOUNTED } from './uncounted-readings.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';

/** What a recovery found. */
export interface RecoveryReport {
  pages: number;
  meters: number;
  /** Log records replayed, and readings in them. */
  records: number;
  readings: number;
  /** Sequence of the last record: the next is one more. */
  lastSequence: number;
}

/**
 * Rebuilds the state from the store: regions, pages, then the log from its beginning. A record touches only pages whose
 * snapshot is older than it. Of records that every snapshot stands for only the readingIds are wanted: they are given to `replayedIds` first, which may go on beside the pages.
 * Throws OperationalError `corrupt` or `format`.
 */
export function recover(state: ShardState, store: ShardStore, checkpoint: Checkpoint, replayedIds: ReplayedIds = new ReplayedIdsHere(state.readingIds)): RecoveryReport {
  const applied = store.appliedPosition().sequence;
  const last = store.lastSequence();
  const begin = store.journal.first;
  if (begin !== null && begin > Math.max(1, store.logFrom())) throw new OperationalError('corrupt', `the log begins with record ${begin}, and what lies before it from ${store.logFrom()} on is missing`);
  if (last < applied) throw new OperationalError('corrupt', `the log ends at ${last}, but the tables stand for it up to ${applied}`);
  const report: RecoveryReport = { pages: 0, meters: 0, records: 0, readings: 0, lastSequence: applied };
  const count = (sequence: number): void => {
    if (report.records === 0 && sequence > applied + 1) throw new OperationalError('corrupt', `the log begins with record ${sequence}, but the tables stand for it up to ${applied} only`);
    report.records++;
    report.lastSequence = Math.max(report.lastSequence, sequence);
  };
  // Memory for them is made ready while the log is read.
  state.directory.beginRestore(store.pages.count());
  const { pictures, next } = replayIds(state, store, Math.min(store.replayFrom(), applied + 1), replayedIds, count);
  report.pages = restoreTables(state, store);
  report.readings += replayedIds.finish(state.readingIds);
  state.beginReplay(applied);
  for (const { regions, nowMs, sequence } of pictures) state.applyPicture(regions, nowMs, sequence);
  const replay = new Replay(state, store, applied, checkpoint);
  for (const { sequence, bytes } of store.journal.records(next)) {
    const record = readLogRecord(bytes, sequence, true);
    count(sequence);
    report.readings += replay.apply(record, sequence);
  }
  state.endReplay();
  report.meters = state.directory.meterCount;
  return report;
}

/** Gives readingIds of the log's records before `end` to `ids`, as far as no page is needed for it. Says which pictures are among the records, and which record is the next. */
function replayIds(state: ShardState, store: ShardStore, end: number, ids: ReplayedIds, count: (sequence: number) => void): { pictures: LoggedPicture[]; next: number } {
  const pictures: LoggedPicture[] = [];
  let next = store.logFrom();
  for (const { sequence, bytes } of store.records()) {
    if (sequence >= end) break;
    if (isReadingBatch(bytes)) {
      const receivedAt = receivedAtAsSaid(bytes);
      const forgotten = state.idHorizon.logged(sequence, receivedAt, bytes.length);
      ids.addBatch(bytes, sequence, store.uncountedReadings(receivedAt, sequence), forgotten);
    } else {
      const record = readLogRecord(bytes, sequence);
      // It names meters by their rows.
      if (record.kind === 'readingIds') break;
      if (record.kind === 'rememberedIds') ids.addRemembered(record.words);
      if (record.kind === 'picture') pictures.push({ sequence, nowMs: record.nowMs, regions: record.regions });
    }
    count(sequence);
    next = sequence + 1;
  }
  return { pictures, next };
}

/** Regions, the picture in force and pages, as the tables have them. Returns how many pages. */
export function restoreTables(state: ShardState, store: ShardStore): number {
  state.directory.beginRestore(store.pages.count());
  for (const name of store.regionNames()) state.ledger.restore(name);
  const picture = store.picture();
  if (picture !== null) state.applyPicture(picture.regions, picture.nowMs, picture.sequence);
  return restorePages(state, store);
}

/** Folds records of the log into a state that may stand for some of them already: a page is left alone by records that its snapshot has. */
export class Replay {
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly applied: number;
  /** All snapshots stand for the records before it. */
  private readonly replayFrom: number;
  private readonly keeper: UncountedKeeper;
  /** Of the batch that was applied last, beginning with its first reading. */
  outcomes = new Uint8Array(1024);

  /** `applied`: the record up to which the tables stand for the log. */
  constructor(state: ShardState, store: ShardStore, applied: number, keeper: UncountedKeeper) {
    this.state = state;
    this.store = store;
    this.applied = applied;
    this.replayFrom = store.replayFrom();
    this.keeper = keeper;
  }

  /** Returns how many readings are in the record. */
  apply(record: LogRecord, sequence: number): number {
    const { state, store } = this;
    switch (record.kind) {
      case 'tick':
        if (sequence >= this.replayFrom) for (const slice of record.slices) state.applyTick(slice, record.nowMs, sequence);
        return 0;
      case 'picture':
        state.applyPicture(record.regions, record.nowMs, sequence);
        return 0;
      case 'rememberedIds':
        rememberWords(state.readingIds, record.words);
        return 0;
      case 'readingIds':
        restoreReadingIdsByRow(state, record.words);
        return 0;
      case 'batch': {
        const { batch } = record;
        if (this.outcomes.length < batch.count) this.outcomes = new Uint8Array(batch.count * 2);
        const uncounted = sequence <= this.applied ? store.uncountedReadings(record.nowMs, sequence) : NONE_UNCOUNTED;
        if (sequence < this.replayFrom) {
          state.readingIds.forget(state.idHorizon.logged(sequence, record.nowMs, batch.bytes.length));
          rememberBatch(state.readingIds, batch, record.nowMs, uncounted);
        } else {
          state.expectUncounted(uncounted);
          state.applyBatch(batch, record.nowMs, sequence, this.outcomes);
        }
        // Those of earlier records were written with the applied position.
        if (sequence > this.applied) collectUncounted(batch, this.outcomes, record.nowMs, sequence, this.keeper);
        return batch.count;
      }
    }
  }
}

function restorePages(state: ShardState, store: ShardStore): number {
  let count = 0;
  const mayBeRemoved = store.removed.count() > 0;
  // Borrowed one by one: a large fleet's are a gigabyte, which a copy of each would double.
  for (const key of store.pages.keys(Buffer.alloc(1), Buffer.alloc(8, 255))) {
    const name = Buffer.from(key);
    const page = state.directory.restorePage(name.readUInt16BE(0), name.readUInt32BE(2));
    decodePage(store.pages.get(key)!, page, state.book.samples, { isFresh: true, isChecked: true });
    // At once, while the rows are in the processor's cache.
    state.directory.indexPage(page);
    state.rebuildLive(page);
    if (mayBeRemoved) page.removed = store.removedWindows(page.partition, page.number);
    count++;
  }
  return count;
}
