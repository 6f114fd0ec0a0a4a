import type { Contact } from '../../model/contact.ts';
import type { Channel } from './channels/channel.ts';
import type { Slot } from './channel-slots.ts';
import type { OpenDelivery } from './delivery-queue.ts';
import type { OwnCode } from './routing.ts';

/** Code of an outcome that says nothing about the provider: the message could not be made. */
export const NOT_RENDERED = 'render_failed' satisfies OwnCode;

/** A message that is to be handed to its channel, or asked for. */
export interface Attempt extends Slot {
  kind: 'send' | 'lookup';
  messageId: string;
  contact: Contact;
  /** Told of in it, oldest first. */
  members: OpenDelivery[];
  isProbe: boolean;
  isTest: boolean;
  /** When it was counted against the person's limit; null: it was not. */
  ratedAt: number | null;
  /** Begin of the message's first attempt. */
  sinceMs: number;
}

export type LookupAnswer = Awaited<ReturnType<NonNullable<Channel['lookup']>>>;
