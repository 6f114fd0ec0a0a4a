import type { Subject } from '../model/access.ts';
import type { Alert } from '../model/alert.ts';
import type { Anomaly } from '../model/anomaly.ts';
import type { Dispute, DynamicPrice, Payment } from '../model/billing.ts';
import type { MeterId, RegionId } from '../model/ids.ts';
import type { RegionNow } from '../model/queries.ts';
import type { RegionWindow } from '../model/window.ts';
import { alertShape } from './alert-shapes.ts';
import { disputeShape, invoiceSummaryShape, paymentShape, priceShape } from './billing-shapes.ts';
import { regionWindowShape } from './energy-shapes.ts';
import type { LiveItem } from './live-changes.ts';
import type { ChannelFeed } from './live-channel.ts';
import type { ItemFilter } from './live-access.ts';
import type { FixedChannel } from './live-names.ts';
import { ALERTS_ACTIVE_MAX, ANOMALIES_RECENT_MAX, BILLS_RECENT_MAX, PRICES_MAX } from './live-protocol.ts';
import { curveWindowShape, engineSnapshotShape } from './live-shapes.ts';
import type { EngineSnapshot, LiveSource } from './live-source.ts';
import { billSubject } from './thing-scopes.ts';
import { anomalyShape } from './wire-shapes.ts';

/** What each of the fixed channels tells of. */

/** Regions whose curves are in a snapshot, first ones by the source's order; the others have their current load only. 1 MB of JSON. */
const REGION_CURVES_MAX = 100;
/** Regions and windows of an update: an hour of minutes of a hundred regions. */
const REGION_ITEMS_MAX = 6_000;

const NOTHING: Subject = { meterId: null, region: null };

function inRegion(region: string): Subject {
  return { meterId: null, region: region as RegionId };
}

function windowKey({ region, windowStart }: RegionWindow): string {
  return `${region} ${windowStart}`;
}

/** Windows of the first regions of those that pass. */
function drawnWindows(windows: readonly RegionWindow[], filter: ItemFilter): RegionWindow[] {
  const drawn = new Set<string>();
  return windows.filter(({ region }) => {
    if (!filter.passes(inRegion(region))) return false;
    if (drawn.size < REGION_CURVES_MAX) drawn.add(region);
    return drawn.has(region);
  });
}

function regionItem(region: RegionNow): LiveItem {
  return { list: 'regions', key: region.region, subject: inRegion(region.region), toWire: () => region };
}

function regionsFeed(source: LiveSource): ChannelFeed {
  const curveItem = (window: RegionWindow): LiveItem => ({ list: 'windows', key: windowKey(window), subject: inRegion(window.region), toWire: () => curveWindowShape(window) });
  return {
    lists: ['regions', 'windows'],
    itemsMax: REGION_ITEMS_MAX,
    snapshot(filter) {
      const { regions, windows } = source.regions();
      return { regions: regions.filter(({ region }) => filter.passes(inRegion(region))), windows: drawnWindows(windows, filter).map(curveWindowShape) };
    },
    listen: (changed) =>
      source.onRegions(({ regions, windows }) => {
        for (const region of regions) changed(regionItem(region));
        for (const window of windows) changed(curveItem(window));
      }),
  };
}

/** Windows that are closed, whole; one that is corrected comes again. */
function windowsFeed(source: LiveSource): ChannelFeed {
  return {
    lists: ['windows'],
    itemsMax: REGION_ITEMS_MAX,
    snapshot: (filter) => ({ windows: drawnWindows(source.closedWindows(), filter).map(regionWindowShape) }),
    listen: (changed) =>
      source.onClosedWindows((windows) => {
        for (const window of windows) changed({ list: 'windows', key: windowKey(window), subject: inRegion(window.region), toWire: () => regionWindowShape(window) });
      }),
  };
}

function subjectOfAnomaly({ meterId, region }: Anomaly): Subject {
  return { meterId: meterId as MeterId, region: region as RegionId };
}

function anomaliesFeed(source: LiveSource): ChannelFeed {
  return {
    lists: ['anomalies'],
    itemsMax: ANOMALIES_RECENT_MAX,
    snapshot: (filter) => ({ anomalies: newest(source.anomaliesRecent(), ANOMALIES_RECENT_MAX, filter, subjectOfAnomaly).map(anomalyShape) }),
    listen: (changed) => source.onAnomaly((anomaly) => changed({ list: 'anomalies', key: anomaly.id, subject: subjectOfAnomaly(anomaly), toWire: () => anomalyShape(anomaly) })),
  };
}

