import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OperationalError } from '../../src/runtime/errors.ts';
import type { ExitReason } from '../../src/runtime/exit-reason.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { RestartIntensity } from '../../src/runtime/restart-intensity.ts';
import { Supervisor, type ChildSpec, type SupervisorOptions } from '../../src/runtime/supervisor.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

const CRASH: ExitReason = { kind: 'crashed', error: new Error('boom') };

/** Children that live until the test ends them, and a journal of what was done to them. */
function family(names: string[], options: Partial<SupervisorOptions> = {}, random = () => 1) {
  const time = new VirtualTime();
  const journal: string[] = [];
  const escalations: OperationalError[] = [];
  const exits = new Map<string, (reason: ExitReason) => void>();
  /** Makes the next starts of a child fail. */
  const failStarts = new Map<string, number>();
  const stopTakesMs = new Map<string, number>();
  const specs: ChildSpec[] = names.map((name) => ({
    name,
    stopTimeoutMs: 1_000,
    async start({ epoch }) {
      journal.push(`start ${name}#${epoch}`);
      const failures = failStarts.get(name) ?? 0;
      if (failures > 0) {
        failStarts.set(name, failures - 1);
        throw new Error(`${name} cannot start`);
      }
      let exit: (reason: ExitReason) => void = () => undefined;
      const exited = new Promise<ExitReason>((resolve) => (exit = resolve));
      exits.set(name, exit);
      return {
        exited,
        stop: (timeLimitMs) => {
          journal.push(`stop ${name}#${epoch} ${timeLimitMs}`);
          time.after(stopTakesMs.get(name) ?? 0, () => exit({ kind: 'stopped' }));
          return exited;
        },
      };
    },
  }));
  const supervisor = new Supervisor(
    { name: 'family', strategy: 'one_for_one', restartsMax: 3, withinMs: 10_000, backoffMinMs: 100, backoffMaxMs: 1_000, ...options },
    specs,
    {
      clock: time,
      timers: time,
      log: nullLog,
      onEscalate: (error) => escalations.push(error),
      onChild: (name, state, epoch, reason) => journal.push(`${state} ${name}#${epoch}${reason === null ? '' : ` ${reason.kind}`}`),
      random,
    },
  );
  const crash = async (name: string, reason: ExitReason = CRASH): Promise<void> => {
    exits.get(name)!(reason);
    await time.advanceSettled(0);
  };
  /** What has been written since the last look. */
  const news = (): string[] => journal.splice(0);
  return { time, supervisor, escalations, crash, news, failStarts, stopTakesMs };
}

async function startedFamily(names: string[], options: Partial<SupervisorOptions> = {}, random?: () => number) {
  const made = family(names, options, random);
  await made.supervisor.start();
  made.news();
  return made;
}

