/**
 * The regions of one batch, numbered as they come: found again by their bytes, because making a string of each would cost more than decoding
 * the rest of the reading (340 ns of 450, measured).
 */
const CAPACITY_MIN = 64;

export class RegionDictionary {
  /** Length byte and bytes of each region, in order of number: what the packed batch carries. */
  private bytes = new Uint8Array(1024);
  private used = 0;
  private starts = new Uint32Array(CAPACITY_MIN);
  private hashes = new Uint32Array(CAPACITY_MIN);
  /** Number + 1; 0 = empty. Open addressing. */
  private slots = new Uint16Array(CAPACITY_MIN * 2);
  private size = 0;

  get count(): number {
    return this.size;
  }

  /** The number of the region `name[0, length)`, given to it now if it is new. At most 65,535 are kept apart. */
  intern(name: Uint8Array, length: number): number {
    let hash = length;
    for (let k = 0; k < length; k++) hash = Math.imul(hash ^ name[k], 0x01000193);
    hash = (hash ^ (hash >>> 15)) >>> 0;
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const tag = this.slots[slot];
      if (tag === 0) return this.add(name, length, hash, slot);
      if (this.hashes[tag - 1] === hash && this.equals(tag - 1, name, length)) return tag - 1;
      slot = (slot + 1) & mask;
    }
  }

  /** Forgets the regions from number `count` on. */
  truncate(count: number): void {
    if (count === this.size) return;
    this.size = count;
    this.used = count === 0 ? 0 : this.starts[count - 1] + 1 + this.bytes[this.starts[count - 1]];
    this.fillSlots();
  }

  /** The names as the batch carries them (borrowed). */
  packed(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }

  private equals(number: number, name: Uint8Array, length: number): boolean {
    const start = this.starts[number];
    if (this.bytes[start] !== length) return false;
    for (let k = 0; k < length; k++) if (this.bytes[start + 1 + k] !== name[k]) return false;
    return true;
  }

  private add(name: Uint8Array, length: number, hash: number, slot: number): number {
    if (this.size === this.starts.length) {
      this.grow();
      return this.intern(name, length);
    }
    if (this.used + 1 + length > this.bytes.length) {
      const bytes = new Uint8Array(this.bytes.length * 2);
      bytes.set(this.bytes);
      this.bytes = bytes;
    }
    const number = this.size++;
    this.starts[number] = this.used;
    this.hashes[number] = hash;
    this.bytes[this.used] = length;
    this.bytes.set(name.subarray(0, length), this.used + 1);
    this.used += 1 + length;
    this.slots[slot] = number + 1;
    return number;
  }

  private grow(): void {
    const capacity = this.starts.length * 2;
    const starts = new Uint32Array(capacity);
    starts.set(this.starts);
    this.starts = starts;
    const hashes = new Uint32Array(capacity);
    hashes.set(this.hashes);
    this.hashes = hashes;
    this.slots = new Uint16Array(capacity * 2);
    this.fillSlots();
  }

  private fillSlots(): void {
    this.slots.fill(0);
    const mask = this.slots.length - 1;
    for (let number = 0; number < this.size; number++) {
      let slot = this.hashes[number] & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = number + 1;
    }
  }
}
