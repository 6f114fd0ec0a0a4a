import type { Alert, AlertState, AlertType } from './alert.ts';
import type { Severity } from './anomaly.ts';
import type { ChannelName } from './contact.ts';

/** What the alerts supervisor wants people to know, and what became of it. Times are epoch milliseconds. */

/** `test`: asked for by a person, of no alert. */
export type NoticeReason = 'new' | 'changed' | 'repeated' | 'escalated' | 'resolved' | 'test';

/** Of an alert what a message says. */
export interface NoticeAlert {
  id: string;
  type: AlertType;
  severity: Severity;
  state: AlertState;
  title: string;
  description: string;
  region: string | null;
  meterId: string | null;
  affectedMeters: number;
  startedAt: number;
  resolvedAt: number | null;
  /** What another language's title is made of; without them a message says the title as it is. */
  facts?: Pick<Alert, 'kind' | 'component' | 'value' | 'threshold' | 'unit'>;
}

/** Most alerts that a message names; the rest are counted. */
export const NOTICE_ALERTS_MAX = 20;
/** Alerts of one notice of which it is known afterwards that it told of them, the first in the group, beside those it names: a hundred thousand would hold the thread for seconds. */
export const NOTICE_MEMBERS_MAX = 1_000;

/** One thing to tell some people. */
export interface Notice {
  /** `group key/number`, the number rising within the group: the same notice has the same id after every restart. */
  id: string;
  at: number;
  reason: NoticeReason;
  /** Its messages replace older ones of the same key on a phone. */
  group: string;
  /** Of the worst alert that is not resolved; of the worst when all are. */
  severity: Severity;
  regions: string[];
  /** Worst first, NOTICE_ALERTS_MAX at most. */
  alerts: NoticeAlert[];
  /** Ids of those of the first NOTICE_MEMBERS_MAX that it does not name; absent where it names all. */
  others?: string[];
  /** All of them, of which so many are resolved. */
  alertCount: number;
  resolvedCount: number;
  /** 0 for who is told first. */
  level: number;
  /** Contacts who are to be told, whoever else subscribed. */
  recipients: string[];
  /** Told as well: every contact whose preferences ask for alerts of this severity and these regions. */
  subscribers: boolean;
}

export const DELIVERY_STATES = ['waiting', 'digest', 'sending', 'sent', 'failed', 'suppressed'] as const;
/**
 * `waiting`: for its time or its turn. `digest`: to go with others. `sending`: handed to a provider, whose answer is not known; after a crash that is all anybody knows. `failed`: no channel is left.
 * `suppressed`: the person does not want it, or has had enough.
 */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One notice to one person. */
export interface Delivery {
  /** `notice id/contact id`. */
  id: string;
  noticeId: string;
  group: string;
  contactId: string;
  severity: Severity;
  reason: NoticeReason;
  state: DeliveryState;
  /** To be tried in this order, and where it is in it. */
  channels: ChannelName[];
  position: number;
  /** On the present channel. */
  attempts: number;
  createdAt: number;
  changedAt: number;
  /** Not before; null when nothing more will be done. */
  dueAt: number | null;
  receipts: Receipt[];
}

/** A step of a delivery. */
export interface Receipt {
  at: number;
  channel: ChannelName | null;
  step: 'queued' | 'held' | 'attempt' | 'accepted' | 'rejected' | 'retry' | 'unknown' | 'failover' | 'suppressed' | 'failed';
  /** The provider's own, as `21610` or `UNREGISTERED`; null where there is none. */
  code: string | null;
  /** One sentence. */
  text: string;
  /** What the provider calls the message. */
  providerId: string | null;
}

export interface DeliveryListQuery {
  contactId: string | null;
  alertId: string | null;
  channel: ChannelName | null;
  state: DeliveryState | null;
  from: number;
  to: number;
  limit: number;
  cursor: string | null;
}