describe.each(['one_for_one', 'rest_for_one'] as const)('a supervisor (%s)', (strategy) => {
  it('starts its children in order and stops them in reverse order, each with its own time limit', async () => {
    const { supervisor, news, time } = family(['a', 'b'], { strategy });
    await supervisor.start();
    expect(news()).toEqual(['start a#1', 'up a#1', 'start b#1', 'up b#1']);
    const stopped = supervisor.stop();
    await time.advanceSettled(10);
    await stopped;
    expect(news()).toEqual(['down b#1 stopped', 'stop b#1 1000', 'down a#1 stopped', 'stop a#1 1000']);
    expect(supervisor.status().map(({ state }) => state)).toEqual(['down', 'down']);
  });

  it('restarts a child that ended, after its back-off, as its next incarnation', async () => {
    const { news, time, crash, supervisor } = await startedFamily(['a'], { strategy });
    await crash('a');
    expect(news()).toEqual(['down a#1 crashed']);
    expect(supervisor.status()).toMatchObject([{ name: 'a', state: 'backing_off', epoch: 1, restarts: 0, lastExit: CRASH }]);
    await time.advanceSettled(99);
    expect(news()).toEqual([]);
    await time.advanceSettled(1);
    expect(news()).toEqual(['start a#2', 'up a#2']);
    expect(supervisor.status()).toMatchObject([{ state: 'up', epoch: 2, restarts: 1 }]);
  });

  it.each<ExitReason>([{ kind: 'exited', code: 0 }, { kind: 'hung', silentMs: 1 }, { kind: 'stopped' }, { kind: 'terminated' }])('takes $kind for a crash when it did not ask for it', async (reason) => {
    const { news, time, crash } = await startedFamily(['a'], { strategy });
    await crash('a', reason);
    await time.advanceSettled(100);
    expect(news()).toEqual([`down a#1 ${reason.kind}`, 'start a#2', 'up a#2']);
  });

  it('counts a start that throws as a crash and tries again', async () => {
    const { supervisor, news, time, failStarts } = family(['a'], { strategy });
    failStarts.set('a', 2);
    const started = supervisor.start();
    await time.advanceSettled(300);
    await started;
    expect(news()).toEqual(['start a#1', 'start a#2', 'start a#3', 'up a#3']);
  });

  it('gives up after restartsMax restarts within the window: stops everything, tells once, and its start rejects', async () => {
    const { supervisor, escalations, time, failStarts, news } = family(['a', 'b'], { strategy, restartsMax: 2 });
    failStarts.set('b', 99);
    const started = supervisor.start().catch((error: OperationalError) => error.code);
    await time.advanceSettled(60_000);
    expect(await started).toBe('restart_intensity');
    expect(escalations).toHaveLength(1);
    expect(escalations[0]).toMatchObject({ code: 'restart_intensity', message: expect.stringMatching(/b.*cannot start/) });
    const seen = news();
    expect(seen.filter((entry) => entry.startsWith('start b'))).toHaveLength(3);
    expect(seen).toContain('stop a#1 1000');
    expect(supervisor.status().map(({ state }) => state)).toEqual(['down', 'down']);
  });

  it('goes on for ever with crashes that are far enough apart', async () => {
    const { escalations, time, crash, supervisor } = await startedFamily(['a'], { strategy, restartsMax: 1 });
    for (let round = 0; round < 5; round++) {
      await crash('a');
      await time.advanceSettled(10_000);
    }
    expect(escalations).toEqual([]);
    expect(supervisor.status()).toMatchObject([{ state: 'up', restarts: 5 }]);
  });

  it('stops during a back-off without starting the child again', async () => {
    const { news, time, crash, supervisor } = await startedFamily(['a', 'b'], { strategy });
    await crash('a');
    const stopped = supervisor.stop();
    await time.advanceSettled(10_000);
    await stopped;
    expect(news().filter((entry) => entry.startsWith('start'))).toEqual([]);
    expect(supervisor.status().map(({ state }) => state)).toEqual(['down', 'down']);
    expect(time.timersPending).toBe(0);
  });

  it('lets a start under way finish and then stops what came of it', async () => {
    const time = new VirtualTime();
    const journal: string[] = [];
    const spec: ChildSpec = {
      name: 'slow',
      stopTimeoutMs: 10,
      start: () =>
        new Promise((resolve) => {
          time.after(500, () => resolve({ exited: new Promise(() => undefined), stop: async () => journal.push('stopped') }));
        }),
    };
    const supervisor = new Supervisor(
      { name: 's', strategy, restartsMax: 1, withinMs: 1, backoffMinMs: 1, backoffMaxMs: 1 },
      [spec],
      { clock: time, timers: time, log: nullLog, onEscalate: () => journal.push('escalated') },
    );
    const started = supervisor.start().catch((error: OperationalError) => error.code);
    await time.advanceSettled(10);
    const stopped = supervisor.stop();
    await time.advanceSettled(490);
    await stopped;
    expect(journal).toEqual(['stopped']);
    expect(await started).toBe('stopped');
  });

  it('gives up on a child whose stop never ends, and stops the others', async () => {
    const { supervisor, news, time, stopTakesMs } = await startedFamily(['a', 'b'], { strategy });
    stopTakesMs.set('b', Infinity);
    const stopped = supervisor.stop();
    await time.advanceSettled(60_000);
    await stopped;
    expect(news()).toContain('stop a#1 1000');
  });

  it('may be stopped before it started, and more than once', async () => {
    const { supervisor, news } = family(['a'], { strategy });
    await Promise.all([supervisor.stop(), supervisor.stop()]);
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'stopped' });
    expect(news()).toEqual([]);
  });
});

