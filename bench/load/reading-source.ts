import { invariant } from '../../src/runtime/errors.ts';

/**
 * Bodies of readings that cost their sender next to nothing: rendered once, then timestamps, readingIds and power are patched in place,
 * so that every reading sent is new to the engine.
 */

/** Stamps readings with the wall clock, or with an event time that a pass over all meters moves by one step. */
export type EventTime = { kind: 'wall' } | { kind: 'stepped'; startMs: number; stepMs: number };

export interface ReadingSourceOptions {
  format: 'json' | 'msgpack';
  /** Meters are `meter-000000` and on: this source has `meterCount` of them from `firstMeter`. No other source may send for them meanwhile. */
  firstMeter: number;
  meterCount: number;
  /** 1: a bare object in place of an array. */
  readingsPerBatch: number;
  withReadingIds: boolean;
  /** Goes into every readingId: RUN_ID_CHARS characters that no earlier run on the same engine used. */
  runId: string;
  eventTime: EventTime;
  /** What precedes each body in its buffer: an HTTP head, or nothing. ASCII. */
  head(bodyBytes: number): string;
}

/** Epoch milliseconds in base 36 have eight digits until the year 2059. */
export const RUN_ID_CHARS = 8;
/** Ids have six digits. */
export const METERS_MAX = 1_000_000;
/** With batches of 500 over 16 connections: see REPEATS_MAX. */
export const METERS_MIN = 200;
/** Two digits of a readingId tell a meter's readings of one pass apart. */
const REPEATS_MAX = 100;
/** Six digits of a readingId count passes. */
const PASSES_MAX = 1_000_000;
const REGIONS = 10;
/** Meters of a batch lie up to a second behind the batch's time, each always by the same, as meters' clocks do. */
const JITTER_MS = 1_000;
const MINUTE_MS = 60_000;
/** `2026-11-23T14:55:` */
const MINUTE_CHARS = 17;

/** One request, rendered. Slots are its readings, in order. */
interface Body {
  bytes: Buffer;
  view: DataView;
  /** First slot's number over all bodies of the source. */
  firstSlot: number;
  slots: number;
  timestampAt: Uint32Array;
  /** Where the pass number of the readingId stands; empty without readingIds. */
  passAt: Uint32Array;
  powerAt: Uint32Array;
  /** The minute that is written in the timestamp of each slot. */
  minuteOf: Float64Array;
  passes: number;
  /** Passes whose every reading was accepted. */
  passesAccepted: number;
}

/** Sends each meter's readings in order and strictly newer, provided that a body is sent again only after it was answered. */
export class ReadingSource {
  /** Bodies in the order in which `next` goes through them. */
  readonly bodyCount: number;
  private readonly options: ReadingSourceOptions;
  private readonly bodies: Body[] = [];
  /** Times a meter occurs in one pass, at most. */
  private readonly repeats: number;
  private cursor = 0;
  private pass = 0;
  private lastMs = -Infinity;
  /** No reading of this pass is older, the constant part of its meter aside. */
  private passFloorMs = -Infinity;
  private minutePrefixes = new Map<number, Buffer>();

  constructor(options: ReadingSourceOptions) {
    const { meterCount, readingsPerBatch, firstMeter } = options;
    this.options = options;
    this.bodyCount = Math.ceil(meterCount / readingsPerBatch);
    this.repeats = Math.ceil((this.bodyCount * readingsPerBatch) / meterCount);
    invariant(firstMeter + meterCount <= METERS_MAX, 'meter numbers have six digits');
    invariant(this.repeats <= REPEATS_MAX, 'a batch has at most a hundred readings of each meter');
    invariant(options.runId.length === RUN_ID_CHARS, 'a run id has eight characters');
    invariant(options.eventTime.kind === 'wall' || options.eventTime.stepMs >= this.repeats, 'a step of event time holds a meter\'s readings of one pass');
    for (let b = 0; b < this.bodyCount; b++) this.bodies.push(renderBody(options, b * readingsPerBatch));
  }

  /** Finished passes over all meters. */
  get passesDone(): number {
    return this.pass;
  }

  /** Bytes of one body without its head, divided by its readings. */
  get bytesPerReading(): number {
    const [{ bytes, slots }] = this.bodies;
    const bodyBytes = bytes.length - this.options.head(0).length;
    return Math.round(bodyBytes / slots);
  }

