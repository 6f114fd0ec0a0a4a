import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommitMemory } from '../../src/runtime/commit-memory.ts';

describe('the memory of a commit', () => {
  it('gives pieces that do not overlap, commit after commit, also past its size', () => {
    const commit = fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(commit, { maxLength: 5 }), (commits) => {
        const memory = new CommitMemory();
        for (const lengths of commits) {
          const pieces = lengths.map((length) => memory.take(length));
          pieces.forEach((piece, i) => piece.fill(i + 1));
          pieces.forEach((piece, i) => {
            expect(piece.length).toBe(lengths[i]);
            expect(piece.every((byte) => byte === i + 1)).toBe(true);
          });
          expect(memory.bytesTaken).toBe(lengths.reduce((sum, length) => sum + length, 0));
          memory.clear();
          expect(memory.bytesTaken).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is used again by the next commit, unless it had grown out of measure', () => {
    const memory = new CommitMemory();
    const first = memory.take(1_000).buffer;
    for (let commit = 0; commit < 200; commit++) {
      memory.clear();
      expect(memory.take(1_000).buffer).toBe(first);
    }
    const large = memory.take(5 * 1024 * 1024).buffer;
    memory.clear();
    expect(memory.take(1_000).buffer).not.toBe(large);
  });
});
