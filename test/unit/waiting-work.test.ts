import { expect, test } from 'vitest';
import type { ThreadSnapshot } from '../../src/engine/engine-metrics.ts';
import { waitingWork } from '../../src/engine/waiting-work.ts';
import { MailboxMetrics } from '../../src/runtime/mailbox-metrics.ts';

function mailbox(accepted: number, answered: number): ReturnType<MailboxMetrics['snapshot']> {
  const metrics = new MailboxMetrics();
  for (let i = 0; i < accepted; i++) metrics.enqueued();
  for (let i = 0; i < answered; i++) metrics.finished(1);
  return metrics.snapshot();
}

/** Of a snapshot only what is looked at. */
const snapshot = (parts: object): ThreadSnapshot => ({ epoch: 1, stats: null, mailboxes: {}, ...parts }) as unknown as ThreadSnapshot;

test('of all parts what waits, by the kind of work, and of mailboxes the most there was and what was refused', () => {
  const shards = [{ queuedReadings: 700, queuedBytes: 1, up: true }, { queuedReadings: 50, queuedBytes: 1, up: false }];
  const work = waitingWork(
    [
      snapshot({ kind: 'ingest', thread: 'ingest-0', actor: { requestsPending: 9, shards, batches: { inFlight: 2 } } }),
      snapshot({ kind: 'shard', thread: 'shard-0', consumptionLagRecords: 4, mailboxes: { 'shard-0.append': mailbox(5, 3), 'shard-0.query': mailbox(1, 1) } }),
      snapshot({ kind: 'sinks', thread: 'sinks', sinks: [{ sink: 'kafka', shards: [{ batchesHeld: 2 }, { batchesHeld: 1 }] }] }),
      snapshot({ kind: 'alerts', thread: 'alerts', notifications: { open: 6 }, mailboxes: { alerts: mailbox(3, 0), 'alerts.effects': mailbox(1, 0) } }),
      snapshot({ kind: 'billing', thread: 'billing', mailboxes: { billing: mailbox(2, 2) } }),
    ],
    { region: mailbox(1, 0) },
  );
  expect(work.map(({ part, work: what, waiting, waitingMax }) => [part, what, waiting, waitingMax])).toEqual([
    ['ingest-0', 'requests', 9, null],
    ['ingest-0', 'readings', 750, null],
    ['ingest-0', 'batches', 2, null],
    ['shard-0', 'records', 4, null],
    ['shard-0', 'appends', 2, 5],
    ['shard-0', 'questions', 0, 1],
    ['kafka', 'batches', 3, null],
    ['notifications', 'deliveries', 6, null],
    ['alerts', 'messages', 3, 3],
    ['alerts', 'effects', 1, 1],
    ['billing', 'messages', 0, 2],
    ['region', 'messages', 1, 1],
  ]);
  expect(work.find(({ part, work: what }) => part === 'shard-0' && what === 'appends')!.refused).toBe(0);
});
