import type { Severity } from './anomaly.ts';

/** Who is told, and how. Times are epoch milliseconds; local times are `HH:MM` in the zone named beside them. */

export const CHANNEL_NAMES = ['email', 'sms', 'push', 'webhook', 'live'] as const;
export type ChannelName = (typeof CHANNEL_NAMES)[number];

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** From `from` to `to` on these days (all when empty); over midnight where `to` is not after `from`, and the day is then that of its beginning. */
export interface LocalSpan {
  days: Weekday[];
  from: string;
  to: string;
}

export interface Contact {
  id: string;
  version: number;
  name: string;
  /** IANA, as `Europe/Berlin`. */
  zone: string;
  /** BCP 47, as `de-CH`; times and numbers are written its way. */
  locale: string;
  addresses: {
    email: string | null;
    /** E.164, as `+41791234567`. */
    sms: string | null;
    /** Registration tokens of FCM; one that is unregistered is taken out. */
    push: string[];
    /** The secret is Standard Webhooks' `whsec_…`; replies of the API say only whether there is one. */
    webhook: { url: string; secret: string } | null;
  };
  preferences: Preferences;
  /** Channels that the person, or a provider in their name, has stopped, and since when. */
  unsubscribed: Partial<Record<ChannelName, number>>;
  createdAt: number;
  changedAt: number;
}

export interface Preferences {
  /** Tried in this order until one takes the message, by severity; empty: none at all. */
  channels: Record<Severity, ChannelName[]>;
  /** Of what is for subscribers: not below this, and of these regions (patterns; empty: all). */
  subscription: { severityMin: Severity; regions: string[] } | null;
  /** Nothing below `exceptFrom` is sent in these hours; it goes when they end, together. */
  quietHours: { spans: LocalSpan[]; exceptFrom: Severity } | null;
  /** What is not above `severityMax` is gathered and goes as one message so often. */
  digest: { severityMax: Severity; everyMs: number } | null;
  /** Messages in an hour on any one channel; past it they are gathered. CRITICAL ones count and go. */
  perHourMax: number;
}

/** A schedule of who is on call. */
export interface Schedule {
  id: string;
  version: number;
  name: string;
  /** IANA: the zone of its local times. */
  zone: string;
  /** A later layer stands in front of an earlier one where it has somebody. */
  layers: ScheduleLayer[];
  overrides: ScheduleOverride[];
  createdAt: number;
  changedAt: number;
}

export interface ScheduleLayer {
  name: string;
  /** Contacts, in turn. */
  people: string[];
  /** Local date of the first handoff, `YYYY-MM-DD`; nobody is on call before. */
  startsOn: string;
  /** Local time of the handoff. */
  handoffAt: string;
  /** A turn, in local days: a day with a clock change is 23 or 25 hours long. */
  turnDays: number;
  /** On call only then; at any time when empty. */
  restrictions: LocalSpan[];
}

/** Somebody stands in: before every layer. */
export interface ScheduleOverride {
  id: string;
  contactId: string;
  from: number;
  to: number;
  by: string;
  why: string;
}
