/**
 * Memory for bodies on their way in, in slots of one size out of a few large blocks. Buffers of their own would be garbage outside V8's heap, which has V8 go through all of its
 * heap many times a second, and a thousand that came at once would leave malloc's arena large for good (bench/RESULTS.md).
 */

/** Of a slot: twice a usual batch. What nobody has touched of it is not resident. */
export const SLOT_BYTES = 256 * 1024;
/** Stays once it was needed: more than an overloaded engine takes in at once. */
const FIRST_BLOCK_SLOTS = 64;
/** 32 MiB: glibc maps what is as large as this for itself, so it goes back to the system when it is let go. */
const BLOCK_SLOTS = 128;
/** Free slots that others have, for an empty block to go: bodies whose number swings about a block's size do not make and drop it all the time. */
const SPARE_SLOTS = 16;

interface Block {
  readonly buffer: ArrayBuffer;
  readonly slots: number;
  readonly free: number[];
}

/** Room for one body of SLOT_BYTES at most, its holder's until it is given back. */
export interface BodySlot {
  readonly block: Block;
  readonly number: number;
}

export class BodyBuffers {
  private readonly blocks: Block[] = [];
  private slots = 0;
  private inUse = 0;

  /** Of all blocks, resident or not. */
  get bytes(): number {
    return this.slots * SLOT_BYTES;
  }

  /** With what is left from before in it. */
  take(): BodySlot {
    const block = this.blocks.find(({ free }) => free.length > 0) ?? this.addBlock();
    this.inUse++;
    return { block, number: block.free.pop()! };
  }

  give({ block, number }: BodySlot): void {
    block.free.push(number);
    this.inUse--;
    this.dropEmpty();
  }

  private addBlock(): Block {
    const slots = this.blocks.length === 0 ? FIRST_BLOCK_SLOTS : BLOCK_SLOTS;
    // The lowest goes first: memory that was touched before.
    const block: Block = { buffer: new ArrayBuffer(slots * SLOT_BYTES), slots, free: Array.from({ length: slots }, (_, k) => slots - 1 - k) };
    this.blocks.push(block);
    this.slots += slots;
    return block;
  }

  /** Lower blocks are filled first, so the last is the one that runs empty. */
  private dropEmpty(): void {
    for (let last = this.blocks[this.blocks.length - 1]; this.blocks.length > 1 && last.free.length === last.slots; last = this.blocks[this.blocks.length - 1]) {
      const others = this.slots - last.slots;
      if (others - this.inUse < SPARE_SLOTS) return;
      this.blocks.pop();
      this.slots = others;
      // Gone at once, not with the next collection.
      last.buffer.transfer(0);
    }
  }
}

/** The first bytes of a slot. */
export function slotBytes({ block, number }: BodySlot, length: number): Uint8Array {
  return new Uint8Array(block.buffer, number * SLOT_BYTES, length);
}