  /** Readies the next body and gives its number. */
  next(nowMs: number): number {
    const number = this.cursor;
    const { eventTime } = this.options;
    // Newer than the pass before, not than the body before: at 30,000 bodies a second event time would run away from the clock.
    if (number === 0) this.passFloorMs = this.lastMs + this.repeats;
    const timeMs = eventTime.kind === 'stepped' ? eventTime.startMs + this.pass * eventTime.stepMs : Math.max(nowMs, this.passFloorMs, this.lastMs);
    this.lastMs = timeMs;
    this.patch(this.bodies[number], timeMs);
    this.cursor++;
    if (this.cursor === this.bodyCount) {
      this.cursor = 0;
      this.pass++;
    }
    return number;
  }

  /** Head and body as they go out. Borrowed: changes when `next` comes round to it. */
  bytesOf(body: number): Buffer {
    return this.bodies[body].bytes;
  }

  readingsOf(body: number): number {
    return this.bodies[body].slots;
  }

  /** All readings of the body as it was last sent were accepted. */
  acceptedWhole(body: number): void {
    this.bodies[body].passesAccepted++;
  }

  /** Readings of a meter (0 … meterCount − 1) in bodies that were accepted whole. */
  acceptedOf(meter: number): number {
    return this.bodiesOf(meter).reduce((readings, body) => readings + this.bodies[body].passesAccepted, 0);
  }

  /** Bodies that hold readings of a meter, each as often as it holds one. */
  bodiesOf(meter: number): number[] {
    const { meterCount, readingsPerBatch } = this.options;
    const bodies: number[] = [];
    for (let slot = meter; slot < this.bodyCount * readingsPerBatch; slot += meterCount) bodies.push(Math.floor(slot / readingsPerBatch));
    return bodies;
  }

  /** No reading so far is newer, epoch ms; −Infinity before the first. */
  get newestEventMs(): number {
    return this.lastMs + this.repeats;
  }

  private patch(body: Body, timeMs: number): void {
    const { meterCount, firstMeter, format } = this.options;
    const pass = body.passes++;
    invariant(pass < PASSES_MAX, 'a run makes less than a million passes');
    const { bytes, view, timestampAt, powerAt, passAt } = body;
    for (let i = 0; i < body.slots; i++) {
      const slot = body.firstSlot + i;
      const meter = slot % meterCount;
      const timestamp = timeMs - ((firstMeter + meter) * 7919) % JITTER_MS + Math.floor(slot / meterCount);
      const hundredths = (pass * 7 + slot) % 100;
      if (format === 'msgpack') {
        view.setFloat64(timestampAt[i], timestamp);
        view.setFloat64(powerAt[i], basePowerKw(firstMeter + meter) + hundredths / 1_000);
      } else {
        this.patchTimestamp(body, i, timestamp);
        bytes[powerAt[i]] = 48 + ((hundredths / 10) | 0);
        bytes[powerAt[i] + 1] = 48 + (hundredths % 10);
      }
    }
    for (let i = 0; i < passAt.length; i++) writeDigits(bytes, passAt[i], pass, 6);
  }

  private patchTimestamp(body: Body, i: number, timestamp: number): void {
    const { bytes } = body;
    const at = body.timestampAt[i];
    const minute = Math.floor(timestamp / MINUTE_MS);
    if (body.minuteOf[i] !== minute) {
      body.minuteOf[i] = minute;
      bytes.set(this.minutePrefix(minute), at);
    }
    const inMinute = timestamp - minute * MINUTE_MS;
    const seconds = (inMinute / 1_000) | 0;
    bytes[at + MINUTE_CHARS] = 48 + ((seconds / 10) | 0);
    bytes[at + MINUTE_CHARS + 1] = 48 + (seconds % 10);
    writeDigits(bytes, at + MINUTE_CHARS + 3, inMinute - seconds * 1_000, 3);
  }

  private minutePrefix(minute: number): Buffer {
    let prefix = this.minutePrefixes.get(minute);
    if (prefix === undefined) {
      // A batch spans two minutes at most; older ones do not come back.
      if (this.minutePrefixes.size > 2) this.minutePrefixes = new Map();
      prefix = Buffer.from(new Date(minute * MINUTE_MS).toISOString().slice(0, MINUTE_CHARS), 'latin1');
      this.minutePrefixes.set(minute, prefix);
    }
    return prefix;
  }
}

export function meterIdOf(meter: number): string {
  return `meter-${String(meter).padStart(6, '0')}`;
}

/** One decimal: the second and third are patched. */
function basePowerKw(meter: number): number {
  return 1 + ((meter * 31) % 80) / 10;
}

/** Collects bytes and remembers where fields begin. */
class BodyWriter {
  readonly timestampAt: number[] = [];
  readonly passAt: number[] = [];
  readonly powerAt: number[] = [];
  private readonly parts: Buffer[] = [];
  length = 0;

  text(text: string): void {
    this.raw(Buffer.from(text, 'latin1'));
  }

