import type { Alert } from '../model/alert.ts';
import type { Anomaly } from '../model/anomaly.ts';
import type { Dispute, DynamicPrice, Invoice, Payment } from '../model/billing.ts';
import type { RegionNow } from '../model/queries.ts';
import type { RegionWindow } from '../model/window.ts';
import {
  ALERTS_ACTIVE_MAX,
  alertsToWire,
  anomaliesToWire,
  ANOMALIES_RECENT_MAX,
  BILLS_RECENT_MAX,
  billsToWire,
  engineToWire,
  PRICES_MAX,
  pricesToWire,
  regionsToWire,
  type ChannelName,
  type FixedChannel,
} from './live-protocol.ts';
import type { EngineSnapshot, LiveSource, Unsubscribe } from './live-source.ts';

/** Regions whose curves are in a snapshot, first ones by the source's order; the others have their current load only. 1 MB of JSON. */
const REGION_CURVES_MAX = 100;
/**
 * Regional windows gathered between two turns at most: an hour of minutes of a hundred regions. A backfill touches more;
 * then a snapshot is shorter than the differences.
 */
const PENDING_WINDOWS_MAX = 6_000;

/** What is new since the last turn: an update's data, `everything` when only a snapshot will do, null for nothing. */
export type Change = object | 'everything' | null;

/** Where a channel's content comes from. Data is in wire form. */
export interface ChannelFeed {
  snapshot(): object;
  takeChange(): Change;
  close: Unsubscribe;
}

/** A channel of the stream: numbers its changes and serializes each of them once, however many sockets read it. */
export class LiveChannel {
  readonly name: ChannelName;
  readonly #feed: ChannelFeed;
  #seq = 0;
  #snapshotText: string | null = null;

  constructor(name: ChannelName, feed: ChannelFeed) {
    this.name = name;
    this.#feed = feed;
  }

  /** Builds the snapshot message of the newest numbered state; the same text until the next change. */
  snapshotText(): string {
    this.#snapshotText ??= this.#serialize('snapshot', this.#feed.snapshot());
    return this.#snapshotText;
  }

  /**
   * Numbers what changed since the last call. Returns the update message; `everything` when readers need a snapshot;
   * null when nothing changed or `wanted` is false.
   */
  advance(wanted: boolean): string | 'everything' | null {
    const change = this.#feed.takeChange();
    if (change === null) return null;
    this.#seq++;
    this.#snapshotText = null;
    if (!wanted) return null;
    return change === 'everything' ? change : this.#serialize('update', change);
  }

  close(): void {
    this.#feed.close();
  }

  #serialize(type: 'snapshot' | 'update', data: object): string {
    return JSON.stringify({ type, channel: this.name, seq: this.#seq, data });
  }
}

function regionsFeed(source: LiveSource): ChannelFeed {
  const regions = new Map<string, RegionNow>();
  const windows = new Map<string, RegionWindow>();
  let overflowed = false;
  const close = source.onRegions((change) => {
    for (const region of change.regions) regions.set(region.region, region);
    for (const window of change.windows) windows.set(`${window.region} ${window.windowStart}`, window);
    if (windows.size > PENDING_WINDOWS_MAX) {
      overflowed = true;
      windows.clear();
    }
  });
  return {
    snapshot() {
      const picture = source.regions();
      if (picture.regions.length <= REGION_CURVES_MAX) return regionsToWire(picture);
      const drawn = new Set(picture.regions.slice(0, REGION_CURVES_MAX).map((region) => region.region));
      return regionsToWire({ regions: picture.regions, windows: picture.windows.filter((window) => drawn.has(window.region)) });
    },
    takeChange() {
      if (!overflowed && regions.size + windows.size === 0) return null;
      const change = overflowed ? 'everything' : regionsToWire({ regions: [...regions.values()], windows: [...windows.values()] });
      overflowed = false;
      regions.clear();
      windows.clear();
      return change;
    },
    close,
  };
}

/** The newest state of each thing that changed since it was last asked, or that everything is shorter. */
class ChangedItems<Item> {
  readonly #mostAtOnce: number;
  readonly #keyOf: (item: Item) => string;
  readonly #changed = new Map<string, Item>();
  #overflowed = false;

