import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

describe('virtual time', () => {
  it('runs due timers in order of their time, those of one time in the order they were set', () => {
    const time = new VirtualTime();
    const ran: string[] = [];
    time.after(20, () => ran.push('b'));
    time.after(10, () => ran.push('a'));
    time.after(20, () => ran.push('c'));
    time.after(21, () => ran.push('later'));
    time.advance(20);
    expect(ran).toEqual(['a', 'b', 'c']);
    expect(time.timersPending).toBe(1);
  });

  it('shows each timer its own time, on the wall clock and the monotonic one', () => {
    const time = new VirtualTime(1_000);
    const seen: number[][] = [];
    time.after(5, () => seen.push([time.now(), time.monotonic(), time.sharedMonotonic()]));
    time.advance(50);
    expect(seen).toEqual([[1_005, 5, 5]]);
    expect(time.now()).toBe(1_050);
  });

  it('runs timers that timers set, when they fall due within the same advance', () => {
    const time = new VirtualTime();
    const ranAt: number[] = [];
    time.after(10, () => time.after(10, () => ranAt.push(time.monotonic())));
    time.advance(19);
    expect(ranAt).toEqual([]);
    time.advance(1);
    expect(ranAt).toEqual([20]);
  });

  it('repeats intervals until they are cancelled, also from inside themselves', () => {
    const time = new VirtualTime();
    let ran = 0;
    const interval = time.every(10, () => {
      if (++ran === 3) interval.cancel();
    });
    time.advance(100);
    expect(ran).toBe(3);
    expect(time.timersPending).toBe(0);
  });

  it('refuses an interval that would hold time for ever', () => {
    expect(() => new VirtualTime().every(0, () => undefined)).toThrow(/invariant/);
  });

  it('lets promises settle between timers when asked to', async () => {
    const time = new VirtualTime();
    const ran: string[] = [];
    time.after(10, () => void Promise.resolve().then(() => Promise.resolve()).then(() => ran.push('promise')));
    time.after(20, () => ran.push('timer'));
    await time.advanceSettled(20);
    expect(ran).toEqual(['promise', 'timer']);
  });
});
