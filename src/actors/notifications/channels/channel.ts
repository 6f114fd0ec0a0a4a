import type { Severity } from '../../../model/anomaly.ts';
import type { ChannelName, Contact } from '../../../model/contact.ts';
import type { NoticeReason } from '../../../model/notice.ts';

/** A way to reach people, behind its adapter: one file for each provider's protocol. */

/** A picture that goes with an e-mail. */
export interface MessagePicture {
  /** Names it inside the HTML, as `cid:…`. */
  cid: string;
  png: Uint8Array;
  /** For those who cannot see it. */
  text: string;
}

/** A message as templates made it, for one channel. */
export interface RenderedMessage {
  subject: string;
  /** Plain; for SMS and push all there is. */
  text: string;
  /** null where the channel has none. */
  html: string | null;
  pictures: MessagePicture[];
}

export interface OutgoingMessage extends RenderedMessage {
  /** The same for every attempt: of an e-mail its Message-ID, of a webhook its `webhook-id`. */
  deliveryId: string;
  /** On this channel, from 1. */
  attempt: number;
  /** A newer message of the same key replaces an older one. */
  collapseKey: string;
  severity: Severity;
  reason: NoticeReason;
  addresses: Contact['addresses'];
  contactId: string;
  /** Where the alert is shown; null when the engine does not know its own address. */
  link: string | null;
  /** One-click unsubscription (RFC 8058); null likewise. */
  unsubscribeLink: string | null;
  /** What a program reads: the notice as JSON, for webhooks and the live stream. */
  document: object;
}

export type SendOutcome =
  | { kind: 'accepted'; providerId: string | null; text: string; /** Of addresses that went wrong beside others that went well. */ removeAddresses?: string[] }
  /** Never, to this address: the next channel is tried. `removeAddresses` are no good any more; `unsubscribed`: the person stopped this channel at the provider. */
  | { kind: 'rejected'; code: string; text: string; removeAddresses?: string[]; unsubscribed?: boolean }
  /** It certainly did not go. `isProvider`: the provider is in trouble, not this message. */
  | { kind: 'retry'; code: string; text: string; retryAfterMs: number | null; isProvider: boolean }
  /** It may have gone. `retryAfterMs`: what the provider asked for before the next attempt, where it did. */
  | { kind: 'unknown'; code: string; text: string; retryAfterMs?: number | null };

export interface Channel {
  readonly name: ChannelName;
  /**
   * `safe`: sending the same message twice is seen once (the receiver knows it by its id, or a newer one takes its place). `lookup`: the provider can be asked whether it went. `blind`: nobody can know; such a
   * message is sent once more at most.
   */
  readonly repeats: 'safe' | 'lookup' | 'blind';
  /** Why this contact cannot be reached by it; null: it can. */
  unreachable(addresses: Contact['addresses']): string | null;
  /** Never rejects. Ends by itself within its own time limits, which are settings of the adapter. */
  send(message: OutgoingMessage): Promise<SendOutcome>;
  /** Of `lookup` channels: whether a message of this delivery went, since `sinceMs`. Never rejects. */
  lookup?(message: OutgoingMessage, sinceMs: number): Promise<{ kind: 'sent'; providerId: string } | { kind: 'not_sent' } | { kind: 'unknown'; text: string }>;
  close(): Promise<void>;
}
