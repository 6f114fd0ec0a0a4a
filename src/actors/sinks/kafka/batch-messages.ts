import { openWindowBlock } from '../../../model/window-block.ts';
import type { BillingEvent } from '../../tariffs/protocol.ts';
import type { SinkBatch } from '../protocol.ts';
import { alertValue, anomalyValue, CONTENT_TYPES, deadLetterValue, disputeValue, invoiceValue, IsoTimes, paymentValue, priceValue, regionWindowValue, windowValue, type ValueEncoder } from './message-values.ts';
import type { MessageFormat } from './kafka-options.ts';
import { REGION_TOPICS, TOPIC_PLANS, TOPICS, WINDOW_TOPICS, type Topic } from './topics.ts';

/** A batch as messages, topic by topic. Pure but for the random numbers that it is given. */

export interface Message {
  key: string;
  value: string | Buffer;
  /** Shared by all messages of a batch on the same topic. */
  headers: Readonly<Record<string, Buffer>>;
}

/** Messages for one topic, in order. The arrays go together. */
export interface TopicMessages {
  topic: Topic;
  messages: Message[];
  /** What each takes of a record batch at most, in bytes. */
  bytes: number[];
  /** What each is, in words. */
  describe(i: number): string;
}

/** Of one record: length (5), attributes (1), time (10) and place in the batch (5), lengths of key and value (10), number of headers (5), at most. */
const RECORD_BYTES_MAX = 36;
/** Of one header: lengths of its name and value. */
const HEADER_BYTES_MAX = 10;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

export interface MessageStamp {
  format: MessageFormat;
  engineId: string;
  /** A W3C trace context, the same for all of a batch. */
  traceparent: string;
}

/** The messages of the batch; topics that get none are left out. */
export function batchMessages(batch: SinkBatch, stamp: MessageStamp, encoder: ValueEncoder): TopicMessages[] {
  const times = new IsoTimes();
  const lists = new Map(TOPICS.map((topic) => [topic, new MessageList(topic, stamp, encoder)]));
  const block = openWindowBlock(batch.windows);
  for (let i = 0; i < block.count; i++) {
    const window = block.windowAt(i);
    lists.get(WINDOW_TOPICS[window.granularity])!.add(window.meterId, windowValue(window, times), window.windowStart);
  }
  for (const window of batch.regionWindows) lists.get(REGION_TOPICS[window.granularity])!.add(window.region, regionWindowValue(window, times), window.windowStart);
  for (const anomaly of batch.anomalies) lists.get('anomalies')!.add(anomaly.id, anomalyValue(anomaly, times), null);
  for (const alert of batch.alerts) lists.get('alerts')!.add(alert.id, alertValue(alert, times), null);
  for (const letter of batch.deadLetters) lists.get('dead_letter')!.add(letter.id, deadLetterValue(letter, times), null);
  for (const event of batch.billing) {
    const { key, value } = billingMessage(event, times);
    lists.get(event.topic)!.add(key, value, null);
  }
  return [...lists.values()].filter(({ messages }) => messages.length > 0);
}

function billingMessage(event: BillingEvent, times: IsoTimes): { key: string; value: object } {
  switch (event.topic) {
    case 'tariff_updates':
      return { key: event.price.region, value: priceValue(event.price, times) };
    case 'billing_updates':
      return { key: event.invoice.id, value: invoiceValue(event.invoice, times) };
    case 'payment_updates':
      return { key: event.payment.id, value: paymentValue(event.payment, event.invoice, times) };
    case 'dispute_updates':
      return { key: event.dispute.id, value: disputeValue(event.dispute, times) };
  }
}

/** A new trace context (https://www.w3.org/TR/trace-context/): version 00, sampled. `random` gives so many random bytes. */
export function newTraceparent(random: (bytes: number) => Buffer): string {
  return `00-${nonZeroHex(random, TRACE_ID_BYTES)}-${nonZeroHex(random, SPAN_ID_BYTES)}-01`;
}

class MessageList implements TopicMessages {
  readonly topic: Topic;
  readonly messages: Message[] = [];
  readonly bytes: number[] = [];
  private readonly windowStarts: (number | null)[] = [];
  private readonly encoder: ValueEncoder;
  private readonly headers: Readonly<Record<string, Buffer>>;
  private readonly fixedBytes: number;

  constructor(topic: Topic, { format, engineId, traceparent }: MessageStamp, encoder: ValueEncoder) {
    this.topic = topic;
    this.encoder = encoder;
    const headers = { schema: TOPIC_PLANS[topic].schema, contentType: CONTENT_TYPES[format], traceparent, engine: engineId };
    this.headers = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));
    this.fixedBytes = Object.entries(this.headers).reduce((sum, [name, value]) => sum + HEADER_BYTES_MAX + name.length + value.length, RECORD_BYTES_MAX);
  }

  /** `windowStart` in epoch milliseconds, of a window. */
  add(key: string, value: object, windowStart: number | null): void {
    const encoded = this.encoder.encode(value);
    this.messages.push({ key, value: encoded, headers: this.headers });
    this.bytes.push(this.fixedBytes + Buffer.byteLength(key) + Buffer.byteLength(encoded));
    this.windowStarts.push(windowStart);
  }

  describe(i: number): string {
    const windowStart = this.windowStarts[i];
    const from = windowStart === null ? '' : ` from ${new Date(windowStart).toISOString()}`;
    return `${TOPIC_PLANS[this.topic].subject} ${this.messages[i].key}${from}`;
  }
}

/** Ids of zeros alone are not valid. */
function nonZeroHex(random: (bytes: number) => Buffer, bytes: number): string {
  const id = Buffer.from(random(bytes));
  if (id.every((byte) => byte === 0)) id[bytes - 1] = 1;
  return id.toString('hex');
}
