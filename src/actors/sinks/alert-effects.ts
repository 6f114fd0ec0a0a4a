import { WindowBlockBuilder } from '../../model/window-block.ts';
import type { AlertPiece } from '../alerts/alert-outbox.ts';
import { ALERTS_LANE, type EffectBatch, type EffectSource, type RegionWindowKey, type SentRegionWindow } from './protocol.ts';

/** Alerts in a batch: a megabyte, and some tens of milliseconds of the thread for which all other alerts wait. */
export const ALERTS_PER_BATCH_MAX = 1_000;

/** What the sink thread asks the alerts supervisor for (alert-outbox.ts). */
export type AlertOutboxQuestion = { kind: 'read'; consumer: string; position: string | null; max: number } | { kind: 'acknowledge'; consumer: string; position: string };

/** Of `acknowledge` null. */
export type AlertOutboxAnswer = AlertPiece | null;

/** Rejects with a retryable OperationalError while the alerts supervisor is away. */
export type AskAlertOutbox = (question: AlertOutboxQuestion) => Promise<AlertOutboxAnswer>;

const NO_WINDOWS = new WindowBlockBuilder().finish();

/** The effects of an engine's shards, and those of its alerts supervisor on their lane. */
export class AlertEffects implements EffectSource {
  private readonly shards: EffectSource;
  private readonly ask: AskAlertOutbox;

  constructor(shards: EffectSource, ask: AskAlertOutbox) {
    this.shards = shards;
    this.ask = ask;
  }

  read(shard: number, consumer: string, position: string | null, windowsMax: number): Promise<EffectBatch> {
    return shard === ALERTS_LANE ? this.readAlerts(consumer, position, windowsMax) : this.shards.read(shard, consumer, position, windowsMax);
  }

  acknowledge(shard: number, consumer: string, position: string): void {
    if (shard !== ALERTS_LANE) this.shards.acknowledge(shard, consumer, position);
    // As with a shard's, one that is lost is made up for.
    else this.ask({ kind: 'acknowledge', consumer, position }).catch(() => {});
  }

  regionWindows(keys: readonly RegionWindowKey[]): Promise<SentRegionWindow[]> {
    return this.shards.regionWindows(keys);
  }

  private async readAlerts(consumer: string, from: string | null, windowsMax: number): Promise<EffectBatch> {
    const { alerts, position, isLast } = (await this.ask({ kind: 'read', consumer, position: from, max: Math.min(windowsMax, ALERTS_PER_BATCH_MAX) }))!;
    return { shard: ALERTS_LANE, position, isLast, windows: NO_WINDOWS, windowCount: 0, regionWindows: [], anomalies: [], deadLetters: [], alerts };
  }
}
