import type { DecodedReading, ReadingSink } from '../../model/decoded-reading.ts';
import { murmur2, partitionOfHash } from '../../model/ids.ts';
import { READINGS_PER_REQUEST_MAX, type RejectCode } from '../../model/reading.ts';
import { LINKS_MAX, type Span } from '../../runtime/tracing.ts';
import { traceHeaders } from '../kafka-log/message-trace.ts';
import type { LogAppend } from '../kafka-log/protocol.ts';
import type { TracedPart } from '../shard/protocol.ts';
import type { BodyFormat } from './protocol.ts';
import type { RequestTally } from './request-tally.ts';

/**
 * The readings of some requests on their way into Kafka's log: the bytes as they were sent, cut into messages by partition. Nothing is encoded anew. What was rejected goes
 * along: whoever folds the log decodes it as it was decoded here, rejects it for the same reason, and keeps it as a dead letter.
 */

/**
 * Bytes of one message at most. Kafka's brokers and topics take 1 MiB (max.message.bytes) unless told otherwise, with the record's key, headers and frame; a message of this
 * size holds some 4,000 readings, where a larger one saves nothing.
 */
export const MESSAGE_BYTES_MAX = 900 * 1024;
/** Around the elements of a message: brackets, or MessagePack's array header. */
const FRAME_BYTES_MAX = 5;
const ELEMENT_BYTES_MAX = MESSAGE_BYTES_MAX - FRAME_BYTES_MAX - 1;
const ELEMENT_TOO_LARGE_MESSAGE = `the reading has more than ${ELEMENT_BYTES_MAX} bytes; leave metadata out of it`;

const FORMATS: readonly BodyFormat[] = ['json', 'ndjson', 'msgpack'];
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const MSGPACK_ARRAY32 = 0xdd;
const MSGPACK_HEADER_BYTES = 5;
/** Where columns and bytes start, enough for a turn of single readings; they double. */
const ELEMENTS_INITIAL = 64;
const BYTES_INITIAL = 4 * 1024;

/** A meterId of each partition, as the key of messages; shared by the gatherings of one thread. */
export class PartitionKeys {
  private readonly keys: (Uint8Array | null)[];

  constructor(partitionCount: number) {
    this.keys = new Array<Uint8Array | null>(partitionCount).fill(null);
  }

  note(partition: number, { meterId, meterIdLength }: DecodedReading): void {
    this.keys[partition] ??= meterId.slice(0, meterIdLength);
  }

  /** Null until the partition has had a reading. */
  of(partition: number): Uint8Array | null {
    return this.keys[partition];
  }
}

/** A request that is traced, and which elements of the gathering are its. */
export interface TracedRequest {
  trace: Span;
  from: number;
  count: number;
}

/** One request after the other: `begin`, the decoder's calls, then `commit` or `rollback`. Synchronous and pure. */
export class GatheredReadings implements ReadingSink {
  /** Readings and rejected elements; committed ones. */
  elements = 0;
  /** Of the bodies. */
  bytes = 0;
  /** The clock that all of them are judged by. */
  readonly judgedAtMs: number;
  /** Whose elements these are, and how many of each were accepted. A request has its elements in one gathering alone. */
  readonly tallies: RequestTally[] = [];
  /** Of its requests that are traced, in order. */
  readonly traces: TracedRequest[] = [];
  readonly acceptedOf: number[] = [];
  private readonly partitionCount: number;
  private readonly keys: PartitionKeys;
  private body = new Uint8Array(BYTES_INITIAL);
  /** By element: partition and format in one number, begin and end in `body`. */
  private lanes = new Uint32Array(ELEMENTS_INITIAL);
  private starts = new Uint32Array(ELEMENTS_INITIAL);
  private ends = new Uint32Array(ELEMENTS_INITIAL);
  /** Elements of the request at hand come after the committed ones. */
  private count = 0;
  private accepted = 0;
  private tally: RequestTally | null = null;
  private format = 0;

  constructor(options: { partitionCount: number; judgedAtMs: number }, keys: PartitionKeys) {
    this.partitionCount = options.partitionCount;
    this.judgedAtMs = options.judgedAtMs;
    this.keys = keys;
  }

  begin(tally: RequestTally, format: BodyFormat): void {
    this.tally = tally;
    this.format = FORMATS.indexOf(format);
    this.accepted = 0;
  }

  accept(index: number, reading: DecodedReading, _body: Uint8Array, start: number, end: number): void {
    if (end - start > ELEMENT_BYTES_MAX) {
      this.tally!.addError(index, 'reading_too_large', ELEMENT_TOO_LARGE_MESSAGE);
      return;
    }
    const partition = partitionOfHash(reading.meterHash, this.partitionCount);
    this.keys.note(partition, reading);
    this.accepted++;
    this.add(partition, start, end);
  }

  /** Its meter is not known for sure, so it goes where its bytes say: the same one to the same partition each time. */
  reject(index: number, code: RejectCode, message: string, body: Uint8Array, start: number, end: number): void {
    this.tally!.addError(index, code, message);
    if (end - start <= ELEMENT_BYTES_MAX) this.add(partitionOfHash(murmur2(body, start, end), this.partitionCount), start, end);
  }

