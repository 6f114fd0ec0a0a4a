import { WindowBlockBuilder } from '../../model/window-block.ts';
import type { AlertPiece } from '../alerts/alert-outbox.ts';
import type { BillingPiece } from '../tariffs/billing-outbox.ts';
import { ALERTS_LANE, BILLING_LANE, type EffectBatch, type EffectSource, type RegionWindowKey, type SentRegionWindow } from './protocol.ts';

/** Alerts in a batch: a megabyte, and some tens of milliseconds of the thread for which all other alerts wait. */
export const ALERTS_PER_BATCH_MAX = 1_000;
/** Changes of bills in a batch: an invoice with its lines and days is some 5 KB. */
export const BILLING_PER_BATCH_MAX = 250;

/** What the sink thread asks a supervisor that has an outbox for. */
export type OutboxQuestion = { kind: 'read'; consumer: string; position: string | null; max: number } | { kind: 'acknowledge'; consumer: string; position: string };

/** Of `acknowledge` null. Rejects with a retryable OperationalError while the supervisor is away. */
export type AskOutbox<Piece> = (question: OutboxQuestion) => Promise<Piece | null>;

export interface SupervisorOutboxes {
  alerts: AskOutbox<AlertPiece>;
  billing: AskOutbox<BillingPiece>;
}

const NO_WINDOWS = new WindowBlockBuilder().finish();

/** The effects of an engine's shards, and those of its supervisors on their lanes. */
export class SupervisorEffects implements EffectSource {
  private readonly shards: EffectSource;
  private readonly outboxes: SupervisorOutboxes;

  constructor(shards: EffectSource, outboxes: SupervisorOutboxes) {
    this.shards = shards;
    this.outboxes = outboxes;
  }

  read(shard: number, consumer: string, position: string | null, windowsMax: number): Promise<EffectBatch> {
    if (shard === ALERTS_LANE) return this.readAlerts(consumer, position, windowsMax);
    if (shard === BILLING_LANE) return this.readBilling(consumer, position, windowsMax);
    return this.shards.read(shard, consumer, position, windowsMax);
  }

  acknowledge(shard: number, consumer: string, position: string): void {
    const ask = shard === ALERTS_LANE ? this.outboxes.alerts : shard === BILLING_LANE ? this.outboxes.billing : null;
    if (ask === null) this.shards.acknowledge(shard, consumer, position);
    // As with a shard's, one that is lost is made up for.
    else ask({ kind: 'acknowledge', consumer, position }).catch(() => {});
  }

  regionWindows(keys: readonly RegionWindowKey[]): Promise<SentRegionWindow[]> {
    return this.shards.regionWindows(keys);
  }

  private async readAlerts(consumer: string, from: string | null, windowsMax: number): Promise<EffectBatch> {
    const { alerts, position, isLast } = (await this.outboxes.alerts({ kind: 'read', consumer, position: from, max: Math.min(windowsMax, ALERTS_PER_BATCH_MAX) }))!;
    return { ...nothingOf(ALERTS_LANE), position, isLast, alerts };
  }

  private async readBilling(consumer: string, from: string | null, windowsMax: number): Promise<EffectBatch> {
    const { events, position, isLast } = (await this.outboxes.billing({ kind: 'read', consumer, position: from, max: Math.min(windowsMax, BILLING_PER_BATCH_MAX) }))!;
    return { ...nothingOf(BILLING_LANE), position, isLast, billing: events };
  }
}

function nothingOf(shard: number): Omit<EffectBatch, 'position' | 'isLast'> {
  return { shard, windows: NO_WINDOWS, windowCount: 0, regionWindows: [], anomalies: [], deadLetters: [], alerts: [], billing: [] };
}
