import { beforeEach, describe, expect, it } from 'vitest';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { TurnTaker } from '../../src/runtime/turn-taker.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

describe('the turns of a supervisor', () => {
  let turns: TurnTaker<'asked' | 'seen'>;
  let happened: string[];
  beforeEach(() => {
    const time = new VirtualTime(0);
    happened = [];
    turns = new TurnTaker(
      { name: 'supervisor of tests', kinds: ['asked', 'seen'], refusable: ['asked'] },
      {
        store: new MemoryStore(),
        clock: time,
        timers: time,
        log: nullLog,
        nextDueMs: () => Infinity,
        tick: () => happened.push('tick'),
        flush: () => () => happened.push('let out'),
        onEnd: () => happened.push('end'),
        onFailure: (error) => happened.push(`failure: ${(error as Error).message}`),
      },
    );
    turns.start();
  });

  const refusal = (): never => {
    throw new OperationalError('refused', 'this is refused');
  };

  it('a question that is refused changes nothing for the others of its turn', async () => {
    const asked = [turns.take('asked', refusal), turns.take('asked', () => 5), turns.take('seen', () => undefined)];
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect([happened, turns.figures()]).toMatchObject([['let out'], { turns: 1, waiting: 0, taken: { asked: 2, seen: 1 } }]);
  });

  it('what was seen is never refused: memory and what was said would differ, so the supervisor ends', async () => {
    const asked = [turns.take('asked', () => 5), turns.take('seen', refusal)];
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(happened).toEqual(['end', 'failure: this is refused']);
    await expect(turns.take('asked', () => 5)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  });
});
