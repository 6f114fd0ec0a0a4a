import type { ChannelName } from '../../model/contact.ts';
import { addReceipt, channelOf, finish, isFinished, leaveMessage, type DeliveryRecord } from './deliveries.ts';
import { isDueBefore, isMoreUrgent, OpenDelivery, TicketHeap } from './delivery-queue.ts';
import type { DeliveryStore } from './delivery-store.ts';
import { perChannel, type NotificationFigures } from './notification-figures.ts';
import { inOrderOfMaking, OpenDeliveries } from './open-deliveries.ts';
import type { OwnCode } from './routing.ts';

/** Deliveries from when they are made to when they end: which are open, which of them are due, and what has changed since the last flush. Times are epoch milliseconds. */
export class DeliveryBook {
  readonly open = new OpenDeliveries();
  /** By what became of them. */
  readonly totals: NotificationFigures['deliveries'] = { made: 0, sent: 0, failed: 0, suppressed: 0 };
  private readonly store: DeliveryStore;
  private readonly due = new TicketHeap(isDueBefore);
  private readonly ready = perChannel(() => new TicketHeap(isMoreUrgent));
  private readonly changed = new Set<DeliveryRecord>();
  private readonly made = new Set<DeliveryRecord>();

  constructor(store: DeliveryStore) {
    this.store = store;
  }

  /** When the next one is due; Infinity: none waits for a time. */
  nextDueMs(): number {
    return this.due.peek()?.record.dueAt ?? Infinity;
  }

  /** The clock was set by so much. */
  clockMoved(byMs: number): void {
    this.due.clockMoved(byMs);
  }

  /** What is due waits for a place on its channel from now on. */
  readyDue(nowMs: number): void {
    for (let open = this.due.peek(); open !== undefined && open.record.dueAt! <= nowMs; open = this.due.peek()) {
      this.due.pop();
      this.makeReady(open);
    }
  }

  /** The most urgent one that waits for a place on the channel. */
  takeReady(channel: ChannelName): OpenDelivery | undefined {
    return this.ready[channel].pop();
  }

  /** Queues what changed since the last call in the store; those deliveries. */
  flush(): DeliveryRecord[] {
    const changed = [...this.changed];
    for (const record of changed) this.store.put(record, this.made.has(record));
    this.changed.clear();
    this.made.clear();
    return changed;
  }

  /** Open ones that wait for their turn or time, by channel, and when the oldest of those with a time was due, at the latest `nowMs`. */
  waiting(nowMs: number): { byChannel: Record<ChannelName, number>; oldestDueAt: number } {
    const byChannel = perChannel(() => 0);
    let oldestDueAt = nowMs;
    for (const open of this.open.all()) {
      const channel = channelOf(open.record);
      if (channel !== null && !open.isUnderWay) byChannel[channel]++;
      if (open.record.dueAt !== null) oldestDueAt = Math.min(oldestDueAt, open.record.dueAt);
    }
    return { byChannel, oldestDueAt };
  }

  /** A delivery that was made just now. */
  admit(record: DeliveryRecord): OpenDelivery {
    const open = new OpenDelivery(record);
    this.totals.made++;
    this.made.add(record);
    this.changed.add(record);
    if (isFinished(record)) this.count(record);
    else this.open.add(open);
    return open;
  }

  /** Its record is another than the store's. */
  touch({ record }: OpenDelivery): void {
    this.changed.add(record);
  }

  note(members: readonly OpenDelivery[], step: Parameters<typeof addReceipt>[1], code: OwnCode | string | null, text: string, nowMs: number): void {
    for (const { record } of members) {
      addReceipt(record, step, code, text, nowMs);
      this.changed.add(record);
    }
  }

  markTold({ reason, group, contactId }: DeliveryRecord, nowMs: number): void {
    if (reason !== 'resolved' && reason !== 'test') this.store.markTold(group, contactId, nowMs);
  }

  schedule(open: OpenDelivery): void {
    if (this.open.message(open)[0] === open) this.due.push(open);
    else open.leave();
  }

  scheduleOrReplace(open: OpenDelivery, nowMs: number): void {
    const newer = this.isReplaceable(open) ? this.newerThan(open) : undefined;
    if (newer === undefined) this.schedule(open);
    else this.replace(open, newer.record.noticeId, nowMs);
  }

  makeReady(open: OpenDelivery): void {
    this.ready[channelOf(open.record)!].push(open);
  }

  /** Nothing of it is under way, and no message that may have gone has it beside others. */
  isReplaceable(open: OpenDelivery): boolean {
    return !open.isUnderWay && this.open.message(open).length === 1;
  }

  replace(open: OpenDelivery, noticeId: string, nowMs: number): void {
    this.end(open, 'suppressed', 'replaced', `A newer notice takes its place: ${noticeId}.`, nowMs);
  }

  /** The message is no more; what was in it goes on by itself. */
  dissolve(members: OpenDelivery[]): void {
    for (const { record } of members) {
      if (record.messageId !== null) this.open.forgetMessage(record.messageId);
      leaveMessage(record);
    }
  }

  end(open: OpenDelivery, state: 'failed' | 'suppressed', code: OwnCode | string | null, text: string, nowMs: number): void {
    addReceipt(open.record, state, code, text, nowMs);
    this.settle(open, state, nowMs);
  }

  settle(open: OpenDelivery, state: 'sent' | 'failed' | 'suppressed', nowMs: number): void {
    const { record } = open;
    if (record.messageId !== null) this.open.forgetMessage(record.messageId);
    finish(record, state, nowMs);
    open.leave();
    this.open.remove(open);
    this.changed.add(record);
    this.count(record);
  }

  /** A later one of the same group for the same person. */
  newerThan(open: OpenDelivery): OpenDelivery | undefined {
    return this.open.ofBoth(open.record.group, open.record.contactId).find((other) => other !== open && inOrderOfMaking(other, open) > 0);
  }

  private count({ state }: DeliveryRecord): void {
    if (state === 'sent' || state === 'failed' || state === 'suppressed') this.totals[state]++;
  }
}