function subjectOfAlert({ meterId, region }: Alert): Subject {
  return { meterId: meterId as MeterId | null, region: region as RegionId | null };
}

/** An alert that is resolved is in the update that says so, and in no snapshot. */
function alertsFeed(source: LiveSource): ChannelFeed {
  return {
    lists: ['alerts'],
    itemsMax: ALERTS_ACTIVE_MAX,
    snapshot: (filter) => ({ alerts: newest(source.alertsActive(), ALERTS_ACTIVE_MAX, filter, subjectOfAlert).map(alertShape) }),
    listen: (changed) =>
      source.onAlerts((alerts) => {
        for (const alert of alerts) changed({ list: 'alerts', key: alert.id, subject: subjectOfAlert(alert), toWire: () => alertShape(alert) });
      }),
  };
}

function pricesFeed(source: LiveSource): ChannelFeed {
  const subject = ({ region }: DynamicPrice): Subject => inRegion(region);
  return {
    lists: ['prices'],
    itemsMax: PRICES_MAX,
    snapshot: (filter) => ({ prices: newest(source.prices(), PRICES_MAX, filter, subject).map(priceShape) }),
    listen: (changed) =>
      source.onPrices((prices) => {
        for (const price of prices) changed({ list: 'prices', key: price.region, subject: subject(price), toWire: () => priceShape(price) });
      }),
  };
}

/** Invoices without lines and days, which a page asks for when somebody looks at one. */
function billsFeed(source: LiveSource): ChannelFeed {
  const ofInvoiceId = ({ invoiceId }: Payment | Dispute): Subject => source.placeOfInvoice(invoiceId) ?? NOTHING;
  return {
    lists: ['invoices', 'payments', 'disputes'],
    itemsMax: BILLS_RECENT_MAX,
    snapshot(filter) {
      const { invoices, payments, disputes } = source.bills();
      return {
        invoices: newest(invoices, BILLS_RECENT_MAX, filter, billSubject).map(invoiceSummaryShape),
        payments: newest(payments, BILLS_RECENT_MAX, filter, ofInvoiceId).map(paymentShape),
        disputes: newest(disputes, BILLS_RECENT_MAX, filter, ofInvoiceId).map(disputeShape),
      };
    },
    listen: (changed) =>
      source.onBills(({ invoices, payments, disputes }) => {
        for (const invoice of invoices) changed({ list: 'invoices', key: invoice.id, subject: billSubject(invoice), toWire: () => invoiceSummaryShape(invoice) });
        for (const payment of payments) changed({ list: 'payments', key: payment.id, subject: ofInvoiceId(payment), toWire: () => paymentShape(payment) });
        for (const dispute of disputes) changed({ list: 'disputes', key: dispute.id, subject: ofInvoiceId(dispute), toWire: () => disputeShape(dispute) });
      }),
  };
}

function engineFeed(source: LiveSource): ChannelFeed {
  const item = (snapshot: EngineSnapshot): LiveItem => ({ list: '', key: '', subject: NOTHING, toWire: () => engineSnapshotShape(snapshot) });
  return {
    lists: null,
    itemsMax: 1,
    snapshot: () => engineSnapshotShape(source.engine()),
    listen: (changed) => source.onEngine((snapshot) => changed(item(snapshot))),
  };
}

/** The first `max` of those that pass. */
function newest<Item>(items: readonly Item[], max: number, filter: ItemFilter, subjectOf: (item: Item) => Subject): Item[] {
  const found: Item[] = [];
  for (const item of items) {
    if (found.length === max) break;
    if (filter.passes(subjectOf(item))) found.push(item);
  }
  return found;
}

export const FIXED_FEEDS: Readonly<Record<FixedChannel, (source: LiveSource) => ChannelFeed>> = {
  regions: regionsFeed,
  windows: windowsFeed,
  anomalies: anomaliesFeed,
  alerts: alertsFeed,
  prices: pricesFeed,
  bills: billsFeed,
  engine: engineFeed,
};
