import { SEVERITIES, type Severity } from '../../model/anomaly.ts';
import type { ChannelName, Contact } from '../../model/contact.ts';
import type { Notice, Receipt } from '../../model/notice.ts';
import { utcText } from '../../model/utc-text.ts';
import type { Channel } from './channels/channel.ts';

/** Which way a notice goes to a person: what they chose, and what can be used of it. */

/** What routing knows of a channel. */
export type ChannelTraits = Pick<Channel, 'name' | 'repeats' | 'unreachable'>;
export type ChannelSet = ReadonlyMap<ChannelName, ChannelTraits>;

/** Codes of receipts where the engine itself decided. */
export type OwnCode = 'preference' | 'unsubscribed' | 'channel_off' | 'no_address' | 'unknown_contact' | 'quiet_hours' | 'digest' | 'rate_limit' | 'circuit_open' | 'replaced' | 'not_told' | 'restart' | 'time_limit' | 'render_failed' | 'lookup';

/** Why a channel is of no use for a person. */
export interface ChannelFault {
  code: Extract<OwnCode, 'unsubscribed' | 'channel_off' | 'no_address'>;
  text: string;
}

export interface Routing {
  /** To be tried in this order; empty: no way is left. */
  channels: ChannelName[];
  /** Without a channel: whether the person does not want it, or cannot be reached. */
  end: 'suppressed' | 'failed' | null;
  receipts: Receipt[];
}

export function isAtLeast(severity: Severity, min: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(min);
}

/** null: it can be used. */
export function channelFault(name: ChannelName, contact: Contact, channels: ChannelSet): ChannelFault | null {
  const channel = channels.get(name);
  if (channel === undefined) return { code: 'channel_off', text: `The channel ${name} is not set up.` };
  const since = contact.unsubscribed[name];
  if (since !== undefined) return { code: 'unsubscribed', text: `${contact.name} has stopped ${name} on ${utcText(since)}.` };
  const why = channel.unreachable(contact.addresses);
  return why === null ? null : { code: 'no_address', text: why };
}

export function routeNotice(notice: Pick<Notice, 'severity' | 'reason' | 'level' | 'recipients'>, contact: Contact, channels: ChannelSet, nowMs: number): Routing {
  const wanted = contact.preferences.channels[notice.severity];
  const receipt = (step: Receipt['step'], channel: ChannelName | null, code: OwnCode | null, text: string): Receipt => ({ at: nowMs, channel, step, code, text, providerId: null });
  if (wanted.length === 0) {
    return { channels: [], end: 'suppressed', receipts: [receipt('suppressed', null, 'preference', `${contact.name} wants no messages of severity ${notice.severity}.`)] };
  }
  const usable: ChannelName[] = [];
  const receipts: Receipt[] = [];
  let stopped = 0;
  for (const name of new Set(wanted)) {
    const fault = channelFault(name, contact, channels);
    if (fault === null) usable.push(name);
    else receipts.push(receipt('suppressed', name, fault.code, fault.text));
    if (fault?.code === 'unsubscribed') stopped++;
  }
  if (usable.length > 0) {
    receipts.push(receipt('queued', usable[0], null, `${reasonText(notice, contact)} To go by ${usable.join(', then ')}.`));
    return { channels: usable, end: null, receipts };
  }
  const isStopped = stopped === receipts.length;
  receipts.push(
    isStopped
      ? receipt('suppressed', null, 'unsubscribed', `${contact.name} has stopped every channel chosen for severity ${notice.severity}.`)
      : receipt('failed', null, 'no_address', `No channel that ${contact.name} chose for severity ${notice.severity} can be used.`),
  );
  return { channels: [], end: isStopped ? 'suppressed' : 'failed', receipts };
}

function reasonText(notice: Pick<Notice, 'reason' | 'level' | 'recipients'>, contact: Contact): string {
  if (notice.reason === 'test') return 'A test was asked for.';
  if (notice.reason === 'resolved') return `${contact.name} had been told, and it is over.`;
  return notice.recipients.includes(contact.id) ? `${contact.name} is to be told (level ${notice.level}).` : `${contact.name} has subscribed to this.`;
}
