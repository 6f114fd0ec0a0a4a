/**
 * Which shards may be at the writer. Where shards are few each has a slot of its own, under its own number, and the supervisors those behind the last; where they are partitions, that come and go, they share some, and wait for one in
 * order of asking.
 */
export class WriteSlots {
  /** null: one for each shard. */
  private readonly free: number[] | null;
  private readonly taken = new Map<number, number>();
  /** Shards that wait, in order of asking. */
  private readonly waiting = new Set<number>();

  private readonly shards: number;
  private readonly supervisors: readonly number[];

  /** `shards`: how many there are where each has a slot of its own; `supervisors`: numbers of their lanes. */
  constructor(slots: number | null, shards: number, supervisors: readonly number[]) {
    this.shards = shards;
    this.supervisors = supervisors;
    this.free = slots === null ? null : Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  /** The shard's slot; null when there is none for it: then it stands in line. */
  take(shard: number): number | null {
    const held = this.taken.get(shard);
    if (held !== undefined) return held;
    const slot = this.free === null ? this.ownSlot(shard) : this.free.pop();
    if (slot === undefined) {
      this.waiting.add(shard);
      return null;
    }
    this.waiting.delete(shard);
    this.taken.set(shard, slot);
    return slot;
  }

  /** Gives up its slot, or its place in line. */
  leave(shard: number): void {
    this.waiting.delete(shard);
    const slot = this.taken.get(shard);
    if (slot === undefined) return;
    this.taken.delete(shard);
    this.free?.push(slot);
  }

  /** Takes out of the line who should ask again, as there is a slot; null: nobody. It may not want one any more, so this is to be called until it says so. */
  next(): number | null {
    const [next] = this.waiting;
    if (next === undefined || this.free === null || this.free.length === 0) return null;
    this.waiting.delete(next);
    return next;
  }

  private ownSlot(shard: number): number {
    return shard < 0 ? this.shards + this.supervisors.indexOf(shard) : shard;
  }
}
