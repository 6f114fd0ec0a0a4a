import { describe, expect, it } from 'vitest';
import type { EngineChild, Supervision, ThreadStart } from '../../src/engine/engine-threads.ts';
import { SideThread } from '../../src/engine/side-thread.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { ExitReason } from '../../src/runtime/exit-reason.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { Supervisor } from '../../src/runtime/supervisor.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** The life of a thread beside an engine, under a real supervisor, with everything but the thread. */

const MODULE = new URL('file:///beside.ts');
/** Past the longest wait before a restart. */
const LONG_MS = 60_000;

const failure = (code: string, cause: unknown = new OperationalError(code, `it is ${code}`)): OperationalError => new OperationalError('thread_start_failed', `beside did not start: ${code}`, { cause });

class World {
  readonly time = new VirtualTime();
  readonly starts: ThreadStart[] = [];
  readonly refusals: OperationalError[] = [];
  supervision!: Supervision;
  thread!: SideThread;
  /** How the next starts fail. */
  failures: OperationalError[] = [];
  private supervisor!: Supervisor;
  private told: string[] = [];
  private exit!: (reason: ExitReason) => void;

  constructor() {
    const tell = (word: string) => void this.told.push(word);
    const supervise = (name: string, children: readonly EngineChild[], supervision: Supervision): Supervisor => {
      this.supervision = supervision;
      const onChild = (_: string, state: 'up' | 'down'): void => void (state === 'down' && children[0].down?.());
      this.supervisor = new Supervisor({ name, strategy: 'one_for_one', ...supervision.restarts! }, children, { clock: this.time, timers: this.time, log: nullLog, onEscalate: () => tell('supervisor: gives up'), onChild, random: () => 1 });
      return this.supervisor;
    };
    this.thread = new SideThread(
      { name: 'beside', module: MODULE, readyTimeoutMs: 7, stopTimeoutMs: 8 },
      {
        threads: { start: (start) => this.start(start) as Promise<never>, supervise, fail: (reason) => void this.refusals.push(reason) },
        link: { up: ({ epoch }) => tell(`link: up ${epoch}`), down: () => tell('link: down') },
        outboxLink: { supervisorUp: ({ epoch }) => tell(`outbox: up ${epoch}`), supervisorDown: () => tell('outbox: down') },
        feed: { up: () => tell('feed: up'), down: () => tell('feed: down') },
        threadOptions: () => ({ start: this.starts.length }),
        onUp: () => tell('up'),
        refusal: ({ message }) => `no thread: ${message}`,
      },
    );
  }

  private async start(start: ThreadStart): Promise<unknown> {
    this.starts.push(start);
    const failed = this.failures.shift();
    if (failed !== undefined) throw failed;
    const exited = new Promise<ExitReason>((resolve) => (this.exit = resolve));
    return { epoch: start.epoch, connect: () => {}, exited, stop: () => (this.exit({ kind: 'stopped' }), exited) };
  }

  /** What was told since the last look. */
  news(): string[] {
    return this.told.splice(0);
  }

  async crash(): Promise<void> {
    this.exit({ kind: 'crashed', error: new Error('boom') });
    await this.settle();
  }

  settle(): Promise<void> {
    return this.time.advanceSettled(0);
  }

  restart(): Promise<void> {
    return this.time.advanceSettled(LONG_MS);
  }

  stop(): Promise<void> {
    return this.supervisor.stop();
  }
}

