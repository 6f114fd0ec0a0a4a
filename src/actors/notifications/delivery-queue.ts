import { SEVERITIES } from '../../model/anomaly.ts';
import type { DeliveryRecord } from './deliveries.ts';

/** A delivery in memory until it is finished. */
export class OpenDelivery {
  readonly record: DeliveryRecord;
  /** Under way: nothing takes it out of its message. */
  isUnderWay = false;
  /** A queue's entry with another number is an old one: the delivery has moved since. */
  private place = 0;

  constructor(record: DeliveryRecord) {
    this.record = record;
  }

  /** Leaves whatever queue it is in. */
  leave(): void {
    this.place++;
  }

  /** For a queue to put it in. */
  ticket(): Ticket {
    return { open: this, place: ++this.place, dueAt: this.record.dueAt ?? 0 };
  }

  holds(place: number): boolean {
    return this.place === place;
  }
}

/** A place in a queue. A delivery is in one queue at most: its newest ticket counts. */
export interface Ticket {
  open: OpenDelivery;
  place: number;
  /** When it was given: a queue's order must not change under it. */
  dueAt: number;
}

/** A heap whose tickets of deliveries that have left are skipped. */
export class TicketHeap {
  private readonly tickets: Ticket[] = [];
  private readonly isBefore: (a: Ticket, b: Ticket) => boolean;

  constructor(isBefore: (a: Ticket, b: Ticket) => boolean) {
    this.isBefore = isBefore;
  }

  push(open: OpenDelivery): void {
    const { tickets } = this;
    tickets.push(open.ticket());
    let i = tickets.length - 1;
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (!this.isBefore(tickets[i], tickets[parent])) break;
      [tickets[i], tickets[parent]] = [tickets[parent], tickets[i]];
      i = parent;
    }
  }

  peek(): OpenDelivery | undefined {
    while (this.tickets.length > 0 && !this.tickets[0].open.holds(this.tickets[0].place)) this.removeFirst();
    return this.tickets[0]?.open;
  }

  pop(): OpenDelivery | undefined {
    const first = this.peek();
    if (first !== undefined) {
      this.removeFirst();
      first.leave();
    }
    return first;
  }

  /** The clock was set by so much: all are due as long after as before. */
  clockMoved(byMs: number): void {
    for (const ticket of this.tickets) {
      ticket.dueAt += byMs;
      if (ticket.open.holds(ticket.place)) ticket.open.record.dueAt = ticket.dueAt;
    }
  }

  private removeFirst(): void {
    const { tickets } = this;
    const last = tickets.pop()!;
    if (tickets.length === 0) return;
    tickets[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < tickets.length && this.isBefore(tickets[child], tickets[least])) least = child;
      }
      if (least === i) return;
      [tickets[i], tickets[least]] = [tickets[least], tickets[i]];
      i = least;
    }
  }
}

/** Deliveries that wait for something of one name to end or to come back, first come first served. */
export class Waiters<Name extends string> {
  private readonly lists = new Map<Name, Ticket[]>();

  add(name: Name, open: OpenDelivery): void {
    const list = this.lists.get(name);
    if (list === undefined) this.lists.set(name, [open.ticket()]);
    else list.push(open.ticket());
  }

  /** Takes up to `max` out. */
  take(name: Name, max = Infinity): OpenDelivery[] {
    const list = this.lists.get(name);
    if (list === undefined) return [];
    const taken: OpenDelivery[] = [];
    let i = 0;
    for (; i < list.length && taken.length < max; i++) {
      const { open, place } = list[i];
      if (!open.holds(place)) continue;
      open.leave();
      taken.push(open);
    }
    if (i === list.length) this.lists.delete(name);
    else this.lists.set(name, list.slice(i));
    return taken;
  }

  has(name: Name): boolean {
    const list = this.lists.get(name);
    if (list === undefined) return false;
    if (list.some(({ open, place }) => open.holds(place))) return true;
    this.lists.delete(name);
    return false;
  }

  names(): Name[] {
    return [...this.lists.keys()];
  }
}

/** By when it is due. */
export function isDueBefore(a: Ticket, b: Ticket): boolean {
  return a.dueAt < b.dueAt;
}

/** Of what is due: the worst first, then the oldest. */
export function isMoreUrgent({ open: { record: a } }: Ticket, { open: { record: b } }: Ticket): boolean {
  if (a.severity !== b.severity) return SEVERITIES.indexOf(a.severity) > SEVERITIES.indexOf(b.severity);
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt;
  return a.id < b.id;
}

