import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import type { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { Requester } from '../../src/runtime/request-channel.ts';
import { Supervisor, type ChildSpec, type SupervisorOptions } from '../../src/runtime/supervisor.ts';
import { portTransport } from '../../src/runtime/transport.ts';
import { WorkerThread } from '../../src/runtime/worker-thread.ts';

const deps = { clock: systemClock, timers: systemTimers, log: nullLog };
const PLENTY_MS = 20_000;
/** Long enough for a healthy thread on a machine that is busy with other tests. */
const HEARTBEAT_TIMEOUT_MS = 2_000;

let supervisor: Supervisor | null = null;
afterEach(async () => {
  await supervisor?.stop();
});

/** Supervised threads by name; tells of every child that comes up or goes down. */
function supervise(fixtures: Record<string, string>, options: Partial<SupervisorOptions> = {}) {
  const threads = new Map<string, WorkerThread<{ go(): void }>>();
  const events: string[] = [];
  const waiting: { event: string; resolve: () => void }[] = [];
  let escalate: (reason: OperationalError) => void = () => undefined;
  const escalated = new Promise<OperationalError>((resolve) => (escalate = resolve));
  const specs: ChildSpec[] = Object.entries(fixtures).map(([name, fixture]) => ({
    name,
    stopTimeoutMs: PLENTY_MS,
    async start({ epoch }) {
      const module = new URL(`../fixtures/runtime/${fixture}.ts`, import.meta.url);
      const thread = await WorkerThread.start<{ go(): void }>({ name, module, options: {}, epoch, readyTimeoutMs: PLENTY_MS, heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS }, deps);
      threads.set(name, thread);
      return thread;
    },
  }));
  supervisor = new Supervisor(
    { name: 'threads', strategy: 'one_for_one', restartsMax: 3, withinMs: 60_000, backoffMinMs: 10, backoffMaxMs: 50, ...options },
    specs,
    {
      ...deps,
      onEscalate: escalate,
      onChild(name, state, epoch, reason) {
        const event = `${name}#${epoch} ${state}${reason === null ? '' : ` ${reason.kind}`}`;
        events.push(event);
        for (const waiter of waiting) if (waiter.event === event) waiter.resolve();
      },
    },
  );
  const seen = (event: string): Promise<void> =>
    events.includes(event) ? Promise.resolve() : new Promise((resolve) => waiting.push({ event, resolve }));
  return { supervisor, threads, seen, escalated };
}

describe('a supervised thread', () => {
  it.each([
    ['throws', 'thread-throws', 'crashed'],
    ['exits', 'thread-exits', 'exited'],
    ['hangs', 'thread-spins', 'hung'],
  ])('that %s is replaced by its next incarnation, which serves; its neighbour serves all along', async (_how, fixture, kind) => {
    const { supervisor, threads, seen } = supervise({ faulty: fixture, neighbour: 'thread-healthy' });
    await supervisor.start();
    const first = threads.get('faulty')!;
    const { port1, port2 } = new MessageChannel();
    threads.get('neighbour')!.connect('data', port2, null);
    const neighbour = new Requester<string, string>(portTransport(port1), { name: 'neighbour', creditsMax: 1, bytesInFlightMax: 1, epoch: 1 }, deps);
    first.call('go', [], PLENTY_MS).catch(() => undefined);
    await seen(`faulty#1 down ${kind}`);
    expect(await neighbour.request('still there?', { deadlineMs: PLENTY_MS })).toContain('still there?');
    await seen('faulty#2 up');
    const second = threads.get('faulty')!;
    expect(second).not.toBe(first);
    expect(await second.call('metrics', [], PLENTY_MS)).toBeNull();
    expect(supervisor.status()).toMatchObject([{ name: 'faulty', state: 'up', epoch: 2, restarts: 1 }, { name: 'neighbour', epoch: 1, restarts: 0 }]);
    neighbour.close();
  });

  it('that keeps crashing is given up, and the others are stopped', async () => {
    const { supervisor, threads, seen, escalated } = supervise({ first: 'thread-healthy', faulty: 'thread-exits' }, { restartsMax: 1 });
    await supervisor.start();
    const first = threads.get('first')!;
    threads.get('faulty')!.call('go', [], PLENTY_MS).catch(() => undefined);
    await seen('faulty#2 up');
    threads.get('faulty')!.call('go', [], PLENTY_MS).catch(() => undefined);
    expect(await escalated).toMatchObject({ code: 'restart_intensity', message: expect.stringContaining('code 3') });
    expect(await first.exited).toEqual({ kind: 'stopped' });
  });

  it('takes those after it along under rest_for_one', async () => {
    const { supervisor, threads, seen } = supervise({ before: 'thread-healthy', faulty: 'thread-throws', after: 'thread-healthy' }, { strategy: 'rest_for_one' });
    await supervisor.start();
    const after = threads.get('after')!;
    threads.get('faulty')!.call('go', [], PLENTY_MS).catch(() => undefined);
    await seen('after#2 up');
    expect(await after.exited).toEqual({ kind: 'stopped' });
    expect(supervisor.status().map(({ name, state, epoch }) => `${name} ${state} ${epoch}`)).toEqual(['before up 1', 'faulty up 2', 'after up 2']);
  });
});
