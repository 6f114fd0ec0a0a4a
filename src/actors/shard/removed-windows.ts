import { OperationalError } from '../../runtime/errors.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { ROWS_PER_PAGE } from './page-layout.ts';

/**
 * What a page's meters once had and retention has taken: up to where, and how many readings were in it. A query learns from it where the shard's memory ends, and
 * `seg verify` that readings without a window are not lost ones.
 *
 * Little endian: magic u32, version u32, then for each granularity and row a window number u32, then for each row the samples f64.
 */
const MAGIC = 0x52474553; // 'SEGR'
/** Raised when records change their layout. */
export const REMOVED_WINDOWS_VERSION = 1;
const HEADER_BYTES = 8;
const NUMBERS = GRANULARITIES.length * ROWS_PER_PAGE;
const BYTES = HEADER_BYTES + NUMBERS * 4 + ROWS_PER_PAGE * 8;

const WINDOW_MS = GRANULARITIES.map((granularity) => GRANULARITY_MS[granularity]);

export class RemovedWindows {
  /** By granularity, then row: no window of a smaller number is there any more. 0: none was taken. */
  private readonly before: Uint32Array;
  /** By row: samples of the one-minute windows that were taken. */
  private readonly samples: Float64Array;

  constructor(before = new Uint32Array(NUMBERS), samples = new Float64Array(ROWS_PER_PAGE)) {
    this.before = before;
    this.samples = samples;
  }

  copy(): RemovedWindows {
    return new RemovedWindows(this.before.slice(), this.samples.slice());
  }

  /** `row` is the row in its page, as everywhere here. */
  note(row: number, granularity: number, windowNumber: number, samples: number): void {
    const at = granularity * ROWS_PER_PAGE + row;
    this.before[at] = Math.max(this.before[at], windowNumber + 1);
    this.samples[row] += samples;
  }

  beforeOf(row: number, granularity: number): number {
    return this.before[granularity * ROWS_PER_PAGE + row];
  }

  /** Windows of the granularity that begin before this, epoch ms, are gone; 0 when none is. */
  endMs(row: number, granularity: number): number {
    return this.beforeOf(row, granularity) * WINDOW_MS[granularity];
  }

  /** A reading from before this, epoch ms, would belong to a window that is gone. */
  anyEndMs(row: number): number {
    return Math.max(this.endMs(row, 0), this.endMs(row, 1));
  }

  samplesOf(row: number): number {
    return this.samples[row];
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, REMOVED_WINDOWS_VERSION, true);
    this.before.forEach((number, i) => view.setUint32(HEADER_BYTES + i * 4, number, true));
    this.samples.forEach((samples, r) => view.setFloat64(HEADER_BYTES + NUMBERS * 4 + r * 8, samples, true));
    return bytes;
  }
}

/** Throws OperationalError `corrupt` or `format`. `where` names the page. */
export function decodeRemovedWindows(bytes: Uint8Array, where: string): RemovedWindows {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) throw new OperationalError('corrupt', `what was removed of ${where} is not readable`);
  const version = view.getUint32(4, true);
  if (version !== REMOVED_WINDOWS_VERSION) throw new OperationalError('format', `what was removed of ${where} has format ${version}, this engine reads ${REMOVED_WINDOWS_VERSION}; use the engine that wrote it`);
  if (bytes.length !== BYTES) throw new OperationalError('corrupt', `what was removed of ${where} is not readable`);
  const before = Uint32Array.from({ length: NUMBERS }, (_, i) => view.getUint32(HEADER_BYTES + i * 4, true));
  const samples = Float64Array.from({ length: ROWS_PER_PAGE }, (_, r) => view.getFloat64(HEADER_BYTES + NUMBERS * 4 + r * 8, true));
  return new RemovedWindows(before, samples);
}