describe('a thread that an engine goes on without', () => {
  it('sleeps until somebody needs it, and is started once for all who do', async () => {
    const world = new World();
    await world.settle();
    expect([world.thread.isAwake, world.thread.hasStarted, world.starts]).toEqual([false, false, []]);
    await Promise.all([world.thread.wake(), world.thread.wake()]);
    expect([world.thread.isAwake, world.thread.hasStarted, world.thread.status().state]).toEqual([true, true, 'up']);
    expect(world.starts).toEqual([{ name: 'beside', module: MODULE, epoch: 1, options: { start: 0 }, readyTimeoutMs: 7 }]);
    expect(world.supervision.endsIn).toBe('sinks');
  });

  it('is asked by its engine and the sinks as soon as it is there, and told of nothing until the engine is ready', async () => {
    const world = new World();
    await world.thread.wake();
    expect(world.news()).toEqual(['link: up 1', 'outbox: up 1', 'up']);
    world.thread.startFeed();
    expect(world.news()).toEqual(['feed: up']);
  });

  it('is told of things once it is there, when the engine was ready first', async () => {
    const world = new World();
    world.thread.startFeed();
    expect(world.news()).toEqual([]);
    await world.thread.wake();
    expect(world.news()).toEqual(['link: up 1', 'outbox: up 1', 'feed: up', 'up']);
  });

  it('is forgotten by everybody when it crashes, and the same to all when it is there again', async () => {
    const world = new World();
    await world.thread.wake();
    world.thread.startFeed();
    world.news();
    await world.crash();
    expect(world.news()).toEqual(['feed: down', 'link: down', 'outbox: down']);
    expect(world.thread.hasStarted).toBe(true);
    await world.restart();
    expect(world.news()).toEqual(['link: up 2', 'outbox: up 2', 'feed: up', 'up']);
    // With settings as they are now.
    expect(world.starts.map(({ options }) => options)).toEqual([{ start: 0 }, { start: 1 }]);
  });

  it('is told of nothing while it is away, though the engine becomes ready then', async () => {
    const world = new World();
    await world.thread.wake();
    await world.crash();
    world.news();
    world.thread.startFeed();
    expect(world.news()).toEqual([]);
    await world.restart();
    expect(world.news()).toContain('feed: up');
  });

  it('hears nothing more once the feed has stopped, and answers until it is stopped itself', async () => {
    const world = new World();
    await world.thread.wake();
    world.thread.startFeed();
    world.news();
    world.thread.stopFeed();
    expect(world.news()).toEqual(['feed: down']);
    await world.crash();
    await world.restart();
    expect(world.news()).toEqual(['feed: down', 'link: down', 'outbox: down', 'link: up 2', 'outbox: up 2', 'up']);
    await world.stop();
    expect(world.news()).toEqual(['feed: down', 'link: down', 'outbox: down']);
  });

  it('lets the engine start when its first start fails, and is tried again for as long as it takes', async () => {
    const world = new World();
    // One is no more of use than the other, and both may be well the next time.
    world.failures = [failure('out_of_memory'), failure('crash', new Error('boom')), ...Array.from({ length: 20 }, () => failure('storage_full'))];
    await world.thread.wake();
    expect([world.thread.hasStarted, world.news(), world.starts.length]).toEqual([false, [], 1]);
    for (let i = 1; i < 23; i++) await world.restart();
    expect([world.thread.status().state, world.starts.length, world.refusals]).toEqual(['up', 23, []]);
    expect(world.news()).toEqual(['link: up 23', 'outbox: up 23', 'up']);
  });

  it.each(['format', 'corrupt', 'storage_failed', 'invalid_settings'])('refuses the start of the engine, with a word, when what it needs is never read (%s)', async (code) => {
    const world = new World();
    world.failures = [failure(code)];
    await expect(world.thread.wake()).rejects.toMatchObject({ code: 'cannot_start' });
    expect(world.refusals).toMatchObject([{ code, message: `no thread: it is ${code}`, cause: { code } }]);
    await world.restart();
    expect(world.starts.length).toBe(1);
  });

  it.each<[string, (world: World) => Promise<void>]>([
    ['was up before', async (world) => (await world.thread.wake(), (world.failures = [failure('corrupt')]), await world.crash())],
    ['is needed after the engine was ready', async (world) => (world.thread.startFeed(), (world.failures = [failure('corrupt')]), await world.thread.wake())],
    ['was away when the engine became ready', async (world) => ((world.failures = [failure('crash'), failure('corrupt')]), await world.thread.wake(), world.thread.startFeed())],
  ])('keeps no engine from going on that %s', async (_when, begin) => {
    const world = new World();
    await begin(world);
    for (let i = 0; i < 3; i++) await world.restart();
    expect([world.thread.status().state, world.failures, world.refusals]).toEqual(['up', [], []]);
  });
});
