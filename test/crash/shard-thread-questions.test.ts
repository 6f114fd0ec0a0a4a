import { MessageChannel } from 'node:worker_threads';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { AppendReply, AppendRequest, ShardAnswers, ShardQuery } from '../../src/actors/shard/protocol.ts';
import type { ShardThreadOptions } from '../../src/engine/shard-thread.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { Requester } from '../../src/runtime/request-channel.ts';
import { portTransport } from '../../src/runtime/transport.ts';
import { WorkerThread } from '../../src/runtime/worker-thread.ts';
import { appendOf } from '../support/packed-readings.ts';

const deps = { clock: systemClock, timers: systemTimers, log: nullLog };
const DEADLINE_MS = 20_000;
const MINUTES = 500;
/** Each takes a turn's share or more. */
const QUESTIONS = 60;
const FIRST_MS = Date.UTC(2026, 2, 1);

const options: Omit<ShardThreadOptions, 'directory'> = {
  shard: 0,
  shardCount: 1,
  partitionCount: 1,
  latenessMs: 0,
  correctionHorizonMs: 40 * 86_400_000,
  metersMax: 10,
  regionsMax: 10,
  nominalVoltage: 230,
  darkPowerKw: 0.005,
  checkpointIntervalMs: 30_000,
  journalBytesMax: 1e9,
  deadLettersMax: 100,
  anomaliesMax: 10_000,
  outbox: { consumers: [], bytesMax: 1e9 },
  keepMs: [Infinity, Infinity],
  rows: null,
  creditsMax: 2 * QUESTIONS,
};

describe('a shard\'s thread', () => {
  let thread: WorkerThread<object> | null = null;
  const directory = mkdtempSync(join(tmpdir(), 'seg-questions-'));
  afterEach(async () => {
    await thread?.terminate();
    rmSync(directory, { recursive: true, force: true });
  });

  function connect<Request, Answer>(purpose: string): Requester<Request, Answer> {
    const { port1, port2 } = new MessageChannel();
    thread!.connect(purpose, port2, {});
    return new Requester<Request, Answer>(portTransport(port1), { name: 'shard-0', creditsMax: 2 * QUESTIONS, bytesInFlightMax: Number.MAX_SAFE_INTEGER, epoch: 1 }, deps);
  }

  it('takes readings between questions that came all at once', async () => {
    thread = await WorkerThread.start(
      { name: 'shard-0', module: new URL('../../src/engine/shard-thread.ts', import.meta.url), options: { ...options, directory }, epoch: 1, readyTimeoutMs: DEADLINE_MS, heartbeatTimeoutMs: DEADLINE_MS },
      deps,
    );
    const ingest = connect<AppendRequest, AppendReply>('ingest');
    const gateway = connect<ShardQuery, ShardAnswers['meterWindows']>('gateway');
    const append = (from: number, count: number): Promise<AppendReply> => {
      const request = appendOf(Array.from({ length: count }, (_, i) => ({ meterId: 'm-1', region: 'r-1', timestamp: FIRST_MS + (from + i) * 60_000, powerKw: 1 })));
      return ingest.request(request, { deadlineMs: DEADLINE_MS, transfer: [request.buffer] });
    };
    expect((await append(0, MINUTES)).accepted).toBe(MINUTES);
    const query: ShardQuery = { kind: 'meterWindows', meterId: 'm-1', query: { granularity: '1m', from: 0, to: 1e13, limit: MINUTES, cursor: null } };
    const order: string[] = [];
    const asked = Array.from({ length: QUESTIONS }, () => gateway.request(query, { deadlineMs: DEADLINE_MS }).then((answer) => {
      order.push('question');
      return answer!.data.length;
    }));
    const appended = append(MINUTES, 1).then(() => order.push('reading'));
    await Promise.all([...asked, appended]);
    expect(await asked[0]).toBeGreaterThanOrEqual(MINUTES);
    // A port hands out all it has in one turn: without a share of it, every question would be answered first.
    expect(order.indexOf('reading')).toBeLessThan(QUESTIONS / 2);
  });
});
