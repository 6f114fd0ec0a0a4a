import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { Requester } from '../../src/runtime/request-channel.ts';
import { portTransport } from '../../src/runtime/transport.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { CONTROL_CALLS_MAX, WorkerThread, type WorkerThreadDeps, type WorkerThreadSpec } from '../../src/runtime/worker-thread.ts';
import type { HealthyControl } from '../fixtures/runtime/thread-healthy.ts';

const deps = { clock: systemClock, timers: systemTimers, log: nullLog };
/** Far beyond what a loaded machine needs, so that only a real failure meets it. */
const PLENTY_MS = 20_000;

const running: { terminate(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((thread) => thread.terminate()));
});

async function startThread<Control extends object>(fixture: string, spec: Partial<WorkerThreadSpec> = {}, threadDeps: WorkerThreadDeps = deps): Promise<WorkerThread<Control>> {
  const thread = await WorkerThread.start<Control>(
    {
      name: 'thread-0',
      module: new URL(`../fixtures/runtime/${fixture}.ts`, import.meta.url),
      options: {},
      epoch: 1,
      readyTimeoutMs: PLENTY_MS,
      heartbeatTimeoutMs: PLENTY_MS,
      ...spec,
    },
    threadDeps,
  );
  running.push(thread);
  return thread;
}

function connect(thread: Pick<WorkerThread<object>, 'name' | 'epoch' | 'connect'>, creditsMax = 10): Requester<string, string> {
  const { port1, port2 } = new MessageChannel();
  thread.connect('data', port2, { from: 'test' });
  return new Requester<string, string>(portTransport(port1), { name: thread.name, creditsMax, bytesInFlightMax: 1_000, epoch: thread.epoch }, deps);
}

function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: OperationalError) => error.code);
}

describe('a worker thread', () => {
  it('starts, knows its name, epoch and options, answers calls, and stops when asked', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy', { epoch: 4, options: { partitions: [1, 2] } });
    expect(await thread.call('describe', [], PLENTY_MS)).toEqual({ name: 'thread-0', epoch: 4, options: { partitions: [1, 2] } });
    expect(await thread.call('add', [2, 3], PLENTY_MS)).toBe(5);
    expect(await thread.call('metrics', [], PLENTY_MS)).toEqual({ served: 1 });
    expect(await thread.stop(PLENTY_MS)).toEqual({ kind: 'stopped' });
    expect(await thread.exited).toEqual({ kind: 'stopped' });
  });

  it('answers requests on a port it was connected, told what the port is for', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy');
    const requester = connect(thread);
    expect(await requester.request('hello', { deadlineMs: PLENTY_MS })).toBe('data {"from":"test"} hello#1');
    requester.close();
  });

  it('gives the error of a call with its code, and lives on', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy');
    await expect(thread.call('refuse', [], PLENTY_MS)).rejects.toMatchObject({ code: 'storage_full', message: 'the disk is full', retryable: true });
    await expect(thread.call('stumble', [], PLENTY_MS)).rejects.toMatchObject({ code: 'internal', message: 'nobody planned for this', stack: expect.stringContaining('thread-healthy.ts') });
    expect(await codeOf(thread.call('missing' as 'add', [1, 2], PLENTY_MS))).toBe('unknown_call');
    expect(await thread.call('add', [1, 1], PLENTY_MS)).toBe(2);
  });

  it('sends heartbeats that tell of late event loops and memory', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy', { heartbeatTimeoutMs: 4_000 });
    await thread.call('block', [300], PLENTY_MS);
    let slowestMs = 0;
    while (slowestMs < 200) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      slowestMs = Math.max(slowestMs, thread.lastHeartbeat?.eventLoopDelayMaxMs ?? 0);
    }
    const { heapUsedBytes, externalBytes, rssBytes } = thread.lastHeartbeat!;
    expect(Math.min(heapUsedBytes, externalBytes, rssBytes)).toBeGreaterThan(0);
  });

  it('does not answer past a call’s deadline, nor more calls than are bounded', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy');
    expect(await codeOf(thread.call('hang', [], 20))).toBe('deadline');
    const calls = Array.from({ length: CONTROL_CALLS_MAX }, () => codeOf(thread.call('hang', [], PLENTY_MS)));
    expect(await codeOf(thread.call('hang', [], PLENTY_MS))).toBe('too_many_calls');
    await thread.terminate();
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['peer_gone']));
  });
});

