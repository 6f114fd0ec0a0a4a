import { createHash } from 'node:crypto';
import { availableParallelism, cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Packr, Unpackr } from 'msgpackr';
import { JsonReadingDecoder } from '../../src/actors/ingest/json-decoder.ts';
import { MsgpackReadingDecoder } from '../../src/actors/ingest/msgpack-decoder.ts';
import type { DecodedReading, ReadingSink } from '../../src/model/decoded-reading.ts';
import { ReadingBatchBuilder } from '../../src/model/reading-batch.ts';

/** Decoders of the ingest path on one thread, beside the general parsers they replace. Leaves out sockets, gzip and routing. */

/** One measured line. `readingsPerSecond` is the median of the rounds, `low` and `high` their extremes. */
export interface DecodeRow {
  name: string;
  readingsPerSecond: number;
  low: number;
  high: number;
  bytesPerReading: number;
  /** Of everything that was decoded, so that a run shows it did the work. */
  resultHash: string;
}

const READINGS_PER_BATCH = 500;
/** Batches decoded in turn, so that branch predictors cannot learn one by heart. */
const BATCHES = 20;
/** `roundMs` is the least time of a round; each decodes every batch at least once. */
export interface DecodeEffort {
  rounds: number;
  roundMs: number;
}

export const DECODE_FULL: DecodeEffort = { rounds: 9, roundMs: 200 };
const NOW_MS = Date.parse('2026-03-01T12:00:00Z');

/** Adds up what it is given. */
class SummingSink implements ReadingSink {
  accepted = 0;
  rejected = 0;
  sum = 0;
  accept(_index: number, reading: DecodedReading): void {
    this.accepted++;
    this.sum += reading.powerKw + reading.timestamp + reading.meterHash + reading.regionLength;
  }
  reject(): void {
    this.rejected++;
  }
}

/** Copies readings into a batch's columns, as the ingest thread does. */
class BatchSink extends SummingSink {
  private readonly builder = new ReadingBatchBuilder();
  private readonly empty = this.builder.mark();
  override accept(_index: number, reading: DecodedReading): void {
    this.accepted++;
    this.sum += this.builder.append(reading);
  }
  clear(): void {
    this.builder.rollback(this.empty);
  }
}

/** A reading of about 214 bytes as JSON, DESIGN's size; values vary from one to the next. */
function makeReading(i: number): Record<string, unknown> {
  const wobble = ((i * 7919) % 1000) / 1000;
  return {
    meterId: `meter-${String((i * 7919) % 100_000).padStart(6, '0')}`,
    region: `region-${String(i % 10).padStart(2, '0')}`,
    timestamp: new Date(NOW_MS - 600_000 + (i % 600) * 1000 + (i % 997)).toISOString(),
    powerKw: Math.round((1.2 + wobble * 3) * 1000) / 1000,
    energyKwh: Math.round((0.003 + wobble / 50) * 1e5) / 1e5,
    voltage: Math.round((229 + wobble * 3) * 10) / 10,
    current: Math.round((5 + wobble * 4) * 100) / 100,
    frequency: Math.round((49.95 + wobble / 10) * 100) / 100,
    powerFactor: Math.round((0.9 + wobble / 11) * 100) / 100,
    seq: 100_000 + i,
    status: 'OK',
  };
}

function measure({ rounds, roundMs }: DecodeEffort, name: string, bytesPerReading: number, readingsPerTurn: number, turn: (batch: number) => number): DecodeRow {
  const rates: number[] = [];
  const results: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const startedAt = performance.now();
    let turns = 0;
    let elapsedMs = 0;
    do {
      const result = turn(turns % BATCHES);
      if (round === -2 && turns < BATCHES) results.push(result);
      turns++;
      elapsedMs = performance.now() - startedAt;
    } while (elapsedMs < roundMs || turns < BATCHES);
    if (round >= 0) rates.push((turns * readingsPerTurn * 1000) / elapsedMs);
  }
  rates.sort((a, b) => a - b);
  return {
    name,
    readingsPerSecond: rates[rounds >> 1],
    low: rates[0],
    high: rates[rounds - 1],
    bytesPerReading,
    resultHash: createHash('sha256').update(JSON.stringify(results)).digest('hex').slice(0, 12),
  };
}

