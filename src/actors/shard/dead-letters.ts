import type { DeadLetter } from '../../model/queries.ts';
import { OUTCOME, OUTCOME_REJECT } from '../../model/reading.ts';
import type { ReadingBatch } from '../../model/reading-batch.ts';

/** A rejected reading on its way to the store; the place in the log makes its id the same after a replay. */
export interface PendingDeadLetter {
  sequence: number;
  /** Of readings that the shard rejected their position in the batch; of those that came rejected REJECTED_EARLIER + n. */
  position: number;
  letter: Omit<DeadLetter, 'id'>;
}

/** Positions from here on are readings that the ingest thread refused. */
export const REJECTED_EARLIER = 2 ** 31;

/** Calls `add` for every rejected reading of an applied batch. */
export function collectDeadLetters(batch: ReadingBatch, outcomes: Uint8Array, nowMs: number, sequence: number, add: (letter: PendingDeadLetter) => void): void {
  for (let i = 0; i < batch.count; i++) {
    const outcome = outcomes[i];
    if (outcome === OUTCOME.accepted || outcome === OUTCOME.duplicate) continue;
    const reject = OUTCOME_REJECT[outcome]!;
    add({
      sequence,
      position: i,
      letter: { receivedAt: nowMs, ...reject, index: i, meterId: meterIdOf(batch, i), raw: describe(batch, i) },
    });
  }
  if (batch.deadLetterCount === 0) return;
  batch.deadLetters().forEach((rejected, n) => {
    add({ sequence, position: REJECTED_EARLIER + n, letter: { receivedAt: nowMs, meterId: meterIdIn(rejected.raw), ...rejected } });
  });
}

function meterIdOf(batch: ReadingBatch, i: number): string {
  const start = batch.heapStart + batch.idStart[i];
  return Buffer.from(batch.bytes.buffer, batch.bytes.byteOffset + start, batch.idLength[i]).toString('latin1');
}

/** The meterId of a reading that never became columns, where its text shows one plainly. */
function meterIdIn(raw: string): string | null {
  return /"meterId"\s*:\s*"([A-Za-z0-9._:-]{1,64})"/.exec(raw)?.[1] ?? null;
}

/** The reading as JSON, made from its columns: what was sent is gone by now. */
function describe(batch: ReadingBatch, i: number): string {
  const optional = (column: Float64Array | null) => (column === null || column[i] !== column[i] ? undefined : column[i]);
  return JSON.stringify({
    meterId: meterIdOf(batch, i),
    region: batch.regions[batch.region[i]],
    timestamp: batch.timestamp[i],
    powerKw: batch.powerKw[i],
    energyKwh: optional(batch.energyKwh),
    voltage: optional(batch.voltage),
    current: optional(batch.current),
    frequency: optional(batch.frequency),
    powerFactor: optional(batch.powerFactor),
    seq: optional(batch.seq),
    status: batch.flags[i] & 1 ? 'ERROR' : undefined,
  });
}
