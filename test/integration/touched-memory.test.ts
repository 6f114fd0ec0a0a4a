import { describe, expect, it } from 'vitest';
import { TouchedMemory } from '../../src/runtime/touched-memory.ts';

const BYTES = 64 * 1024;

describe('memory that another thread touches', () => {
  it('is zeros, of the length that was asked for, and no buffer comes twice', () => {
    const memory = new TouchedMemory(BYTES, 200);
    const buffers = Array.from({ length: 200 }, () => memory.take());
    memory.end();
    for (const [i, buffer] of buffers.entries()) {
      const words = new Uint32Array(buffer);
      expect(words.length).toBe(BYTES / 4);
      expect(words.every((word) => word === 0)).toBe(true);
      words.fill(i + 1);
    }
    expect(buffers.every((buffer, i) => new Uint32Array(buffer)[0] === i + 1)).toBe(true);
  });

  it('comes from the other thread, once it runs', async () => {
    const memory = new TouchedMemory(BYTES, 1_000);
    await expect.poll(() => memory.handedOver, { timeout: 20_000 }).toBe(1_000);
    for (let k = 0; k < 1_000; k++) expect(memory.take().byteLength).toBe(BYTES);
    memory.end();
  });

  it('is given to whoever takes more than he said, without a wait', () => {
    const memory = new TouchedMemory(BYTES, 2);
    for (let k = 0; k < 2; k++) memory.take();
    const startedMs = performance.now();
    for (let k = 0; k < 20; k++) expect(memory.take().byteLength).toBe(BYTES);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    memory.end();
  });

  it('may be given up halfway', () => {
    const memory = new TouchedMemory(BYTES, 1e6);
    memory.take();
    memory.end();
  });
});
