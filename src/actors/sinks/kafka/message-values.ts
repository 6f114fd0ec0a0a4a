import { Packr } from 'msgpackr';
import type { Alert, Deed } from '../../../model/alert.ts';
import type { Anomaly } from '../../../model/anomaly.ts';
import type { DynamicPrice, Dispute, Invoice, Payment } from '../../../model/billing.ts';
import type { DeadLetter } from '../../../model/queries.ts';
import type { SentRegionWindow } from '../protocol.ts';
import type { MessageFormat } from './kafka-options.ts';

/**
 * What messages hold: the fields that the REST API shows (regional windows without `final`), by the same names, times in ISO 8601 in UTC with milliseconds. In MessagePack it is the same map; a
 * number without a fraction may come as an integer there.
 */

export const CONTENT_TYPES: Readonly<Record<MessageFormat, string>> = { json: 'application/json', msgpack: 'application/msgpack' };

/** Turns values into bytes or text. One for a writer: MessagePack keeps a buffer. */
export class ValueEncoder {
  private readonly format: MessageFormat;
  private readonly packr = new Packr({ useRecords: false });

  constructor(format: MessageFormat) {
    this.format = format;
  }

  encode(value: object): string | Buffer {
    return this.format === 'json' ? JSON.stringify(value) : this.packr.pack(value);
  }
}

/** Epoch milliseconds as ISO text; remembers, as the windows of a batch have few different times. One for a batch. */
export class IsoTimes {
  private readonly texts = new Map<number, string>();

  of(epochMs: number): string {
    let text = this.texts.get(epochMs);
    if (text === undefined) {
      text = new Date(epochMs).toISOString();
      this.texts.set(epochMs, text);
    }
    return text;
  }
}

export function windowValue<Window extends { windowStart: number; windowEnd: number }>(window: Window, times: IsoTimes): object {
  return { ...window, windowStart: times.of(window.windowStart), windowEnd: times.of(window.windowEnd) };
}

/** Without `final`: the passing of time makes it true, and no message would say so. With `revision` where several engines send. */
export function regionWindowValue({ final: _final, revision, ...window }: SentRegionWindow, times: IsoTimes): object {
  return windowValue(revision === null ? window : { ...window, revision }, times);
}

/** With `type`, by which alerts tell outages from the rest, too. */
export function anomalyValue(anomaly: Anomaly, times: IsoTimes): object {
  const { id, ...rest } = anomaly;
  const type = anomaly.kind === 'outage' ? 'METER_OUTAGE' : 'ANOMALY';
  return { id, type, ...rest, startedAt: times.of(anomaly.startedAt), endedAt: anomaly.endedAt === null ? null : times.of(anomaly.endedAt) };
}

export function alertValue(alert: Alert, times: IsoTimes): object {
  const { startedAt, openedAt, changedAt, acknowledged, resolved } = alert;
  const deed = (done: Deed | null): object | null => (done === null ? null : { ...done, at: times.of(done.at) });
  return { ...alert, startedAt: times.of(startedAt), openedAt: times.of(openedAt), changedAt: times.of(changedAt), acknowledged: deed(acknowledged), resolved: deed(resolved) };
}

export function priceValue(price: DynamicPrice, times: IsoTimes): object {
  return { ...price, since: times.of(price.since) };
}

export function invoiceValue(invoice: Invoice, times: IsoTimes): object {
  const parts = invoice.parts.map((part) => ({ ...part, peakAt: timeOrNull(part.peakAt, times) }));
  return { ...invoice, parts, issuedAt: timeOrNull(invoice.issuedAt, times) };
}

/** With what its invoice is like now that it counts. */
export function paymentValue(payment: Payment, { number, state, currency, total, paid, outstanding }: Invoice, times: IsoTimes): object {
  return { ...payment, receivedAt: times.of(payment.receivedAt), invoice: { number, state, currency, total, paid, outstanding } };
}

export function disputeValue(dispute: Dispute, times: IsoTimes): object {
  return { ...dispute, openedAt: times.of(dispute.openedAt), resolvedAt: timeOrNull(dispute.resolvedAt, times) };
}

function timeOrNull(epochMs: number | null, times: IsoTimes): string | null {
  return epochMs === null ? null : times.of(epochMs);
}

export function deadLetterValue(letter: DeadLetter, times: IsoTimes): object {
  return { ...letter, receivedAt: times.of(letter.receivedAt) };
}
