import type { Decision } from '../../model/alert.ts';
import type { Severity } from '../../model/anomaly.ts';
import type { ChannelName, Contact, Schedule, ScheduleOverride } from '../../model/contact.ts';
import type { Delivery, DeliveryListQuery } from '../../model/notice.ts';
import type { Page } from '../../model/queries.ts';
import type { RenderedMessage } from './channels/channel.ts';

/** Questions and commands about people and what they are told, and their answers. They fail with OperationalError: the codes stand beside. */

export type NewContact = Pick<Contact, 'name' | 'zone' | 'locale' | 'addresses' | 'preferences'>;
export type NewSchedule = Pick<Schedule, 'name' | 'zone' | 'layers'>;

export type NotificationQuestion =
  | { kind: 'contacts'; limit: number; cursor: string | null }
  | { kind: 'contact'; id: string }
  | { kind: 'makeContact'; contact: NewContact }
  /** `unknown_contact`, `stale_version`. What is null stays. */
  | { kind: 'changeContact'; id: string; version: number | null; change: Partial<NewContact> }
  /** `unknown_contact`, `stale_version`, `in_use` (a schedule names it). */
  | { kind: 'removeContact'; id: string; version: number | null }
  /** Turns a channel on that the person, or a provider in their name, has stopped; one that is on stays so. `unknown_contact`, `stale_version`. */
  | { kind: 'resumeChannel'; id: string; version: number | null; channel: ChannelName }
  /** Of a link in a message: what it is about, that its channel is stopped, that it is turned on again. `invalid_token`. */
  | { kind: 'subscription'; token: string }
  | { kind: 'unsubscribe'; token: string }
  | { kind: 'resubscribe'; token: string }
  | { kind: 'schedules'; limit: number; cursor: string | null }
  | { kind: 'schedule'; id: string }
  /** `unknown_contact`: a layer names somebody who is not there. */
  | { kind: 'makeSchedule'; schedule: NewSchedule }
  /** `unknown_schedule`, `stale_version`, `unknown_contact`. */
  | { kind: 'changeSchedule'; id: string; version: number | null; change: Partial<NewSchedule> }
  | { kind: 'removeSchedule'; id: string; version: number | null }
  | { kind: 'override'; scheduleId: string; version: number | null; override: Omit<ScheduleOverride, 'id'> }
  | { kind: 'removeOverride'; scheduleId: string; overrideId: string; version: number | null }
  /** Who is on call from `from` to `to`, ON_CALL_SPAN_MAX_MS at most. `unknown_schedule`. */
  | { kind: 'onCall'; scheduleId: string; from: number; to: number }
  | { kind: 'deliveries'; query: DeliveryListQuery }
  | { kind: 'delivery'; id: string }
  /** What became of an alert's notices for people; of one person when contactId is not null. */
  | { kind: 'explainDeliveries'; alertId: string; contactId: string | null }
  /** A message as it would look. `unknown_contact`. */
  | { kind: 'preview'; contactId: string; channel: ChannelName; severity: Severity }
  /** Sends one message now and says what happened. `unknown_contact`, `no_address`, `channel_off`. */
  | { kind: 'sendTest'; contactId: string; channel: ChannelName };

export const ON_CALL_SPAN_MAX_MS = 92 * 86_400_000;

export interface OnCallTurn {
  from: number;
  to: number;
  /** null: nobody. */
  contactId: string | null;
  /** Of the layer or override it comes from; null with nobody. */
  source: string | null;
}

/** What the link in a message is about. */
export interface Subscription {
  contactId: string;
  name: string;
  locale: string;
  channel: ChannelName;
  /** null: the channel is on. */
  stoppedAt: number | null;
}

export interface NotificationAnswers {
  /** In order of id. */
  contacts: Page<Contact>;
  contact: Contact | null;
  makeContact: Contact;
  changeContact: Contact;
  removeContact: null;
  resumeChannel: Contact;
  subscription: Subscription;
  unsubscribe: Subscription;
  resubscribe: Subscription;
  schedules: Page<Schedule>;
  schedule: Schedule | null;
  makeSchedule: Schedule;
  changeSchedule: Schedule;
  removeSchedule: null;
  override: Schedule;
  removeOverride: Schedule;
  /** Without gaps, in order. */
  onCall: OnCallTurn[];
  /** Newest first. */
  deliveries: Page<Delivery>;
  delivery: Delivery | null;
  explainDeliveries: Decision[];
  preview: RenderedMessage;
  sendTest: Delivery;
}
