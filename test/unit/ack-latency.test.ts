import { describe, expect, test } from 'vitest';
import { ACK_BUCKETS_MS } from '../../src/actors/ingest/ingest-stats.ts';
import { AckLatency } from '../../src/engine/ack-latency.ts';

const buckets = (counts: Record<number, number>): number[] => [...ACK_BUCKETS_MS, Infinity].map((bound) => counts[bound] ?? 0);

describe('the ack latency of the last minute', () => {
  test('is unknown without answers', () => {
    const latency = new AckLatency();
    expect(latency.p99Ms()).toBeNull();
    latency.add(buckets({}));
    expect(latency.p99Ms()).toBeNull();
  });

  test('lies where the 99th of a hundred lies', () => {
    const latency = new AckLatency();
    latency.add(buckets({}));
    latency.add(buckets({ 1: 98, 10: 2 }));
    const p99 = latency.p99Ms()!;
    expect(p99).toBeGreaterThan(8);
    expect(p99).toBeLessThanOrEqual(10);
  });

  test('forgets what is older than a minute', () => {
    const latency = new AckLatency();
    latency.add(buckets({ 250: 1_000 }));
    for (let second = 1; second <= 60; second++) latency.add(buckets({ 250: 1_000, 1: second * 10 }));
    expect(latency.p99Ms()!).toBeLessThanOrEqual(1);
  });

  test('survives counts that fell because a thread was restarted', () => {
    const latency = new AckLatency();
    latency.add(buckets({ 2: 500 }));
    latency.add(buckets({ 2: 40 }));
    expect(latency.p99Ms()!).toBeLessThanOrEqual(2);
  });
});
