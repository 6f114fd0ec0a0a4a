import type { Broker, FetchedPartition, RawMessage } from 'kafkajs/src/cluster/index.js';
import filterAbortedMessages from 'kafkajs/src/consumer/filterAbortedMessages.js';
import type { BatchTrace } from '../../shard/protocol.ts';
import { readTrace, TRACEPARENT_HEADER, TRACES_HEADER } from '../message-trace.ts';
import { CONTENT_TYPE_HEADER, JUDGED_AT_HEADER, KIND_HEADER, LOG_CONTENT_TYPES, type LogContentType, type LogMessage } from '../protocol.ts';

/** One request for messages, and what its answer means. Only what is committed is read, so that whoever reads gets the same. */

const READ_COMMITTED = 1;

/** What was found from an offset on. */
export interface Fetched {
  messages: RawMessage[];
  /** Offset to go on from. The one asked for, with no messages and more until `end`: the answer had no room for this partition. */
  next: number;
  /** Offset behind the last message that is committed. */
  end: number;
}

export interface FetchWant {
  partition: number;
  offset: number;
}

export interface FetchLimits {
  /** Time for the first byte to come, ms. */
  waitMs: number;
  /** Of one partition, and of all together; one larger batch of records still comes. */
  partitionBytesMax: number;
  bytesMax: number;
}

/** Asks the leader of all these partitions. Rejects with what kafkajs throws, for all of them when one is refused. */
export async function fetchFrom(broker: Broker, topic: string, wants: readonly FetchWant[], limits: FetchLimits): Promise<Map<number, Fetched>> {
  const partitions = wants.map(({ partition, offset }) => ({ partition, fetchOffset: String(offset), maxBytes: limits.partitionBytesMax }));
  const { responses } = await broker.fetch({ isolationLevel: READ_COMMITTED, maxWaitTime: limits.waitMs, minBytes: 1, maxBytes: limits.bytesMax, topics: [{ topic, partitions }] });
  const found = responses.flatMap((response) => response.partitions);
  return new Map(wants.flatMap((want) => {
    const answer = found.find(({ partition }) => partition === want.partition);
    return answer === undefined ? [] : [[want.partition, fetchedOf(answer, want.offset, wants.length === 1)]];
  }));
}

function fetchedOf({ messages: raw, abortedTransactions, lastStableOffset }: FetchedPartition, offset: number, isAlone: boolean): Fetched {
  const end = Number(lastStableOffset);
  // Records come in the batches they were written in, so the first may be older than what was asked for.
  const newer = raw.filter((message) => Number(message.offset) >= offset);
  const messages = filterAbortedMessages({ messages: newer, abortedTransactions }).filter(({ isControlRecord }) => !isControlRecord);
  const last = raw.at(-1);
  if (last !== undefined) return { messages, next: Math.max(offset, lastOffsetOf(last) + 1), end };
  // Of several partitions some get nothing, or a part of a batch, of which kafkajs makes nothing, when the answer is full: it says nothing of the offset. One that is asked for alone gets a whole
  // batch; of one whose records were all compacted away kafkajs tells nothing, and had there been a record at the offset, it would be here.
  return { messages, next: isAlone && offset < end ? offset + 1 : offset, end };
}

/** Of the batch that the record is the last of: what was compacted away behind it is passed too. */
function lastOffsetOf({ offset, batchContext }: RawMessage): number {
  return Math.max(Number(offset), Number(batchContext.firstOffset) + batchContext.lastOffsetDelta);
}

export function logMessageOf(partition: number, { offset, timestamp, key, value, headers }: RawMessage): LogMessage {
  return {
    partition,
    offset: Number(offset),
    timestampMs: Number(timestamp),
    judgedAtMs: judgedAtOf(textOf(headers[JUDGED_AT_HEADER])),
    key,
    value,
    kind: textOf(headers[KIND_HEADER]) === 'control' ? 'control' : 'reading',
    contentType: contentTypeOf(textOf(headers[CONTENT_TYPE_HEADER])),
  };
}

/** Of the messages that are traced, by offset; null: none is. */
export function tracesOf(messages: readonly RawMessage[]): Map<number, BatchTrace> | null {
  let traces: Map<number, BatchTrace> | null = null;
  for (const { offset, headers } of messages) {
    const traceparent = textOf(headers[TRACEPARENT_HEADER]);
    const trace = traceparent === null ? null : readTrace(traceparent, textOf(headers[TRACES_HEADER]));
    if (trace !== null) (traces ??= new Map()).set(Number(offset), trace);
  }
  return traces;
}

function contentTypeOf(text: string | null): LogContentType {
  const found = (Object.entries(LOG_CONTENT_TYPES) as [LogContentType, string][]).find(([, name]) => name === text);
  return found === undefined ? 'json' : found[0];
}

function judgedAtOf(text: string | null): number | null {
  const number = text === null || !/^\d{1,15}$/.test(text) ? NaN : Number(text);
  return Number.isSafeInteger(number) ? number : null;
}

/** Of a header that occurs several times the last counts. */
function textOf(header: Buffer | Buffer[] | undefined): string | null {
  const value = Array.isArray(header) ? header.at(-1) : header;
  return value === undefined || value === null ? null : value.toString('latin1');
}
