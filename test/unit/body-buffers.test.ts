import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyBuffers, SLOT_BYTES, slotBytes, type BodySlot } from '../../src/http/body-buffers.ts';

const MIB = 1_048_576;

describe('memory for bodies', () => {
  it('gives each slot to one body at a time, and what is written there stays', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant('take'), fc.nat(300)), { maxLength: 400, size: 'max' }), (steps) => {
        const buffers = new BodyBuffers();
        const held: { slot: BodySlot; mark: number }[] = [];
        let mark = 0;
        for (const step of steps) {
          if (step === 'take') {
            const slot = buffers.take();
            const bytes = slotBytes(slot, SLOT_BYTES);
            held.push({ slot, mark: ++mark % 251 });
            bytes[0] = bytes[SLOT_BYTES - 1] = mark % 251;
          } else if (held.length > 0) buffers.give(held.splice(Number(step) % held.length, 1)[0].slot);
        }
        for (const { slot, mark: written } of held) {
          const bytes = slotBytes(slot, SLOT_BYTES);
          expect([bytes[0], bytes[SLOT_BYTES - 1]]).toEqual([written, written]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has no memory before the first body, keeps its first block, and lets others go once they are empty and slots are free', () => {
    const buffers = new BodyBuffers();
    expect(buffers.bytes).toBe(0);
    const slots = Array.from({ length: 64 + 128 }, () => buffers.take());
    expect(buffers.bytes).toBe((16 + 32) * MIB);
    const second = slots.slice(64);
    for (const slot of second) buffers.give(slot);
    // Empty, and all of the first block's slots are in use.
    expect(buffers.bytes).toBe((16 + 32) * MIB);
    for (const slot of slots.slice(0, 16)) buffers.give(slot);
    expect(buffers.bytes).toBe(16 * MIB);
    expect(second[0].block.buffer.byteLength).toBe(0);
    for (const slot of slots.slice(16, 64)) buffers.give(slot);
    expect(buffers.bytes).toBe(16 * MIB);
  });

  it('fills lower blocks first, and memory that was touched before', () => {
    const buffers = new BodyBuffers();
    const slots = Array.from({ length: 70 }, () => buffers.take());
    expect(slots[0].number).toBe(0);
    buffers.give(slots[5]);
    buffers.give(slots[69]);
    expect(buffers.take()).toEqual(slots[5]);
  });
});
