import type { ReadingBatch } from '../../model/reading-batch.ts';
import { OUTCOME } from '../../model/reading.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { NO_ROW, type MeterDirectory } from './meter-pages.ts';
import { windowCode } from './outbox-record.ts';
import type { TracedPart } from './protocol.ts';

/** Windows whose traces are remembered: some 2 MB. The oldest go first; what is not named any more is a link that a trace lacks, nothing else. */
export const TRACED_WINDOWS_MAX = 16_384;
/** Of readings of one window that are traced the first few name it. */
export const TRACES_PER_WINDOW_MAX = 4;
/** Of one request so many readings are looked at: its windows mostly go together, and one of 50,000 would cost more than to fold it, and push out all others. */
export const TRACED_READINGS_MAX = 256;

/**
 * Which traces the readings of windows came with, so that the delivery of a window can be found from the request that brought its reading. In memory alone and beside
 * the state: it is nothing that results depend on, and a restart forgets it. Only batches that are traced come here.
 */
export class WindowTraces {
  private readonly byWindow = new Map<number, string[]>();
  /** Their keys in a ring, the oldest at `next` once it is full: a Map's own order has to be looked for among all that was deleted, which made a traced batch take longer than ten others. */
  private readonly keys: Float64Array;
  private next = 0;

  constructor(windowsMax = TRACED_WINDOWS_MAX) {
    this.keys = new Float64Array(windowsMax).fill(NaN);
  }

  /** The batch has been counted, and of its readings these parts are traced. */
  note(batch: ReadingBatch, outcomes: Uint8Array, parts: readonly TracedPart[], directory: Pick<MeterDirectory, 'find'>): void {
    const { meterHash, idStart, idLength, bytes, heapStart, timestamp } = batch;
    for (const { traceparent, from, count } of parts) {
      const end = from + Math.min(count, TRACED_READINGS_MAX);
      for (let i = from; i < end; i++) {
        if (outcomes[i] !== OUTCOME.accepted) continue;
        const row = directory.find(meterHash[i], bytes, heapStart + idStart[i], idLength[i]);
        if (row === NO_ROW) continue;
        for (let g = 0; g < GRANULARITIES.length; g++) this.add(windowKey(row, g, Math.floor(timestamp[i] / GRANULARITY_MS[GRANULARITIES[g]])), traceparent);
      }
    }
  }

  /** traceparents of the window's readings, oldest first. */
  of(row: number, granularity: number, windowNumber: number): readonly string[] {
    return this.byWindow.get(windowKey(row, granularity, windowNumber)) ?? NONE;
  }

  private add(key: number, traceparent: string): void {
    const known = this.byWindow.get(key);
    if (known !== undefined) {
      if (known.length < TRACES_PER_WINDOW_MAX && !known.includes(traceparent)) known.push(traceparent);
      return;
    }
    this.byWindow.delete(this.keys[this.next]);
    this.byWindow.set(key, [traceparent]);
    this.keys[this.next] = key;
    this.next = (this.next + 1) % this.keys.length;
  }
}

const NONE: readonly string[] = [];

/** Rows are below 2^24, codes of windows below 2^28. */
function windowKey(row: number, granularity: number, windowNumber: number): number {
  return windowCode(granularity, windowNumber) * 2 ** 24 + row;
}