  raw(bytes: Buffer): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }

  /** MessagePack fixstr, below 32 bytes. */
  packedText(text: string): void {
    this.raw(Buffer.from([0xa0 | text.length]));
    this.text(text);
  }

  packedNumber(value: number): void {
    const bytes = Buffer.alloc(9);
    bytes[0] = 0xcb;
    bytes.writeDoubleBE(value, 1);
    this.raw(bytes);
  }

  toBody(head: string, firstSlot: number): Body {
    const offset = head.length;
    const bytes = Buffer.concat([Buffer.from(head, 'latin1'), ...this.parts]);
    const shifted = (places: number[]) => Uint32Array.from(places, (place) => place + offset);
    return {
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
      firstSlot,
      slots: this.timestampAt.length,
      timestampAt: shifted(this.timestampAt),
      passAt: shifted(this.passAt),
      powerAt: shifted(this.powerAt),
      minuteOf: new Float64Array(this.timestampAt.length).fill(NaN),
      passes: 0,
      passesAccepted: 0,
    };
  }
}

function renderBody(options: ReadingSourceOptions, firstSlot: number): Body {
  const { format, readingsPerBatch, meterCount } = options;
  const writer = new BodyWriter();
  const isArray = readingsPerBatch > 1;
  if (isArray && format === 'msgpack') writer.raw(Buffer.from([0xdc, readingsPerBatch >> 8, readingsPerBatch & 0xff]));
  if (isArray && format === 'json') writer.text('[');
  for (let i = 0; i < readingsPerBatch; i++) {
    const slot = firstSlot + i;
    const meter = options.firstMeter + (slot % meterCount);
    const readingId = options.withReadingIds ? `${meterIdOf(meter)}-${options.runId}-${String(Math.floor(slot / meterCount)).padStart(2, '0')}000000` : null;
    if (format === 'msgpack') packReading(writer, meter, readingId);
    else {
      if (i > 0) writer.text(',');
      writeReading(writer, meter, readingId);
    }
  }
  if (isArray && format === 'json') writer.text(']');
  return writer.toBody(options.head(writer.length), firstSlot);
}

function measurementsOf(meter: number): { energyKwh: number; voltage: number; current: number; frequency: number } {
  return {
    energyKwh: (31 + (meter % 40)) / 10_000,
    voltage: (2_281 + (meter % 38)) / 10,
    current: (501 + (meter % 400)) / 100,
    frequency: (4_997 + (meter % 6)) / 100,
  };
}

/** Of the meter with this number. */
export function regionOf(meter: number): string {
  return `region-${String((meter % REGIONS) + 1).padStart(2, '0')}`;
}

/** 214 bytes with a readingId, as DESIGN's numbers assume. */
function writeReading(writer: BodyWriter, meter: number, readingId: string | null): void {
  const { energyKwh, voltage, current, frequency } = measurementsOf(meter);
  writer.text('{');
  if (readingId !== null) {
    writer.text(`"readingId":"${readingId}`);
    writer.passAt.push(writer.length - 6);
    writer.text('",');
  }
  writer.text(`"meterId":"${meterIdOf(meter)}","region":"${regionOf(meter)}","timestamp":"`);
  writer.timestampAt.push(writer.length);
  writer.text(`2000-01-01T00:00:00.000Z","powerKw":${basePowerKw(meter).toFixed(1)}`);
  writer.powerAt.push(writer.length);
  writer.text(`00,"energyKwh":${energyKwh.toFixed(4)},"voltage":${voltage.toFixed(1)},"current":${current.toFixed(2)},"frequency":${frequency.toFixed(2)}}`);
}

function packReading(writer: BodyWriter, meter: number, readingId: string | null): void {
  writer.raw(Buffer.from([0x80 | (readingId === null ? 8 : 9)]));
  if (readingId !== null) {
    writer.packedText('readingId');
    writer.packedText(readingId);
    writer.passAt.push(writer.length - 6);
  }
  writer.packedText('meterId');
  writer.packedText(meterIdOf(meter));
  writer.packedText('region');
  writer.packedText(regionOf(meter));
  writer.packedText('timestamp');
  writer.timestampAt.push(writer.length + 1);
  writer.packedNumber(0);
  writer.packedText('powerKw');
  writer.powerAt.push(writer.length + 1);
  writer.packedNumber(0);
  for (const [name, value] of Object.entries(measurementsOf(meter))) {
    writer.packedText(name);
    writer.packedNumber(value);
  }
}

function writeDigits(bytes: Uint8Array, at: number, value: number, digits: number): void {
  let rest = value;
  for (let k = digits - 1; k >= 0; k--) {
    const tenth = (rest / 10) | 0;
    bytes[at + k] = 48 + rest - tenth * 10;
    rest = tenth;
  }
}
