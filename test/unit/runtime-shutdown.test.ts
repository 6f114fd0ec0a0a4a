import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { nullLog } from '../../src/runtime/log.ts';
import { installSignalHandlers, Shutdown, type SignalSource } from '../../src/runtime/shutdown.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

function shutdownInVirtualTime() {
  const time = new VirtualTime();
  return { time, shutdown: new Shutdown({ clock: time, timers: time, log: nullLog }) };
}

describe('a shutdown', () => {
  it('runs its phases in order, each after the one before, and tells them the reason', async () => {
    const { time, shutdown } = shutdownInVirtualTime();
    const ran: string[] = [];
    shutdown.phase('first', 100, (reason) => new Promise((resolve) => time.after(50, () => (ran.push(`first ${reason}`), resolve()))));
    shutdown.phase('second', 100, () => void ran.push('second'));
    const run = shutdown.run('SIGTERM');
    await time.advanceSettled(49);
    expect(ran).toEqual([]);
    await time.advanceSettled(1);
    expect(ran).toEqual(['first SIGTERM', 'second']);
    expect(await run).toEqual([
      { name: 'first', outcome: 'done', tookMs: 50, error: null },
      { name: 'second', outcome: 'done', tookMs: 0, error: null },
    ]);
    expect(time.timersPending).toBe(0);
  });

  it('leaves a phase behind at its time limit and goes on', async () => {
    const { time, shutdown } = shutdownInVirtualTime();
    shutdown.phase('stuck', 100, () => new Promise(() => undefined));
    shutdown.phase('next', 100, () => undefined);
    const run = shutdown.run('test');
    await time.advanceSettled(100);
    expect(await run).toMatchObject([{ name: 'stuck', outcome: 'timed_out', tookMs: 100, error: { code: 'deadline' } }, { name: 'next', outcome: 'done' }]);
  });

  it('goes on after a phase that throws, rejects, or rejects after its time', async () => {
    const { time, shutdown } = shutdownInVirtualTime();
    const broken = new Error('broken');
    shutdown.phase('throws', 100, () => {
      throw broken;
    });
    shutdown.phase('rejects', 100, () => Promise.reject(broken));
    shutdown.phase('rejects late', 100, () => new Promise((_, reject) => time.after(150, () => reject(broken))));
    shutdown.phase('last', 100, () => new Promise((resolve) => time.after(90, resolve)));
    const run = shutdown.run('test');
    await time.advanceSettled(300);
    expect((await run).map(({ name, outcome }) => `${name}: ${outcome}`)).toEqual(['throws: failed', 'rejects: failed', 'rejects late: timed_out', 'last: done']);
    expect((await run)[0].error).toBe(broken);
  });

  it('runs once, whoever asks', async () => {
    const { shutdown } = shutdownInVirtualTime();
    let ran = 0;
    shutdown.phase('only', 100, () => void ran++);
    const outcomes = await Promise.all([shutdown.run('a'), shutdown.run('b')]);
    expect(outcomes[0]).toBe(outcomes[1]);
    expect(ran).toBe(1);
  });

  it('takes no phase once it runs', () => {
    const { shutdown } = shutdownInVirtualTime();
    void shutdown.run('test');
    expect(() => shutdown.phase('late', 1, () => undefined)).toThrow(/invariant/);
  });
});

describe('signal handlers', () => {
  class FakeProcess extends EventEmitter implements SignalSource {
    readonly exits: number[] = [];
    exit(code: number): void {
      this.exits.push(code);
    }
  }

  it.each(['SIGINT', 'SIGTERM'])('run the shutdown on %s and exit with 0', async (signal) => {
    const { time, shutdown } = shutdownInVirtualTime();
    const source = new FakeProcess();
    installSignalHandlers(shutdown, source);
    source.emit(signal, signal);
    expect(source.exits).toEqual([]);
    await time.advanceSettled(0);
    expect(source.exits).toEqual([0]);
  });

  it('exit with 1 when a phase failed', async () => {
    const { time, shutdown } = shutdownInVirtualTime();
    shutdown.phase('fails', 10, () => Promise.reject(new Error('broken')));
    const source = new FakeProcess();
    installSignalHandlers(shutdown, source);
    source.emit('SIGTERM', 'SIGTERM');
    await time.advanceSettled(0);
    expect(source.exits).toEqual([1]);
  });

  it('exit at once with 130 on the second signal', () => {
    const { shutdown } = shutdownInVirtualTime();
    shutdown.phase('stuck', 1_000, () => new Promise(() => undefined));
    const source = new FakeProcess();
    installSignalHandlers(shutdown, source);
    source.emit('SIGTERM', 'SIGTERM');
    source.emit('SIGINT', 'SIGINT');
    expect(source.exits).toEqual([130]);
  });

  it('can be taken away', () => {
    const { shutdown } = shutdownInVirtualTime();
    const source = new FakeProcess();
    installSignalHandlers(shutdown, source)();
    expect(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM')).toBe(0);
  });
});
