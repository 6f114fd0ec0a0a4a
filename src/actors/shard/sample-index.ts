/**
 * Which timestamps the open one-minute windows already hold, and a fingerprint of what they said: the natural key, while a window is
 * open. Lists of chunks of 8 in a pool; the newest chunk is the head. Closed windows carry the same samples in their record.
 */
export const SAMPLES_PER_CHUNK = 8;

/** End of a list. */
export const NO_CHUNK = 0xffffffff;

/** Chunks in one block, as a power of two: 416 KiB. A pool that doubled itself copied 100 MB in one turn, at full load (35 ms, measured). */
const BLOCK_SHIFT = 13;
const CHUNKS_PER_BLOCK = 1 << BLOCK_SHIFT;
const IN_BLOCK = CHUNKS_PER_BLOCK - 1;

/** A chunk's fingerprints, offsets and link. */
const CHUNK_BYTES = SAMPLES_PER_CHUNK * 6 + 4;

/** Some chunks of the pool, in parallel columns. */
interface Block {
  fingerprints: Uint32Array;
  offsets: Uint16Array;
  next: Uint32Array;
}

export class SampleIndex {
  private readonly blocks: Block[] = [];
  private used = 0;
  private freeHead = NO_CHUNK;
  private chunksInUse = 0;

  /** Of the samples in it, at whole chunks. */
  get bytes(): number {
    return this.chunksInUse * CHUNK_BYTES;
  }

  /**
   * Adds a sample to the list `head` that holds `count` samples so far; returns the new head.
   * `offsetMs` is from the window's start, below 60,000.
   */
  add(head: number, count: number, offsetMs: number, fingerprint: number): number {
    const within = count % SAMPLES_PER_CHUNK;
    let chunk = head;
    if (within === 0) {
      chunk = this.allocate();
      this.blocks[chunk >>> BLOCK_SHIFT].next[chunk & IN_BLOCK] = head;
    }
    const block = this.blocks[chunk >>> BLOCK_SHIFT];
    const at = (chunk & IN_BLOCK) * SAMPLES_PER_CHUNK + within;
    block.offsets[at] = offsetMs;
    block.fingerprints[at] = fingerprint;
    return chunk;
  }

  /** Reads the memory that the next sample of the list will go to, unless it begins a chunk. The number means nothing. */
  peek(head: number, count: number): number {
    const within = count % SAMPLES_PER_CHUNK;
    if (within === 0) return 0;
    const block = this.blocks[head >>> BLOCK_SHIFT];
    const at = (head & IN_BLOCK) * SAMPLES_PER_CHUNK + within;
    return block.offsets[at] + block.fingerprints[at];
  }

  /** The fingerprint stored for `offsetMs`, or −1 when the list has no such sample. */
  find(head: number, count: number, offsetMs: number): number {
    let chunk = head;
    let inChunk = count === 0 ? 0 : ((count - 1) % SAMPLES_PER_CHUNK) + 1;
    while (chunk !== NO_CHUNK) {
      const { offsets, fingerprints, next } = this.blocks[chunk >>> BLOCK_SHIFT];
      const base = (chunk & IN_BLOCK) * SAMPLES_PER_CHUNK;
      for (let k = 0; k < inChunk; k++) if (offsets[base + k] === offsetMs) return fingerprints[base + k];
      chunk = next[chunk & IN_BLOCK];
      inChunk = SAMPLES_PER_CHUNK;
    }
    return -1;
  }

  /** Writes the list as `count` u32 fingerprints, then `count` u16 offsets, little endian; returns the bytes written (6 × count). */
  write(head: number, count: number, target: DataView, at: number): number {
    let chunk = head;
    let inChunk = count === 0 ? 0 : ((count - 1) % SAMPLES_PER_CHUNK) + 1;
    let k = count;
    while (chunk !== NO_CHUNK) {
      const { offsets, fingerprints, next } = this.blocks[chunk >>> BLOCK_SHIFT];
      const base = (chunk & IN_BLOCK) * SAMPLES_PER_CHUNK;
      for (let i = inChunk - 1; i >= 0; i--) {
        k--;
        target.setUint32(at + k * 4, fingerprints[base + i], true);
        target.setUint16(at + count * 4 + k * 2, offsets[base + i], true);
      }
      chunk = next[chunk & IN_BLOCK];
      inChunk = SAMPLES_PER_CHUNK;
    }
    return count * 6;
  }

  /** Reads back what `write` wrote; returns the head of a new list. */
  read(source: DataView, at: number, count: number): number {
    let head = NO_CHUNK;
    for (let k = 0; k < count; k++) {
      head = this.add(head, k, source.getUint16(at + count * 4 + k * 2, true), source.getUint32(at + k * 4, true));
    }
    return head;
  }

  /** Gives the list's chunks back. */
  free(head: number): void {
    let chunk = head;
    while (chunk !== NO_CHUNK) {
      const { next } = this.blocks[chunk >>> BLOCK_SHIFT];
      const following = next[chunk & IN_BLOCK];
      next[chunk & IN_BLOCK] = this.freeHead;
      this.freeHead = chunk;
      this.chunksInUse--;
      chunk = following;
    }
  }

  private allocate(): number {
    this.chunksInUse++;
    if (this.freeHead !== NO_CHUNK) {
      const chunk = this.freeHead;
      this.freeHead = this.blocks[chunk >>> BLOCK_SHIFT].next[chunk & IN_BLOCK];
      return chunk;
    }
    if (this.used === this.blocks.length * CHUNKS_PER_BLOCK) this.blocks.push(newBlock());
    return this.used++;
  }
}

function newBlock(): Block {
  const samples = CHUNKS_PER_BLOCK * SAMPLES_PER_CHUNK;
  return { fingerprints: new Uint32Array(samples), offsets: new Uint16Array(samples), next: new Uint32Array(CHUNKS_PER_BLOCK) };
}
