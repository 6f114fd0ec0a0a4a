import { parsePlace } from './effect-place.ts';
import { openOutboxRecord, type OutboxItem, type OutboxRecord } from './outbox-record.ts';
import type { ShardStore } from './shard-store.ts';
import { partKey, windowKey } from './store-keys.ts';
import { steps } from './table-steps.ts';
import type { Findings } from './verify-findings.ts';

/** Records between two calls of `onLooked`: those of an import name many windows. */
const RECORDS_PER_STEP = 100;

/** Holds the outbox against itself, and what it names against the tables. Anomalies and dead letters may have been trimmed since. */
export function verifyOutbox(store: ShardStore, findings: Findings, onLooked: (entries: number) => void): void {
  /** `record` is null for one that could not be read. */
  let previous: { sequence: number; record: OutboxRecord | null } | null = null;
  for (const entries of steps(store.outbox, RECORDS_PER_STEP)) {
    for (const { key, value } of entries) {
      const sequence = Buffer.from(key).readUIntBE(0, 6);
      const where = `outbox record ${sequence}`;
      const before = previous;
      const current: { sequence: number; record: OutboxRecord | null } = { sequence, record: null };
      previous = current;
      findings.try(where, () => {
        const isNext = before !== null && sequence === before.sequence + 1;
        if (before !== null && !isNext) findings.add(where, `follows ${before.sequence}: ${sequence - before.sequence - 1} are missing`);
        const record = openOutboxRecord(value, sequence);
        current.record = record;
        if (isNext && before.record !== null && !goesOn(before.record, record)) findings.add(where, 'does not go on from the one before');
        for (let i = 0; i < record.length; i++) {
          const missing = missingIn(store, record.itemAt(i));
          if (missing !== null) findings.add(where, `names ${missing} that is not there`);
        }
      });
    }
    onLooked(entries.length);
  }
  const generation = store.outboxGeneration();
  for (const [consumer, position] of store.consumerPositions()) {
    if (generation === null || parsePlace(generation, position) === null) findings.add(`the place of ${consumer} in the outbox`, `is ${JSON.stringify(position)}, which is none`);
  }
}

function goesOn(before: OutboxRecord, record: OutboxRecord): boolean {
  return record.previousChecksum === before.checksum && record.bytesBefore === before.bytesBefore + before.byteLength;
}

/** What the item names and the tables do not hold; null when they hold it all. */
function missingIn(store: ShardStore, item: OutboxItem): string | null {
  if (item.kind === 'part') return store.parts.get(partKey(item.region, item.granularity, item.windowNumber)) === undefined ? 'a part of a regional window' : null;
  if (item.kind !== 'windows') return null;
  const { partition, page, granularity, windowNumber, rowsLow, rowsHigh } = item;
  const removed = store.removedWindows(partition, page);
  for (let row = 0; row < 64; row++) {
    const isNamed = (((row < 32 ? rowsLow : rowsHigh) >>> (row & 31)) & 1) === 1;
    const isGone = removed !== null && windowNumber < removed.beforeOf(row, granularity);
    if (isNamed && !isGone && store.windows.get(windowKey(partition, page, granularity, windowNumber, row)) === undefined) return `a window of row ${row} of page ${page} of partition ${partition}`;
  }
  return null;
}