describe('a worker thread that dies', () => {
  it.each([
    ['throws', 'thread-throws', { kind: 'crashed', error: { name: 'OperationalError', code: 'cable_cut', message: 'thrown in a callback', retryable: true } }],
    ['leaves a rejection unhandled', 'thread-rejects', { kind: 'crashed', error: { message: 'rejected and unhandled' } }],
    ['says that it cannot go on', 'thread-fails', { kind: 'crashed', error: { code: 'storage_lost', message: 'the store is gone', retryable: true } }],
    ['exits by itself', 'thread-exits', { kind: 'exited', code: 3 }],
    ['runs out of memory', 'thread-out-of-memory', { kind: 'crashed', error: { code: 'ERR_WORKER_OUT_OF_MEMORY' } }],
  ])('because it %s says so, and the call that waits rejects', async (_how, fixture, reason) => {
    const thread = await startThread<{ go(): void; wait(): void }>(fixture, { resourceLimits: { maxOldGenerationSizeMb: 32 } });
    const gone = codeOf(thread.call('go', [], PLENTY_MS));
    expect(await thread.exited).toMatchObject(reason);
    // A thread may have answered the call before it fell over what the call set off.
    expect([undefined, 'peer_gone']).toContain(await gone);
    expect(await codeOf(thread.call('go', [], PLENTY_MS))).toBe('peer_gone');
    expect(await thread.stop(PLENTY_MS)).toMatchObject(reason);
  });

  it('over an OperationalError gives that class back to whoever asks why', async () => {
    const thread = await startThread<{ go(): void }>('thread-throws');
    void codeOf(thread.call('go', [], PLENTY_MS));
    expect(await thread.exited).toMatchObject({ kind: 'crashed', error: expect.any(OperationalError) });
  });

  it('takes its unanswered requests and calls with it', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy');
    const requester = connect(thread);
    const held = codeOf(requester.request('hold', { deadlineMs: PLENTY_MS }));
    const hanging = codeOf(thread.call('hang', [], PLENTY_MS));
    expect(await requester.request('hello', { deadlineMs: PLENTY_MS })).toContain('hello');
    expect(await thread.terminate()).toEqual({ kind: 'terminated' });
    expect(await held).toBe('peer_gone');
    expect(await hanging).toBe('peer_gone');
    expect(await codeOf(requester.request('more', { deadlineMs: PLENTY_MS }))).toBe('peer_gone');
  });

  it('over a request crashes with what the handler threw', async () => {
    const thread = await startThread('thread-handler-throws');
    const requester = connect(thread);
    expect(await codeOf(requester.request('poison', { deadlineMs: PLENTY_MS }))).toBe('peer_gone');
    expect(await thread.exited).toMatchObject({ kind: 'crashed', error: { message: 'thrown by a handler' } });
  });

  it('over a port it does not take crashes, and the port’s other end notices', async () => {
    const thread = await startThread('thread-no-port-handler');
    const requester = connect(thread);
    expect(await codeOf(requester.request('anybody?', { deadlineMs: PLENTY_MS }))).toBe('peer_gone');
    expect(await thread.exited).toMatchObject({ kind: 'crashed', error: { message: expect.stringContaining('onPort') } });
  });

  it('before a port reaches it leaves no asker waiting', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy', { heartbeatTimeoutMs: 600 });
    void codeOf(thread.call('block', [60_000], PLENTY_MS));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const beforeItsEnd = connect(thread);
    const waiting = codeOf(beforeItsEnd.request('a', { deadlineMs: PLENTY_MS }));
    expect(await thread.exited).toMatchObject({ kind: 'hung' });
    const afterItsEnd = connect(thread);
    expect(await waiting).toBe('peer_gone');
    expect(await codeOf(afterItsEnd.request('b', { deadlineMs: PLENTY_MS }))).toBe('peer_gone');
  });
});

