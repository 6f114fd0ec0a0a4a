import type { OpenDelivery } from './delivery-queue.ts';

/** Deliveries that are not finished, by what they are looked for. */
export class OpenDeliveries {
  private readonly byContact = new Map<string, Set<OpenDelivery>>();
  private readonly byGroup = new Map<string, Set<OpenDelivery>>();
  /** Those of a message that went, or may have. */
  private readonly byMessage = new Map<string, OpenDelivery[]>();
  size = 0;

  add(open: OpenDelivery): void {
    this.size++;
    addTo(this.byContact, open.record.contactId, open);
    addTo(this.byGroup, open.record.group, open);
  }

  remove(open: OpenDelivery): void {
    this.size--;
    removeFrom(this.byContact, open.record.contactId, open);
    removeFrom(this.byGroup, open.record.group, open);
  }

  *all(): Generator<OpenDelivery> {
    for (const ofContact of this.byContact.values()) yield* ofContact;
  }

  ofContact(contactId: string): Iterable<OpenDelivery> {
    return this.byContact.get(contactId) ?? [];
  }

  ofGroup(group: string): Iterable<OpenDelivery> {
    return this.byGroup.get(group) ?? [];
  }

  /** Of one group for one person. */
  ofBoth(group: string, contactId: string): OpenDelivery[] {
    return [...this.ofContact(contactId)].filter(({ record }) => record.group === group);
  }

  /** What else is in its message; alone where it is in none. */
  message(open: OpenDelivery): OpenDelivery[] {
    return (open.record.messageId === null ? undefined : this.byMessage.get(open.record.messageId)) ?? [open];
  }

  /** In the order in which they are told of. */
  setMessage(id: string, members: OpenDelivery[]): void {
    this.byMessage.set(id, members);
  }

  forgetMessage(id: string): void {
    this.byMessage.delete(id);
  }
}

/** In a message the oldest comes first. */
export function inOrderOfMaking(a: OpenDelivery, b: OpenDelivery): number {
  return a.record.createdAt - b.record.createdAt || compareNotices(a.record.noticeId, b.record.noticeId);
}

/** `group/9` comes before `group/10`. */
function compareNotices(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function addTo(sets: Map<string, Set<OpenDelivery>>, name: string, open: OpenDelivery): void {
  const set = sets.get(name);
  if (set === undefined) sets.set(name, new Set([open]));
  else set.add(open);
}

function removeFrom(sets: Map<string, Set<OpenDelivery>>, name: string, open: OpenDelivery): void {
  const set = sets.get(name);
  set?.delete(open);
  if (set?.size === 0) sets.delete(name);
}