/** Measures every decoder; about half a minute. */
export function run(effort: DecodeEffort = DECODE_FULL): DecodeRow[] {
  const batches = Array.from({ length: BATCHES }, (_, b) => Array.from({ length: READINGS_PER_BATCH }, (_, i) => makeReading(b * READINGS_PER_BATCH + i)));
  const packr = new Packr({ useRecords: false });
  const json = batches.map((batch) => Buffer.from(JSON.stringify(batch)));
  const ndjson = batches.map((batch) => Buffer.from(batch.map((reading) => JSON.stringify(reading)).join('\n') + '\n'));
  const single = batches.map((batch) => Buffer.from(JSON.stringify(batch[0])));
  // Copied out of msgpackr's shared buffer.
  const msgpack = batches.map((batch) => Uint8Array.from(packr.pack(batch)));
  const bytesEach = (bodies: readonly Uint8Array[], readings: number) => bodies.reduce((sum, body) => sum + body.length, 0) / bodies.length / readings;
  const n = READINGS_PER_BATCH;

  const jsonDecoder = new JsonReadingDecoder();
  const msgpackDecoder = new MsgpackReadingDecoder();
  const unpackr = new Unpackr({ useRecords: false });
  const batchSink = new BatchSink();
  const decode = (call: (sink: SummingSink) => unknown): number => {
    const sink = new SummingSink();
    if (call(sink) !== null || sink.rejected > 0) throw new Error('the benchmark decodes something it should not');
    return sink.sum;
  };
  return [
    measure(effort, 'json array: decoder', bytesEach(json, n), n, (b) => decode((sink) => jsonDecoder.decodeJson(json[b], NOW_MS, sink))),
    measure(effort, 'json array: decoder into batch columns', bytesEach(json, n), n, (b) => {
      jsonDecoder.decodeJson(json[b], NOW_MS, batchSink);
      batchSink.clear();
      return b;
    }),
    measure(effort, 'json array: JSON.parse', bytesEach(json, n), n, (b) => JSON.parse(json[b].toString('utf8')).length),
    measure(effort, 'json object: decoder', bytesEach(single, 1), 1, (b) => decode((sink) => jsonDecoder.decodeJson(single[b], NOW_MS, sink))),
    measure(effort, 'ndjson: decoder', bytesEach(ndjson, n), n, (b) => decode((sink) => jsonDecoder.decodeNdjson(ndjson[b], NOW_MS, sink))),
    measure(effort, 'msgpack array: decoder', bytesEach(msgpack, n), n, (b) => decode((sink) => msgpackDecoder.decodeMsgpack(msgpack[b], NOW_MS, sink))),
    measure(effort, 'msgpack array: decoder into batch columns', bytesEach(msgpack, n), n, (b) => {
      msgpackDecoder.decodeMsgpack(msgpack[b], NOW_MS, batchSink);
      batchSink.clear();
      return b;
    }),
    measure(effort, 'msgpack array: msgpackr', bytesEach(msgpack, n), n, (b) => (unpackr.unpack(msgpack[b]) as unknown[]).length),
  ];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(`${cpus()[0].model}, ${availableParallelism()} cores, node ${process.version}\n`);
  for (const row of run()) {
    const million = (rate: number) => (rate / 1e6).toFixed(2);
    process.stdout.write(
      `${row.name.padEnd(44)} ${million(row.readingsPerSecond)} M readings/s (${million(row.low)}–${million(row.high)}), ${row.bytesPerReading.toFixed(0)} bytes each, result ${row.resultHash}\n`,
    );
  }
}
