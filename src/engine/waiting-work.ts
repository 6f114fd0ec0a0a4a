import type { WaitingWork } from '../http/engine-port.ts';
import type { MailboxSnapshot } from '../runtime/mailbox-metrics.ts';
import type { ThreadSnapshot } from './engine-metrics.ts';

/** What waits in the engine's parts, by thread: of each queue that has a bound, as the threads said it when they were last asked. */

/** Of mailboxes by the end of their name; others are an actor's own. */
const WORK_OF_MAILBOX: Readonly<Record<string, WaitingWork['work']>> = { append: 'appends', query: 'questions', effects: 'effects', partitions: 'questions' };

export function waitingWork(snapshots: readonly ThreadSnapshot[], main: Readonly<Record<string, MailboxSnapshot>>): WaitingWork[] {
  return [...snapshots.flatMap((snapshot) => [...ownWork(snapshot), ...mailboxWork(snapshot.mailboxes)]), ...mailboxWork(main)];
}

function mailboxWork(mailboxes: Readonly<Record<string, MailboxSnapshot>>): WaitingWork[] {
  return Object.entries(mailboxes).map(([name, { depth, depthMax, refused }]) => {
    const [part, queue = ''] = name.split('.');
    return { part, work: WORK_OF_MAILBOX[queue] ?? 'messages', waiting: depth, waitingMax: depthMax, refused };
  });
}

function ownWork(snapshot: ThreadSnapshot): WaitingWork[] {
  const of = (part: string, work: WaitingWork['work'], waiting: number): WaitingWork => ({ part, work, waiting, waitingMax: null, refused: null });
  switch (snapshot.kind) {
    case 'ingest': {
      const { requestsPending, shards, batches } = snapshot.actor;
      return [of(snapshot.thread, 'requests', requestsPending), of(snapshot.thread, 'readings', shards.reduce((sum, { queuedReadings }) => sum + queuedReadings, 0)), of(snapshot.thread, 'batches', batches.inFlight)];
    }
    case 'shard':
      return [of(snapshot.thread, 'records', snapshot.consumptionLagRecords)];
    case 'sinks':
      return snapshot.sinks.map(({ sink, shards }) => of(sink, 'batches', shards.reduce((sum, { batchesHeld }) => sum + batchesHeld, 0)));
    case 'alerts':
      return [of('notifications', 'deliveries', snapshot.notifications.open)];
    default:
      return [];
  }
}
