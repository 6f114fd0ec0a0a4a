import { describe, expect, it } from 'vitest';
import { MAILBOX_BUCKETS_MS, MailboxMetrics } from '../../src/runtime/mailbox-metrics.ts';

describe('the metrics of a mailbox', () => {
  it('count depth, its highest, what was handled, failed and refused', () => {
    const metrics = new MailboxMetrics();
    metrics.enqueued();
    metrics.enqueued();
    metrics.enqueued();
    metrics.finished(1);
    metrics.finishedFailed(1);
    metrics.turnedAway();
    expect(metrics.snapshot()).toMatchObject({ depth: 1, depthMax: 3, handled: 1, failed: 1, refused: 1 });
  });

  it('put each time into the bucket whose bound it does not pass', () => {
    const metrics = new MailboxMetrics();
    for (const waitMs of [0, 0.25, 0.26, 10, 10_000, 10_001]) metrics.started(waitMs);
    const { buckets, sumMs, maxMs } = metrics.snapshot().wait;
    expect(buckets).toHaveLength(MAILBOX_BUCKETS_MS.length + 1);
    expect(buckets[0]).toBe(2);
    expect(buckets[1]).toBe(1);
    expect(buckets[MAILBOX_BUCKETS_MS.indexOf(10)]).toBe(1);
    expect(buckets[MAILBOX_BUCKETS_MS.length - 1]).toBe(1);
    expect(buckets[MAILBOX_BUCKETS_MS.length]).toBe(1);
    expect(sumMs).toBeCloseTo(20_011.51);
    expect(maxMs).toBe(10_001);
  });

  it('take a message that seems to arrive before it was sent as one that did not wait', () => {
    const metrics = new MailboxMetrics();
    metrics.started(-0.5);
    expect(metrics.snapshot().wait).toMatchObject({ sumMs: 0, maxMs: 0 });
    expect(metrics.snapshot().wait.buckets[0]).toBe(1);
  });

  it('give snapshots that later counting does not change and that can cross threads', () => {
    const metrics = new MailboxMetrics();
    const before = metrics.snapshot();
    metrics.enqueued();
    metrics.started(1);
    expect(before.depth).toBe(0);
    expect(before.wait.buckets.every((count) => count === 0)).toBe(true);
    expect(structuredClone(metrics.snapshot())).toEqual(metrics.snapshot());
  });
});
