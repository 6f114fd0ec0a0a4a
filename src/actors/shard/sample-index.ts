/**
 * Which timestamps the open one-minute windows already hold, and a fingerprint of what they said: the natural key, while a window is
 * open. Lists of chunks of 8 in a pool; the newest chunk is the head. Closed windows carry the same samples in their record.
 */
export const SAMPLES_PER_CHUNK = 8;

/** End of a list. */
export const NO_CHUNK = 0xffffffff;

export class SampleIndex {
  private capacity = 1024;
  private fingerprints = new Uint32Array(this.capacity * SAMPLES_PER_CHUNK);
  private offsets = new Uint16Array(this.capacity * SAMPLES_PER_CHUNK);
  private next = new Uint32Array(this.capacity);
  private used = 0;
  private freeHead = NO_CHUNK;

  /**
   * Adds a sample to the list `head` that holds `count` samples so far; returns the new head.
   * `offsetMs` is from the window's start, below 60,000.
   */
  add(head: number, count: number, offsetMs: number, fingerprint: number): number {
    const within = count % SAMPLES_PER_CHUNK;
    let chunk = head;
    if (within === 0) {
      chunk = this.allocate();
      this.next[chunk] = head;
    }
    this.offsets[chunk * SAMPLES_PER_CHUNK + within] = offsetMs;
    this.fingerprints[chunk * SAMPLES_PER_CHUNK + within] = fingerprint;
    return chunk;
  }

  /** The fingerprint stored for `offsetMs`, or −1 when the list has no such sample. */
  find(head: number, count: number, offsetMs: number): number {
    let chunk = head;
    let inChunk = count === 0 ? 0 : ((count - 1) % SAMPLES_PER_CHUNK) + 1;
    while (chunk !== NO_CHUNK) {
      const base = chunk * SAMPLES_PER_CHUNK;
      for (let k = 0; k < inChunk; k++) if (this.offsets[base + k] === offsetMs) return this.fingerprints[base + k];
      chunk = this.next[chunk];
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
      const base = chunk * SAMPLES_PER_CHUNK;
      for (let i = inChunk - 1; i >= 0; i--) {
        k--;
        target.setUint32(at + k * 4, this.fingerprints[base + i], true);
        target.setUint16(at + count * 4 + k * 2, this.offsets[base + i], true);
      }
      chunk = this.next[chunk];
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
      const next = this.next[chunk];
      this.next[chunk] = this.freeHead;
      this.freeHead = chunk;
      chunk = next;
    }
  }

  private allocate(): number {
    if (this.freeHead !== NO_CHUNK) {
      const chunk = this.freeHead;
      this.freeHead = this.next[chunk];
      return chunk;
    }
    if (this.used === this.capacity) this.grow();
    return this.used++;
  }

  private grow(): void {
    this.capacity *= 2;
    const fingerprints = new Uint32Array(this.capacity * SAMPLES_PER_CHUNK);
    fingerprints.set(this.fingerprints);
    this.fingerprints = fingerprints;
    const offsets = new Uint16Array(this.capacity * SAMPLES_PER_CHUNK);
    offsets.set(this.offsets);
    this.offsets = offsets;
    const next = new Uint32Array(this.capacity);
    next.set(this.next);
    this.next = next;
  }
}