describe('back-off', () => {
  it('doubles with each crash in a row up to its maximum, and starts anew after a steady time', async () => {
    const { time, crash, supervisor } = await startedFamily(['a'], { restartsMax: 99 });
    const waits: number[] = [];
    const waitForUp = async (): Promise<void> => {
      const fromMs = time.monotonic();
      while (supervisor.status()[0].state !== 'up') await time.advanceSettled(50);
      waits.push(time.monotonic() - fromMs);
    };
    for (let round = 0; round < 6; round++) {
      await crash('a');
      await waitForUp();
    }
    await time.advanceSettled(10_000);
    await crash('a');
    await waitForUp();
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000, 100]);
  });

  it('is between half and all of its length by chance', async () => {
    const { time, crash, news } = await startedFamily(['a'], {}, () => 0);
    await crash('a');
    news();
    await time.advanceSettled(49);
    expect(news()).toEqual([]);
    await time.advanceSettled(1);
    expect(news()).toEqual(['start a#2', 'up a#2']);
  });
});

describe('one_for_one', () => {
  it('leaves the other children alone', async () => {
    const { crash, time, news } = await startedFamily(['a', 'b', 'c']);
    await crash('b');
    await time.advanceSettled(100);
    expect(news()).toEqual(['down b#1 crashed', 'start b#2', 'up b#2']);
  });

  it('brings several children back side by side', async () => {
    const { crash, time, news } = await startedFamily(['a', 'b']);
    await crash('b');
    await time.advanceSettled(50);
    await crash('a');
    await time.advanceSettled(50);
    expect(news()).toEqual(['down b#1 crashed', 'down a#1 crashed', 'start b#2', 'up b#2']);
    await time.advanceSettled(50);
    expect(news()).toEqual(['start a#2', 'up a#2']);
  });

  it('starts the rest while a child that failed to start waits for its next try', async () => {
    const { supervisor, failStarts, time, news } = family(['a', 'b']);
    failStarts.set('a', 1);
    let started = false;
    void supervisor.start().then(() => (started = true));
    await time.advanceSettled(0);
    expect(news()).toEqual(['start a#1', 'start b#1', 'up b#1']);
    expect(started).toBe(false);
    await time.advanceSettled(100);
    expect(started).toBe(true);
  });
});

describe('children that start together', () => {
  it('do not wait for each other, coming or going', async () => {
    const { time, supervisor, news, stopTakesMs } = family(['a', 'b', 'c'], { together: true });
    await supervisor.start();
    expect(news()).toEqual(['start a#1', 'start b#1', 'start c#1', 'up a#1', 'up b#1', 'up c#1']);
    for (const name of ['a', 'b', 'c']) stopTakesMs.set(name, 500);
    let isStopped = false;
    void supervisor.stop().then(() => (isStopped = true));
    await time.advanceSettled(499);
    expect(isStopped).toBe(false);
    await time.advanceSettled(1);
    expect(isStopped).toBe(true);
    expect(news()).toEqual(['a', 'b', 'c'].flatMap((name) => [`down ${name}#1 stopped`, `stop ${name}#1 1000`]));
  });

  it('are up when the last one is, also when one had to be tried again', async () => {
    const { time, supervisor, failStarts } = family(['a', 'b'], { together: true });
    failStarts.set('a', 2);
    let isUp = false;
    void supervisor.start().then(() => (isUp = true));
    await time.advanceSettled(50);
    expect([isUp, supervisor.status().map(({ state }) => state)]).toEqual([false, ['backing_off', 'up']]);
    await time.advanceSettled(300);
    expect([isUp, supervisor.status().map(({ epoch }) => epoch)]).toEqual([true, [3, 1]]);
  });

  it('end together when one of them gives up', async () => {
    const { time, supervisor, escalations, failStarts } = family(['a', 'b'], { together: true, restartsMax: 1 });
    failStarts.set('b', 9);
    const started = supervisor.start();
    started.catch(() => {});
    await time.advanceSettled(10_000);
    expect([escalations.length, supervisor.status().map(({ state }) => state)]).toEqual([1, ['down', 'down']]);
    await expect(started).rejects.toThrow('gives up');
  });
});

