import { afterEach, describe, expect, test } from 'vitest';
import { FaultInjection } from '../../src/engine/fault-injection.ts';
import { startOpsServer, type OpsServer, type OpsSource } from '../../src/http/ops-server.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import type { WorkerThread } from '../../src/runtime/worker-thread.ts';

let server: OpsServer;
afterEach(() => server.close(1_000));

async function serve(injectFault?: OpsSource['injectFault']): Promise<(body: string) => Promise<Response>> {
  const source: OpsSource = { notReady: () => [], metrics: () => Promise.reject(new Error('not asked')), injectFault };
  server = await startOpsServer({ host: '127.0.0.1', port: 0, requestIdPrefix: 'ops' }, { source, clock: systemClock, timers: systemTimers, log: nullLog });
  return (body) => fetch(`http://127.0.0.1:${server.port}/fault`, { method: 'POST', body });
}

describe('POST /fault', () => {
  test('is not there in an engine without fault injection', async () => {
    const post = await serve();
    expect((await post('{"thread":"shard-0","fault":"throw"}')).status).toBe(404);
  });

  test('hands on a fault of a thread and a move of the clock, and nothing else', async () => {
    const taken: unknown[] = [];
    const post = await serve(async (request) => void taken.push(request));
    expect((await post('{"thread":"shard-0","fault":"spin"}')).status).toBe(202);
    expect((await post('{"clockOffsetMs":-60000}')).status).toBe(202);
    for (const body of ['', 'x', '{}', '{"thread":"shard-0"}', '{"thread":"shard-0","fault":"burn"}', '{"clockOffsetMs":1e9}', `"${'x'.repeat(5_000)}"`]) expect((await post(body)).status, body).toBe(400);
    expect(taken).toEqual([{ thread: 'shard-0', fault: 'spin' }, { clockOffsetMs: -60_000 }]);
  });

  test('asks to try again while the thread is away', async () => {
    const post = await serve(() => Promise.reject(new OperationalError('no_such_thread', 'no thread shard-0 runs now', { retryable: true })));
    expect((await post('{"thread":"shard-0","fault":"exit"}')).status).toBe(503);
  });
});

describe('fault injection', () => {
  test('moves the clocks of the main thread, of threads that run and of threads that start', async () => {
    await serve();
    const calls: unknown[] = [];
    const thread = { call: async (...call: unknown[]) => void calls.push(call) } as unknown as WorkerThread<object>;
    const injection = new FaultInjection(new Map([['shard-0', thread]]), 100);
    await injection.inject({ clockOffsetMs: 600_000 });
    expect(injection.clock.now()).toBeGreaterThan(Date.now() + 590_000);
    expect(injection.boot()).toEqual({ clockOffsetMs: 600_000 });
    await injection.inject({ thread: 'shard-0', fault: 'throw' });
    expect(calls).toEqual([['setClockOffset', [600_000], 100], ['injectFault', ['throw'], 100]]);
    await expect(injection.inject({ thread: 'shard-9', fault: 'throw' })).rejects.toMatchObject({ code: 'no_such_thread' });
  });
});
