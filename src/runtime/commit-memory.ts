/** Bytes at first. */
const BYTES_MIN = 64 * 1024;
/** Bytes that stay for the next commit, at most. */
const BYTES_KEPT_MAX = 4 * 1024 * 1024;

/**
 * Memory for what one commit writes, used again by the next: as garbage outside V8's heap it would have V8 go through all of its heap, several times a
 * second (bench/RESULTS.md).
 */
export class CommitMemory {
  private bytes = Buffer.allocUnsafeSlow(BYTES_MIN);
  private used = 0;
  /** Since the last `clear`. */
  bytesTaken = 0;

  /** With anything in it; stays the taker's until `clear`. */
  take(length: number): Buffer {
    if (this.used + length > this.bytes.length) {
      // What was taken before stays with who took it.
      this.bytes = Buffer.allocUnsafeSlow(Math.max(length, this.bytes.length * 2));
      this.used = 0;
    }
    const start = this.used;
    this.used += length;
    this.bytesTaken += length;
    return this.bytes.subarray(start, this.used);
  }

  /** Everything taken is free again. */
  clear(): void {
    this.used = 0;
    this.bytesTaken = 0;
    if (this.bytes.length > BYTES_KEPT_MAX) this.bytes = Buffer.allocUnsafeSlow(BYTES_MIN);
  }
}
