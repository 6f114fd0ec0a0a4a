import { describe, expect, it } from 'vitest';
import { StorageTrouble } from '../../src/actors/shard/storage-trouble.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import type { TraceFields } from '../../src/runtime/log-trace.ts';
import { RecordedTracing, traceparentOf } from '../support/recorded-tracing.ts';
import { ShardHarness } from '../support/shard-harness.ts';

const AT = Date.UTC(2026, 0, 5);
const FULL = new OperationalError('storage_full', 'the disk is full', { retryable: true });

function trouble() {
  const lines: Record<string, unknown>[] = [];
  let nowMs = 0;
  const log = { error: (fields: Record<string, unknown>, message: string) => lines.push({ atMs: nowMs, ...fields, message }) } as unknown as Log;
  const storage = new StorageTrouble({ clock: { now: () => nowMs, monotonic: () => nowMs }, log });
  return { storage, lines, wait: (ms: number) => (nowMs += ms) };
}

describe('a disk without room', () => {
  it('is told once with its error, then once a minute with how often it failed', () => {
    const { storage, lines, wait } = trouble();
    for (let second = 0; second < 150; second++) {
      storage.failed('log', FULL);
      wait(1_000);
    }
    const message = 'the log could not be written; readings are refused until it can';
    expect(lines).toEqual([
      { atMs: 0, err: FULL, message },
      { atMs: 60_000, code: 'storage_full', attempts: 60, message },
      { atMs: 120_000, code: 'storage_full', attempts: 60, message },
    ]);
  });

  it('is told no more often when something fits now and then, and tells the log from a checkpoint', () => {
    const { storage, lines, wait } = trouble();
    for (let second = 0; second < 59; second++) {
      storage.failed('log', FULL);
      storage.wrote('log');
      storage.failed('tables', FULL);
      wait(1_000);
    }
    expect(lines.map(({ message }) => String(message).split(' could')[0])).toEqual(['the log', 'a checkpoint']);
  });

  it.each([
    ['log', 'shard batch'],
    ['tables', 'checkpoint step'],
  ] as const)('is told with the trace of what was to be written, where that is traced (%s)', async (part, name) => {
    for (const tracing of [new RecordedTracing(), null]) {
      const shard = new ShardHarness({ startMs: AT, tracing, stepMs: 1 });
      await shard.start();
      const failsNext = (): void => shard.disk.failNext('storage_full', 1);
      if (part === 'log') failsNext();
      shard.send([{ meterId: 'm', region: 'r', timestamp: AT, powerKw: 1 }], { traceparent: traceparentOf(1), parts: [{ traceparent: traceparentOf(1), from: 0, count: 1 }] });
      if (part === 'tables') {
        await shard.advance(1);
        failsNext();
      }
      await shard.advance(3_000);
      const failed = tracing?.spans.filter((span) => span.name === name && span.error !== undefined) ?? [];
      expect(failed).toHaveLength(tracing === null ? 0 : 1);
      expect(shard.errors).toHaveLength(1);
      const { traceId, spanId } = shard.errors[0] as TraceFields;
      expect([traceId, spanId]).toEqual(tracing === null ? [undefined, undefined] : failed[0].traceparent.split('-').slice(1, 3));
    }
  });

  it('refuses until what failed was written', () => {
    const { storage, wait } = trouble();
    expect([storage.isRefusing, storage.isBlocked]).toEqual([false, false]);
    storage.failed('tables', FULL);
    storage.failed('log', FULL);
    expect([storage.isRefusing, storage.isBlocked]).toEqual([true, true]);
    wait(1_000);
    expect([storage.isRefusing, storage.isBlocked]).toEqual([true, false]);
    storage.wrote('log');
    expect(storage.isRefusing).toBe(true);
    storage.wrote('tables');
    expect(storage.isRefusing).toBe(false);
  });

  it('shows in the figures of its shard, and no longer once a picture went to the log, though no reading came', async () => {
    const shard = new ShardHarness({ startMs: AT });
    await shard.start();
    expect(shard.actor.figures().storageRefuses).toBe(false);
    shard.disk.failNext('storage_full', 1);
    shard.send([{ meterId: 'm', region: 'r', timestamp: AT, powerKw: 1 }]);
    await shard.drain();
    await shard.advance(3_000);
    expect(shard.actor.figures().storageRefuses).toBe(true);
    shard.actor.setPicture({ kind: 'regionPicture', regions: [] });
    await shard.advance(100);
    expect(shard.actor.figures().storageRefuses).toBe(false);
  });
});
