import { CHANNEL_NAMES, type ChannelName } from '../../model/contact.ts';
import type { CircuitState } from './circuit.ts';

/** Counters of the notifications supervisor, since its start. Plain data, fit to be cloned to another thread. */

export interface ChannelFigures {
  /** Messages handed to the provider, repetitions included. */
  attempts: number;
  /** Messages the provider took. */
  sent: number;
  rejected: number;
  retried: number;
  unknown: number;
  failedOver: number;
  circuitsOpened: number;
  /** Of webhooks, which have a circuit for each server, the worst. */
  circuit: CircuitState;
  underWay: number;
  /** Deliveries whose turn or time has not come. */
  waiting: number;
}

export interface NotificationFigures {
  channels: Record<ChannelName, ChannelFigures>;
  /** Deliveries by what became of them. */
  deliveries: { made: number; sent: number; failed: number; suppressed: number };
  notices: number;
  /** Not finished. */
  open: number;
  /** Age of the oldest one that is due and has not gone, ms; 0 without any. */
  oldestDueMs: number;
}

export type ChannelCounters = Pick<ChannelFigures, 'attempts' | 'sent' | 'rejected' | 'retried' | 'unknown' | 'failedOver' | 'circuitsOpened'>;

export function newChannelCounters(): Record<ChannelName, ChannelCounters> {
  return perChannel(() => ({ attempts: 0, sent: 0, rejected: 0, retried: 0, unknown: 0, failedOver: 0, circuitsOpened: 0 }));
}

export function perChannel<T>(make: (name: ChannelName) => T): Record<ChannelName, T> {
  return Object.fromEntries(CHANNEL_NAMES.map((name) => [name, make(name)])) as Record<ChannelName, T>;
}
