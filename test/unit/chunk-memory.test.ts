import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES, ChunkMemory, chunkOffset } from '../../src/runtime/chunk-memory.ts';

const MIB = 1_048_576;

describe('memory in chunks', () => {
  it('gives each chunk to one holder at a time, and what is written there stays', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant('take'), fc.nat(200)), { maxLength: 300, size: 'max' }), (steps) => {
        const memory = new ChunkMemory();
        const held = new Map<number, number>();
        let mark = 0;
        for (const step of steps) {
          if (step === 'take') {
            const chunk = memory.take();
            expect(held.has(chunk)).toBe(false);
            held.set(chunk, ++mark);
            const words = memory.blockOf(chunk).u32;
            words[chunkOffset(chunk) >> 2] = mark;
            words[((chunkOffset(chunk) + CHUNK_BYTES) >> 2) - 1] = mark;
          } else if (held.size > 0) {
            const chunk = [...held.keys()][Number(step) % held.size];
            held.delete(chunk);
            memory.give(chunk);
          }
          expect(memory.bytesInUse).toBe(held.size * CHUNK_BYTES);
        }
        for (const [chunk, written] of held) {
          const words = memory.blockOf(chunk).u32;
          expect([words[chunkOffset(chunk) >> 2], words[((chunkOffset(chunk) + CHUNK_BYTES) >> 2) - 1]]).toEqual([written, written]);
        }
      }),
    );
  });

  it('lets go of blocks that are empty while the others have a quarter of one to spare', () => {
    const memory = new ChunkMemory();
    const chunks = Array.from({ length: (70 * MIB) / CHUNK_BYTES }, () => memory.take());
    expect(memory.bytes).toBe(96 * MIB + 64 * 1_024);
    const last = memory.blockOf(chunks.at(-1)!);
    // The last block is empty, the one before it a quarter full.
    for (const chunk of chunks.splice((40 * MIB) / CHUNK_BYTES)) memory.give(chunk);
    expect(memory.bytes).toBe(64 * MIB + 64 * 1_024);
    expect(last.buffer.byteLength).toBe(0);
    // The last block is empty, and the others have 1 MiB to spare.
    for (const chunk of chunks.splice((31 * MIB) / CHUNK_BYTES)) memory.give(chunk);
    expect(memory.bytes).toBe(64 * MIB + 64 * 1_024);
    for (const chunk of chunks.splice((20 * MIB) / CHUNK_BYTES)) memory.give(chunk);
    expect(memory.bytes).toBe(32 * MIB + 64 * 1_024);
    for (const chunk of chunks) memory.give(chunk);
    expect([memory.bytes, memory.bytesInUse]).toEqual([64 * 1_024, 0]);
  });

  it('fills lower blocks first', () => {
    const memory = new ChunkMemory();
    const chunks = Array.from({ length: (40 * MIB) / CHUNK_BYTES }, () => memory.take());
    memory.give(chunks[5]);
    memory.give(chunks.at(-1)!);
    expect(memory.take()).toBe(chunks[5]);
  });
});
