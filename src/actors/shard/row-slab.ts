import { touchedMemory, type TouchedMemory } from '../../runtime/touched-memory.ts';
import { ROW_BYTES, ROWS_PER_PAGE } from './page-layout.ts';

/** Pages that share one buffer: a few dozen views stay in the processor's cache where one for each page would not. 3.6 MB. */
export const PAGES_PER_SLAB = 64;
export const ROWS_PER_SLAB = PAGES_PER_SLAB * ROWS_PER_PAGE;
export const SLAB_BYTES = ROWS_PER_SLAB * ROW_BYTES;
/** From so many on, rows of a restored fleet lie in memory that another thread has touched: 230 MB. */
const TOUCHED_SLABS_MIN = 64;

/** Memory for the rows of so many pages, a slab to a piece, which another thread touches; null where it is not worth it. */
export function touchedRows(pages: number): TouchedMemory | null {
  const slabs = Math.ceil(pages / PAGES_PER_SLAB);
  return slabs < TOUCHED_SLABS_MIN ? null : touchedMemory(SLAB_BYTES, slabs);
}

/** Rows of 64 pages. Shared memory, as touchedMemory's is; one thread has it. */
export class RowSlab {
  readonly f64: Float64Array;
  readonly f32: Float32Array;
  readonly u32: Uint32Array;
  readonly u16: Uint16Array;
  readonly u8: Uint8Array;

  /** In SLAB_BYTES of zeros of `memory`, from byte `at` on. */
  constructor(memory = new SharedArrayBuffer(SLAB_BYTES), at = 0) {
    this.f64 = new Float64Array(memory, at, SLAB_BYTES / 8);
    this.f32 = new Float32Array(memory, at, SLAB_BYTES / 4);
    this.u32 = new Uint32Array(memory, at, SLAB_BYTES / 4);
    this.u16 = new Uint16Array(memory, at, SLAB_BYTES / 2);
    this.u8 = new Uint8Array(memory, at, SLAB_BYTES);
  }
}