describe('a worker thread that hangs', () => {
  it('is terminated after the heartbeat timeout, and its calls reject', async () => {
    const thread = await startThread<{ go(): void }>('thread-spins', { heartbeatTimeoutMs: 200 });
    const gone = codeOf(thread.call('go', [], PLENTY_MS));
    expect(await thread.exited).toMatchObject({ kind: 'hung' });
    expect(await gone).toBe('peer_gone');
  });

  it('is not taken for hung while the thread that watches it is held up itself', async () => {
    const thread = await startThread<HealthyControl>('thread-healthy', { heartbeatTimeoutMs: 1_000 });
    const endMs = performance.now() + 2_500;
    while (performance.now() < endMs);
    expect(await thread.call('add', [1, 2], PLENTY_MS)).toBe(3);
  });

  it('while stopping is terminated at the time limit', async () => {
    const thread = await startThread('thread-ignores-stop');
    expect(await thread.stop(50)).toEqual({ kind: 'terminated' });
  });

  it('is not said of one whose last work takes longer than a heartbeat', async () => {
    const thread = await startThread('thread-healthy', { heartbeatTimeoutMs: 200, options: { stopBlocksMs: 600 } });
    expect(await thread.stop(PLENTY_MS)).toEqual({ kind: 'stopped' });
  });

  it('in a spin is ended by stop as well', async () => {
    const thread = await startThread<{ go(): void }>('thread-spins');
    void codeOf(thread.call('go', [], PLENTY_MS));
    expect(await thread.stop(50)).toEqual({ kind: 'terminated' });
  });
});

describe('a worker thread that cannot start', () => {
  it.each([
    ['thread-throws-at-import', /thrown at import/],
    ['thread-throws-in-start', /thrown in start/],
    ['thread-missing', /Cannot find module/],
  ])('rejects its start with the reason (%s)', async (fixture, message) => {
    await expect(startThread(fixture)).rejects.toMatchObject({ code: 'thread_start_failed', retryable: true, message: expect.stringMatching(message), cause: expect.any(Error) });
  });

  it('in its time is terminated', async () => {
    await expect(startThread('thread-never-ready', { readyTimeoutMs: 200 })).rejects.toMatchObject({ code: 'thread_start_failed', message: expect.stringContaining('200 ms') });
  });
});

describe('terminating a worker thread', () => {
  it('may be asked for twice and leaves no timer behind', async () => {
    const time = new VirtualTime();
    const thread = await startThread('thread-healthy', {}, { clock: time, timers: time, log: nullLog });
    expect(await Promise.all([thread.terminate(), thread.terminate(), thread.stop(PLENTY_MS)])).toEqual(Array(3).fill({ kind: 'terminated' }));
    expect(time.timersPending).toBe(0);
  });

  it('counts as done after a while even if a native call keeps the thread from ending', async () => {
    const time = new VirtualTime();
    const errors: string[] = [];
    const log = { ...nullLog, error: (_fields: object, message: string) => void errors.push(message) };
    const thread = await startThread('thread-healthy', {}, { clock: time, timers: time, log });
    const terminated = thread.terminate();
    // Before the thread's own exit can be heard.
    time.advance(60_000);
    expect(await terminated).toEqual({ kind: 'terminated' });
    expect(errors).toEqual([expect.stringContaining('does not end')]);
  });
});

describe('a worker thread that crashes while stopping', () => {
  it('says so', async () => {
    const thread = await startThread('thread-fails-to-stop');
    expect(await thread.stop(PLENTY_MS)).toMatchObject({ kind: 'crashed', error: { message: 'thrown in stop' } });
  });
});
