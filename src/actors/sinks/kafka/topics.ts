import type { Granularity } from '../../../model/window.ts';

/** The topics, what their messages are keyed by, and what keeps them whole. Names are without the prefix. */

export const TOPICS = ['aggregates_1m', 'aggregates_15m', 'aggregates_1m_regional', 'aggregates_15m_regional', 'anomalies', 'alerts', 'dead_letter', 'tariff_updates', 'billing_updates', 'payment_updates', 'dispute_updates'] as const;
export type Topic = (typeof TOPICS)[number];

export const WINDOW_TOPICS: Readonly<Record<Granularity, Topic>> = { '1m': 'aggregates_1m', '15m': 'aggregates_15m' };
export const REGION_TOPICS: Readonly<Record<Granularity, Topic>> = { '1m': 'aggregates_1m_regional', '15m': 'aggregates_15m_regional' };

export interface TopicPlan {
  /** Name and version of the values, in the header `schema`. The version is raised when a field changes its meaning or goes away, not when one comes to it. */
  schema: string;
  /** What a message is about; its key follows. */
  subject: string;
  /** `cleanup.policy` of a topic that is made. */
  cleanupPolicy: 'delete' | 'compact,delete';
  /**
   * Whether an existing topic may be compacted. Compaction keeps the newest message of each key: of an alert, an anomaly or an invoice that is its id, and the newest is what counts, but of
   * a meter it would keep one window and drop all others.
   */
  mayCompact: boolean;
}

export const TOPIC_PLANS: Readonly<Record<Topic, TopicPlan>> = {
  aggregates_1m: { schema: 'meter-window/1', subject: '1m window of meter', cleanupPolicy: 'delete', mayCompact: false },
  aggregates_15m: { schema: 'meter-window/1', subject: '15m window of meter', cleanupPolicy: 'delete', mayCompact: false },
  aggregates_1m_regional: { schema: 'region-window/2', subject: '1m window of region', cleanupPolicy: 'delete', mayCompact: false },
  aggregates_15m_regional: { schema: 'region-window/2', subject: '15m window of region', cleanupPolicy: 'delete', mayCompact: false },
  anomalies: { schema: 'anomaly/1', subject: 'anomaly', cleanupPolicy: 'compact,delete', mayCompact: true },
  /** Of engines before there were alerts it has anomalies, as alert/1. */
  alerts: { schema: 'alert/2', subject: 'alert', cleanupPolicy: 'compact,delete', mayCompact: true },
  dead_letter: { schema: 'dead-letter/1', subject: 'dead letter', cleanupPolicy: 'delete', mayCompact: false },
  /** By region: every price counts, as what was used then costs what it did then. */
  tariff_updates: { schema: 'dynamic-price/1', subject: 'price of region', cleanupPolicy: 'delete', mayCompact: false },
  billing_updates: { schema: 'invoice/1', subject: 'invoice', cleanupPolicy: 'compact,delete', mayCompact: true },
  payment_updates: { schema: 'payment/1', subject: 'payment', cleanupPolicy: 'compact,delete', mayCompact: true },
  dispute_updates: { schema: 'dispute/1', subject: 'dispute', cleanupPolicy: 'compact,delete', mayCompact: true },
};