  /** Keeps the request's elements and copies its body. */
  commit(body: Uint8Array): void {
    if (this.count > this.elements) {
      this.keep(body);
      for (let i = this.elements; i < this.count; i++) {
        this.starts[i] += this.bytes;
        this.ends[i] += this.bytes;
      }
      this.bytes += body.length;
      const { trace } = this.tally!;
      if (trace !== null) this.traces.push({ trace, from: this.elements, count: this.count - this.elements });
      this.elements = this.count;
      this.tallies.push(this.tally!);
      this.acceptedOf.push(this.accepted);
      this.tally!.partsPending++;
    }
    this.tally = null;
  }

  rollback(): void {
    this.count = this.elements;
    this.tally = null;
  }

  /** Their values are views over `buffer`, which is free to be transferred. The gathering stays as it is. `traceparents`: under which each of `traces` goes on. */
  messages(traceparents: readonly string[] = []): { messages: LogAppend[]; buffer: ArrayBuffer } {
    const plans = this.plan(traceparents);
    const buffer = new ArrayBuffer(plans.reduce((sum, { bytes }) => sum + bytes, 0));
    const all = new Uint8Array(buffer);
    let at = 0;
    const messages = plans.map(({ lane, bytes, elements, parts }) => {
      const value = all.subarray(at, at + bytes);
      this.write(value, FORMATS[lane % FORMATS.length], elements);
      at += bytes;
      const partition = Math.floor(lane / FORMATS.length);
      const message: LogAppend = { partition, key: this.keys.of(partition), value, kind: 'reading', contentType: FORMATS[lane % FORMATS.length], judgedAtMs: this.judgedAtMs };
      if (parts !== null) message.traceHeaders = traceHeaders(parts, elements.length);
      return message;
    });
    return { messages, buffer };
  }

  /** Which elements make which message: in order, as many to each as go in. */
  private plan(traceparents: readonly string[]): MessagePlan[] {
    const plans: MessagePlan[] = [];
    const openOf = new Map<number, MessagePlan>();
    let traced = 0;
    for (let i = 0; i < this.elements; i++) {
      const lane = this.lanes[i];
      const needed = this.ends[i] - this.starts[i] + 1;
      let plan = openOf.get(lane);
      if (plan === undefined || plan.bytes + needed > MESSAGE_BYTES_MAX || plan.elements.length === READINGS_PER_REQUEST_MAX) {
        plan = { lane, bytes: frameBytes(FORMATS[lane % FORMATS.length]), elements: [], parts: null };
        openOf.set(lane, plan);
        plans.push(plan);
      }
      if (traced < traceparents.length && i >= this.traces[traced].from) {
        noteTraced(plan, traceparents[traced]);
        if (i === this.traces[traced].from + this.traces[traced].count - 1) traced++;
      }
      plan.elements.push(i);
      plan.bytes += FORMATS[lane % FORMATS.length] === 'msgpack' ? needed - 1 : needed;
    }
    return plans;
  }

  private write(value: Uint8Array, format: BodyFormat, elements: readonly number[]): void {
    let at = 0;
    if (format === 'json') value[at++] = OPEN_BRACKET;
    else if (format === 'msgpack') {
      value[0] = MSGPACK_ARRAY32;
      new DataView(value.buffer, value.byteOffset).setUint32(1, elements.length);
      at = MSGPACK_HEADER_BYTES;
    }
    for (const i of elements) {
      value.set(this.body.subarray(this.starts[i], this.ends[i]), at);
      at += this.ends[i] - this.starts[i];
      if (format !== 'msgpack') value[at++] = format === 'json' ? COMMA : LINE_FEED;
    }
    // In place of the last comma.
    if (format === 'json') value[at - 1] = CLOSE_BRACKET;
  }

  private add(partition: number, start: number, end: number): void {
    if (this.count === this.lanes.length) this.growColumns();
    this.lanes[this.count] = partition * FORMATS.length + this.format;
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.count++;
  }

  private keep(body: Uint8Array): void {
    const needed = this.bytes + body.length;
    if (needed > this.body.length) {
      const grown = new Uint8Array(Math.max(needed, this.body.length * 2));
      grown.set(this.body.subarray(0, this.bytes));
      this.body = grown;
    }
    this.body.set(body, this.bytes);
  }

  private growColumns(): void {
    const doubled = (column: Uint32Array): Uint32Array<ArrayBuffer> => {
      const grown = new Uint32Array(column.length * 2);
      grown.set(column);
      return grown;
    };
    this.lanes = doubled(this.lanes);
    this.starts = doubled(this.starts);
    this.ends = doubled(this.ends);
  }
}

interface MessagePlan {
  /** Partition and format. */
  lane: number;
  /** Of the value. */
  bytes: number;
  elements: number[];
  /** Null: none of them is traced. */
  parts: TracedPart[] | null;
}

/** The next element of the message is of the request that goes on under this traceparent. */
function noteTraced(plan: MessagePlan, traceparent: string): void {
  plan.parts ??= [];
  const last = plan.parts.at(-1);
  if (last?.traceparent === traceparent) last.count++;
  else if (plan.parts.length < LINKS_MAX) plan.parts.push({ traceparent, from: plan.elements.length, count: 1 });
}

/** Of a message without elements; JSON's comma after the last element is its closing bracket. */
function frameBytes(format: BodyFormat): number {
  if (format === 'msgpack') return MSGPACK_HEADER_BYTES;
  return format === 'json' ? 1 : 0;
}
