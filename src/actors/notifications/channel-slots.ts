import type { ChannelName, Contact } from '../../model/contact.ts';
import { perChannel } from './notification-figures.ts';

/** How many messages are under way side by side, so that nobody's slow server holds up another's messages. */

/** At once by channel. E-mail: a pool of connections. SMS and push: what one account may send without being told to slow down. Webhooks and the live stream: cheap, and mostly waiting. */
export const SLOTS: Readonly<Record<ChannelName, number>> = { email: 8, sms: 8, push: 16, webhook: 32, live: 64 };
/** To one webhook server: it is somebody's own, and one that hangs must leave room for the others. */
const WEBHOOK_SERVER_SLOTS = 4;
/** Share of a channel's slots for servers that failed last: they may hang again, and the others shall not wait for it. */
const SUSPECT_SHARE = 0.5;

/** What answers or is in trouble as one: a provider, or of webhooks the receiver's server. */
export type Destination = string;

export function destinationOf(channel: ChannelName, contact: Contact): Destination {
  const url = channel === 'webhook' ? contact.addresses.webhook?.url : undefined;
  return url !== undefined && URL.canParse(url) ? `webhook ${new URL(url).origin}` : channel;
}

export interface Slot {
  channel: ChannelName;
  destination: Destination;
  isSuspect: boolean;
  contactId: string;
}

export class ChannelSlots {
  private readonly used = perChannel(() => 0);
  private readonly usedBySuspects = perChannel(() => 0);
  private readonly usedByDestination = new Map<Destination, number>();
  /** By person and channel. */
  private readonly busy = new Map<string, number>();

  hasRoom(channel: ChannelName): boolean {
    return this.used[channel] < SLOTS[channel];
  }

  underWay(channel: ChannelName): number {
    return this.used[channel];
  }

  /** One message at a time to a person on a channel: none overtakes another. */
  isBusy(contactId: string, channel: ChannelName): boolean {
    return this.busy.has(`${contactId}/${channel}`);
  }

  /** Whether this server has as many as it may, though the channel has room. */
  isCrowded({ channel, destination, isSuspect }: Omit<Slot, 'contactId'>): boolean {
    if (isSuspect && this.usedBySuspects[channel] >= Math.ceil(SLOTS[channel] * SUSPECT_SHARE)) return true;
    return channel === 'webhook' && (this.usedByDestination.get(destination) ?? 0) >= WEBHOOK_SERVER_SLOTS;
  }

  take({ channel, destination, isSuspect, contactId }: Slot): void {
    this.used[channel]++;
    if (isSuspect) this.usedBySuspects[channel]++;
    addTo(this.usedByDestination, destination, 1);
    addTo(this.busy, `${contactId}/${channel}`, 1);
  }

  free({ channel, destination, isSuspect, contactId }: Slot): void {
    this.used[channel]--;
    if (isSuspect) this.usedBySuspects[channel]--;
    addTo(this.usedByDestination, destination, -1);
    addTo(this.busy, `${contactId}/${channel}`, -1);
  }
}

function addTo(counts: Map<string, number>, name: string, by: number): void {
  const count = (counts.get(name) ?? 0) + by;
  if (count > 0) counts.set(name, count);
  else counts.delete(name);
}
