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

/**
 * Which traces the readings of windows came with, so that the delivery of a window can be found from the request that brought its reading. In memory alone and beside
 * the state: it is nothing that results depend on, and a restart forgets it. Only batches that are traced come here.
 */
export class WindowTraces {
  private readonly byWindow = new Map<number, string[]>();
  private readonly windowsMax: number;

  constructor(windowsMax = TRACED_WINDOWS_MAX) {
    this.windowsMax = windowsMax;
  }

  /** The batch has been counted, and of its readings these parts are traced. */
  note(batch: ReadingBatch, outcomes: Uint8Array, parts: readonly TracedPart[], directory: Pick<MeterDirectory, 'find'>): void {
    const { meterHash, idStart, idLength, bytes, heapStart, timestamp } = batch;
    for (const { traceparent, from, count } of parts) {
      for (let i = from; i < from + count; i++) {
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
    if (this.byWindow.size >= this.windowsMax) this.byWindow.delete(this.byWindow.keys().next().value!);
    this.byWindow.set(key, [traceparent]);
  }
}

const NONE: readonly string[] = [];

/** Rows are below 2^24, codes of windows below 2^28. */
function windowKey(row: number, granularity: number, windowNumber: number): number {
  return windowCode(granularity, windowNumber) * 2 ** 24 + row;
}
