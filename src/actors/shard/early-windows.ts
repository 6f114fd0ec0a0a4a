import { windowCode } from './outbox-record.ts';

/**
 * Windows that closed or were corrected and whose page has not had its turn: up to a checkpoint interval passes until the outbox names them, and who reads it
 * wants them within seconds. In memory only, as the outbox brings them all. Each has a number, counted from the start of the process.
 */

/** The oldest are forgotten past this: a power of two, 2 MB. */
export const EARLY_WINDOWS_MAX = 2 ** 18;

export class EarlyWindows {
  private readonly rows = new Uint32Array(EARLY_WINDOWS_MAX);
  private readonly codes = new Uint32Array(EARLY_WINDOWS_MAX);
  private begin = 0;
  private end = 0;

  note(row: number, granularity: number, windowNumber: number): void {
    const at = this.end & (EARLY_WINDOWS_MAX - 1);
    this.rows[at] = row;
    this.codes[at] = windowCode(granularity, windowNumber);
    this.end++;
  }

  /** Number of the oldest that is remembered. */
  get first(): number {
    return Math.max(this.begin, this.end - EARLY_WINDOWS_MAX);
  }

  /** Number of the one to come. */
  get next(): number {
    return this.end;
  }

  /** `number` is first … next − 1. */
  rowAt(number: number): number {
    return this.rows[number & (EARLY_WINDOWS_MAX - 1)];
  }

  granularityAt(number: number): number {
    return this.codes[number & (EARLY_WINDOWS_MAX - 1)] & 1;
  }

  windowNumberAt(number: number): number {
    return this.codes[number & (EARLY_WINDOWS_MAX - 1)] >>> 1;
  }

  /** Forgets those before `number`. */
  dropBefore(number: number): void {
    this.begin = Math.max(this.begin, number);
  }
}
