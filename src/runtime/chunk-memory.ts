/**
 * Memory in chunks of one size out of a few large blocks, for what comes and goes all the time and lives too long to be young garbage. As buffers of their own such things grow by copying,
 * wait for a collection when they are done with, and leave malloc's arena in pieces: 200 of 250 MB were free in it, and stayed resident (bench/RESULTS.md).
 */

export const CHUNK_BYTES = 2_048;
/**
 * glibc maps what is as large as this for itself, whatever it has learned of sizes so far (DEFAULT_MMAP_THRESHOLD_MAX): it goes back to the system when it is let go, and what nobody has
 * touched of it is not resident.
 */
const BLOCK_BYTES = 32 * 1024 * 1024;
/** The first is for small fleets, and for the thousands of shards of a simulation. */
const FIRST_BLOCK_BYTES = 64 * 1024;
const CHUNKS_PER_BLOCK = BLOCK_BYTES / CHUNK_BYTES;
const BLOCK_SHIFT = Math.log2(CHUNKS_PER_BLOCK);
/** Free chunks that others have, for an empty block to go: a load that swings about a block's size does not make and drop it all the time. */
const SPARE_CHUNKS = CHUNKS_PER_BLOCK / 4;

export class ChunkBlock {
  readonly buffer: ArrayBuffer;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly capacity: number;
  /** Chunks before this one were used at least once: the others are untouched. */
  fresh = 0;
  readonly free: number[] = [];

  constructor(bytes: number) {
    const buffer = new ArrayBuffer(bytes);
    this.buffer = buffer;
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.capacity = bytes / CHUNK_BYTES;
  }

  get inUse(): number {
    return this.fresh - this.free.length;
  }
}

export class ChunkMemory {
  private readonly blocks: ChunkBlock[] = [];
  /** No block before this one has room. */
  private firstRoomy = 0;
  private inUse = 0;
  private capacity = 0;

  /** Of all blocks; what of it was never used is not resident. */
  get bytes(): number {
    return this.capacity * CHUNK_BYTES;
  }

  get bytesInUse(): number {
    return this.inUse * CHUNK_BYTES;
  }

  /** Number of a chunk that is the caller's until it gives it back. What is in it is left from before. */
  take(): number {
    let number = this.firstRoomy;
    while (number < this.blocks.length && this.blocks[number].inUse === this.blocks[number].capacity) number++;
    this.firstRoomy = number;
    if (number === this.blocks.length) this.addBlock();
    const block = this.blocks[number];
    this.inUse++;
    return (number << BLOCK_SHIFT) + (block.free.pop() ?? block.fresh++);
  }

  give(chunk: number): void {
    const number = chunk >>> BLOCK_SHIFT;
    this.blocks[number].free.push(chunk & (CHUNKS_PER_BLOCK - 1));
    this.inUse--;
    if (number < this.firstRoomy) this.firstRoomy = number;
    this.dropEmpty();
  }

  /** The block that a chunk lies in, at `chunkOffset`. */
  blockOf(chunk: number): ChunkBlock {
    return this.blocks[chunk >>> BLOCK_SHIFT];
  }

  private addBlock(): void {
    const block = new ChunkBlock(this.blocks.length === 0 ? FIRST_BLOCK_BYTES : BLOCK_BYTES);
    this.blocks.push(block);
    this.capacity += block.capacity;
  }

  /** Lower blocks are filled first, so the last is the one that runs empty. */
  private dropEmpty(): void {
    for (let last = this.blocks[this.blocks.length - 1]; this.blocks.length > 1 && last.inUse === 0; last = this.blocks[this.blocks.length - 1]) {
      const others = this.capacity - last.capacity;
      if (others - this.inUse < Math.min(SPARE_CHUNKS, others)) return;
      this.blocks.pop();
      this.capacity = others;
      // Gone at once, not with the next collection.
      last.buffer.transfer(0);
    }
  }
}

/** Byte offset of a chunk in its block. */
export function chunkOffset(chunk: number): number {
  return (chunk & (CHUNKS_PER_BLOCK - 1)) * CHUNK_BYTES;
}
