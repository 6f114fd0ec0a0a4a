import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { READY, takePiece, touchedMemory, TOUCHING, type TouchedMemory } from '../../src/runtime/touched-memory.ts';

const MIB = 1024 * 1024;

/** Memory of this process that is resident, bytes. */
function residentBytes(): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]) * 1_024;
}

const statesOf = ({ states }: TouchedMemory) => [...new Int32Array(states)];

describe('memory that another thread touches', () => {
  it.runIf(process.platform === 'linux')('is resident soon, and nobody here has written to it', async () => {
    const before = residentBytes();
    const touched = touchedMemory(4 * MIB, 64);
    await expect.poll(() => statesOf(touched).every((state) => state === READY), { timeout: 20_000 }).toBe(true);
    expect(residentBytes() - before).toBeGreaterThan(200 * MIB);
    expect(new Float64Array(touched.memory).every((value) => value === 0)).toBe(true);
  });

  it('is each taker\'s from then on, whoever was first', async () => {
    const touched = touchedMemory(256 * 1_024, 400);
    const taken: Uint32Array[] = [];
    for (let piece = 0; piece < 400; piece++) {
      const words = new Uint32Array(touched.memory, takePiece(touched, piece)!, 64 * 1_024);
      expect(words[0] + words[64 * 1_024 - 1]).toBe(0);
      taken.push(words.fill(piece + 1));
      // The thread starts, and comes past.
      if (piece % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const [i, words] of taken.entries()) if (!words.every((word) => word === i + 1)) expect.fail(`piece ${i} was written to by another`);
  });

  it('ends', () => {
    const touched = touchedMemory(4_096, 3);
    expect([0, 1, 2, 3].map((piece) => takePiece(touched, piece))).toEqual([0, 4_096, 8_192, null]);
    // Whoever starts anew with it finds what was written there.
    expect([0, 1, 2].map((piece) => takePiece(touched, piece))).toEqual([null, null, null]);
  });

  it('is not waited for when its thread has gone in the middle of a piece', () => {
    const states = new SharedArrayBuffer(8);
    new Int32Array(states)[0] = TOUCHING;
    const touched = { pieceBytes: 4_096, memory: new SharedArrayBuffer(8_192), states };
    expect([takePiece(touched, 0), takePiece(touched, 1)]).toEqual([null, 4_096]);
  });
});
