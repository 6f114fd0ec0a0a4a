import { describe, expect, it } from 'vitest';
import { TurnShare } from '../../src/runtime/turn-share.ts';

/** A share of 5 ms, a clock that jobs move, and turns that the test makes. */
function share() {
  let nowMs = 0;
  const turns: (() => void)[] = [];
  const done: string[] = [];
  const turnShare = new TurnShare(5, { clock: { monotonic: () => nowMs }, nextTurn: (run) => turns.push(run) });
  const job = (name: string, ms: number) =>
    turnShare.run(() => {
      nowMs += ms;
      done.push(name);
    });
  return { job, done, turns, turnShare, nextTurn: () => turns.shift()!() };
}

describe('a share of each turn', () => {
  it('runs jobs at once while it lasts, the others in later turns, in order', () => {
    const { job, done, nextTurn } = share();
    for (const name of ['a', 'b', 'c', 'd', 'e']) job(name, 3);
    expect(done).toEqual(['a', 'b']);
    nextTurn();
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    nextTurn();
    expect(done).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('lets a job that takes longer than the share have a turn to itself', () => {
    const { job, done, nextTurn } = share();
    for (const name of ['a', 'b']) job(name, 50);
    expect(done).toEqual(['a']);
    nextTurn();
    expect(done).toEqual(['a', 'b']);
  });

  it('is whole again in the next turn', () => {
    const { job, done, nextTurn } = share();
    job('a', 4);
    nextTurn();
    job('b', 4);
    job('c', 4);
    expect(done).toEqual(['a', 'b', 'c']);
  });

  it('lets no later job overtake those that wait', () => {
    const { job, done, turnShare, nextTurn } = share();
    job('a', 9);
    turnShare.run(() => job('made by b', 0));
    job('c', 9);
    nextTurn();
    nextTurn();
    expect(done).toEqual(['a', 'c', 'made by b']);
  });

  it('asks for one turn at a time and for none when nothing runs', () => {
    const { job, turns, nextTurn } = share();
    for (let i = 0; i < 10; i++) job('x', 1);
    expect(turns).toHaveLength(1);
    while (turns.length > 0) nextTurn();
    expect(turns).toHaveLength(0);
  });
});