  constructor(mostAtOnce: number, keyOf: (item: Item) => string) {
    this.#mostAtOnce = mostAtOnce;
    this.#keyOf = keyOf;
  }

  note(items: readonly Item[]): void {
    for (const item of items) {
      this.#changed.set(this.#keyOf(item), item);
      if (this.#changed.size <= this.#mostAtOnce) continue;
      this.#overflowed = true;
      this.#changed.clear();
    }
  }

  take(): Item[] | 'everything' {
    const change = this.#overflowed ? 'everything' : [...this.#changed.values()];
    this.#overflowed = false;
    this.#changed.clear();
    return change;
  }

  takeAs(toWire: (items: readonly Item[]) => object): Change {
    const change = this.take();
    if (change === 'everything') return change;
    return change.length === 0 ? null : toWire(change);
  }
}

function idOf({ id }: { id: string }): string {
  return id;
}

function anomaliesFeed(source: LiveSource): ChannelFeed {
  const changes = new ChangedItems<Anomaly>(ANOMALIES_RECENT_MAX, idOf);
  const close = source.onAnomaly((anomaly) => changes.note([anomaly]));
  return { snapshot: () => anomaliesToWire(source.anomaliesRecent().slice(0, ANOMALIES_RECENT_MAX)), takeChange: () => changes.takeAs(anomaliesToWire), close };
}

function alertsFeed(source: LiveSource): ChannelFeed {
  const changes = new ChangedItems<Alert>(ALERTS_ACTIVE_MAX, idOf);
  const close = source.onAlerts((changed) => changes.note(changed));
  return { snapshot: () => alertsToWire(source.alertsActive().slice(0, ALERTS_ACTIVE_MAX)), takeChange: () => changes.takeAs(alertsToWire), close };
}

function pricesFeed(source: LiveSource): ChannelFeed {
  const changes = new ChangedItems<DynamicPrice>(PRICES_MAX, ({ region }) => region);
  const close = source.onPrices((changed) => changes.note(changed));
  return { snapshot: () => pricesToWire(source.prices().slice(0, PRICES_MAX)), takeChange: () => changes.takeAs(pricesToWire), close };
}

function billsFeed(source: LiveSource): ChannelFeed {
  const changes = {
    invoices: new ChangedItems<Invoice>(BILLS_RECENT_MAX, idOf),
    payments: new ChangedItems<Payment>(BILLS_RECENT_MAX, idOf),
    disputes: new ChangedItems<Dispute>(BILLS_RECENT_MAX, idOf),
  };
  const close = source.onBills(({ invoices, payments, disputes }) => {
    changes.invoices.note(invoices);
    changes.payments.note(payments);
    changes.disputes.note(disputes);
  });
  return {
    snapshot() {
      const { invoices, payments, disputes } = source.bills();
      return billsToWire({ invoices: invoices.slice(0, BILLS_RECENT_MAX), payments: payments.slice(0, BILLS_RECENT_MAX), disputes: disputes.slice(0, BILLS_RECENT_MAX) });
    },
    takeChange() {
      const invoices = changes.invoices.take();
      const payments = changes.payments.take();
      const disputes = changes.disputes.take();
      if (invoices === 'everything' || payments === 'everything' || disputes === 'everything') return 'everything';
      return invoices.length + payments.length + disputes.length === 0 ? null : billsToWire({ invoices, payments, disputes });
    },
    close,
  };
}

function engineFeed(source: LiveSource): ChannelFeed {
  let changed: EngineSnapshot | null = null;
  const close = source.onEngine((snapshot) => {
    changed = snapshot;
  });
  return {
    snapshot: () => engineToWire(source.engine()),
    takeChange() {
      const change = changed === null ? null : engineToWire(changed);
      changed = null;
      return change;
    },
    close,
  };
}

const FIXED_FEEDS: Readonly<Record<FixedChannel, (source: LiveSource) => ChannelFeed>> = {
  regions: regionsFeed,
  anomalies: anomaliesFeed,
  alerts: alertsFeed,
  prices: pricesFeed,
  bills: billsFeed,
  engine: engineFeed,
};

/** The channels that are there from start to close, watched or not. */
export function fixedChannels(source: LiveSource): LiveChannel[] {
  return Object.entries(FIXED_FEEDS).map(([name, feed]) => new LiveChannel(name as FixedChannel, feed(source)));
}
