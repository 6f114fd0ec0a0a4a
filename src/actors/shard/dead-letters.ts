import type { DeadLetter } from '../../model/queries.ts';
import { OUTCOME, OUTCOME_REJECT, READING_FLAG } from '../../model/reading.ts';
import type { ReadingBatch } from '../../model/reading-batch.ts';
import { packPositions, type UncountedReadings } from './uncounted-readings.ts';

/** A rejected reading on its way to the store; the place in the log makes its id the same after a replay. */
export interface PendingDeadLetter {
  sequence: number;
  /** Of readings that the shard rejected their position in the batch; of those that came rejected REJECTED_EARLIER + n. */
  position: number;
  letter: Omit<DeadLetter, 'id'>;
}

/** Positions from here on are readings that the ingest thread refused. */
export const REJECTED_EARLIER = 2 ** 31;

/** Takes what did not count of applied records, until it is written. */
export interface UncountedKeeper {
  addDeadLetter(letter: PendingDeadLetter): void;
  /** At most once for a record, in the order of the log. */
  addUncounted(sequence: number, readings: UncountedReadings): void;
}

/** Gives `keeper` what of an applied batch did not count. Returns how many dead letters. */
export function collectUncounted(batch: ReadingBatch, outcomes: Uint8Array, nowMs: number, sequence: number, keeper: UncountedKeeper): number {
  const withId: number[] = [];
  let letters = 0;
  for (let i = 0; i < batch.count; i++) {
    const outcome = outcomes[i];
    if (outcome === OUTCOME.accepted) continue;
    if ((batch.flags[i] & READING_FLAG.readingId) !== 0) withId.push(i);
    if (outcome === OUTCOME.duplicate) continue;
    letters++;
    keeper.addDeadLetter({
      sequence,
      position: i,
      letter: { receivedAt: nowMs, ...OUTCOME_REJECT[outcome]!, index: i, meterId: meterIdOf(batch, i), raw: describe(batch, i) },
    });
  }
  if (withId.length > 0) keeper.addUncounted(sequence, packPositions(withId));
  if (batch.deadLetterCount === 0) return letters;
  batch.deadLetters().forEach((rejected, n) => {
    keeper.addDeadLetter({ sequence, position: REJECTED_EARLIER + n, letter: { receivedAt: nowMs, meterId: meterIdIn(rejected.raw), ...rejected } });
  });
  return letters + batch.deadLetterCount;
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