describe('rest_for_one', () => {
  const strategy = 'rest_for_one';

  it('stops those after the child in reverse order, then starts it and them in order', async () => {
    const { crash, time, news, supervisor } = await startedFamily(['a', 'b', 'c', 'd'], { strategy });
    await crash('b');
    await time.advanceSettled(200);
    expect(news()).toEqual([
      'down b#1 crashed',
      'down d#1 stopped', 'stop d#1 1000',
      'down c#1 stopped', 'stop c#1 1000',
      'start b#2', 'up b#2', 'start c#2', 'up c#2', 'start d#2', 'up d#2',
    ]);
    expect(supervisor.status().map(({ restarts }) => restarts)).toEqual([0, 1, 1, 1]);
  });

  it('starts over from an earlier child that falls while later ones are being mended', async () => {
    const { crash, time, news } = await startedFamily(['a', 'b', 'c'], { strategy });
    await crash('b');
    await time.advanceSettled(50);
    await crash('a');
    await time.advanceSettled(1_000);
    const seen = news();
    expect(seen.filter((entry) => entry.startsWith('start'))).toEqual(['start a#2', 'start b#2', 'start c#2']);
    expect(seen.indexOf('up a#2')).toBeLessThan(seen.indexOf('start b#2'));
  });

  it('starts no child before all those before it are up', async () => {
    const names = ['a', 'b', 'c'];
    const steps = fc.array(fc.record({ child: fc.constantFrom(...names), waitMs: fc.integer({ min: 0, max: 400 }), startFails: fc.boolean(), stopMs: fc.integer({ min: 0, max: 200 }) }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(steps, async (plan) => {
        const made = await startedFamily(names, { strategy, restartsMax: 1_000 });
        const check = (): void => {
          const up = made.supervisor.status().map(({ state }) => state === 'up');
          // A child that fell by itself leaves later ones up until they are stopped, so this looks at starts.
          const starting = made.supervisor.status().findIndex(({ state }) => state === 'starting');
          if (starting >= 0) expect(up.slice(0, starting).every(Boolean)).toBe(true);
        };
        for (const { child, waitMs, startFails, stopMs } of plan) {
          if (startFails) made.failStarts.set(child, 1);
          made.stopTakesMs.set(child, stopMs);
          await made.crash(child);
          check();
          for (let ms = 0; ms < waitMs; ms += 20) {
            await made.time.advanceSettled(20);
            check();
          }
        }
        await made.time.advanceSettled(60_000);
        expect(made.supervisor.status().map(({ state }) => state)).toEqual(['up', 'up', 'up']);
        const stopped = made.supervisor.stop();
        await made.time.advanceSettled(60_000);
        await stopped;
        expect(made.time.timersPending).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});

describe('restart intensity', () => {
  it('allows what a naive count over the window allows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 100 }), fc.array(fc.integer({ min: 0, max: 60 })), (restartsMax, withinMs, gapsMs) => {
        const intensity = new RestartIntensity(restartsMax, withinMs);
        const allowedAtMs: number[] = [];
        let nowMs = 0;
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          const expected = allowedAtMs.filter((atMs) => atMs > nowMs - withinMs).length < restartsMax;
          expect(intensity.allows(nowMs)).toBe(expected);
          if (expected) allowedAtMs.push(nowMs);
        }
      }),
    );
  });
});
