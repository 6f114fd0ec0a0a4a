import { expect, test } from 'vitest';
import { EndIndex } from '../../src/actors/accounts/end-index.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { StagedStore } from '../../src/runtime/staged-store.ts';

test('what is over is taken out once, at its millisecond and in order, and a long list in steps', () => {
  const index = new EndIndex(new StagedStore(new MemoryStore()), 'ends');
  expect([index.nextMs(), index.count(), index.takeOver(1e15)]).toEqual([Infinity, 0, []]);
  index.add(2_000, 'later');
  index.add(1_000, 'sooner/with a stroke');
  expect([index.nextMs(), index.count()]).toEqual([1_000, 2]);
  expect(index.takeOver(999)).toEqual([]);
  expect(index.takeOver(1_000)).toEqual(['sooner/with a stroke']);
  expect([index.takeOver(1_999), index.nextMs(), index.count()]).toEqual([[], 2_000, 1]);
  expect([index.takeOver(2_000), index.takeOver(2_000), index.nextMs()]).toEqual([['later'], [], Infinity]);
  for (let i = 0; i < 450; i++) index.add(i, `id-${i}`);
  const steps = [1, 2, 3, 4].map(() => index.takeOver(1_000).length);
  expect([steps, index.count()]).toEqual([[200, 200, 50, 0], 0]);
});
