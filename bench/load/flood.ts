import { pathToFileURL } from 'node:url';
import type { MeterCount } from './grid-check.ts';
import { LoadConnection } from './load-connection.ts';
import { printEvent, type SendingEnded } from './load-events.ts';
import { meterIdOf, ReadingSource } from './reading-source.ts';

/**
 * Far more than an engine can take, as a process of its own: many connections, each of which offers its batch again until it is taken. What
 * was refused goes out again byte for byte, so an offer costs the sender little more than the copy into the socket.
 */

export interface FloodOptions {
  host: string;
  port: number;
  connections: number;
  /** Spread evenly over the connections. */
  meters: number;
  readingsPerBatch: number;
  /** To be offered; fewer are when every connection waits for an answer. */
  readingsPerSecond: number;
  durationMs: number;
  /** Meters whose counts are given for a check against the engine. */
  sampleSize: number;
}

export interface FloodResult {
  /** Readings a second that went out, refused ones among them. */
  offeredPerSecond: number;
  acceptedPerSecond: number;
  requests: number;
  /** Answers by status. */
  answers: Record<string, number>;
  /** Answers that are neither 202 nor 429 or 503 with Retry-After, and requests whose connection broke. The first few, in words. */
  faults: string[];
  faultCount: number;
  /** Distinct readings that were acknowledged. */
  acknowledged: number;
  /** Readings of batches in doubt: refused with 503 or cut off, and not acknowledged since. The engine may hold those, it had begun to store them; of a 429 it took nothing. */
  uncertain: number;
  /** Without meters whose last batch is in doubt. */
  sample: MeterCount[];
}

/** Above the engine's own deadline for an append (10 s). */
const LAST_ANSWERS_MS = 20_000;
const TICK_MS = 2;
const FAULTS_SHOWN_MAX = 10;
/** Connections opened at once: the listen queue of the kernel is short. */
const OPENING_MAX = 100;

interface Lane {
  number: number;
  source: ReadingSource;
  connection: LoadConnection | null;
  body: number;
  inFlight: boolean;
  /** The engine may hold the batch though it did not acknowledge it. */
  inDoubt: boolean;
}

/** Runs one flood; resolves when its last answer is there. `onSendingEnded` is called when its last request is out. */
export async function runFlood(options: FloodOptions, onSendingEnded: (ended: SendingEnded) => void = () => {}): Promise<FloodResult> {
  const flood = new Flood(options);
  try {
    return await flood.run(onSendingEnded);
  } finally {
    flood.close();
  }
}

class Flood {
  private readonly options: FloodOptions;
  private readonly lanes: Lane[] = [];
  private readonly free: Lane[] = [];
  private readonly result = { requests: 0, readingsSent: 0, accepted: 0, faultCount: 0 };
  private readonly answers: Record<string, number> = {};
  private readonly faults: string[] = [];
  private inFlight = 0;
  private ending = false;

  constructor(options: FloodOptions) {
    this.options = options;
  }

  async run(onSendingEnded: (ended: SendingEnded) => void): Promise<FloodResult> {
    await this.open();
    const { durationMs, readingsPerSecond, readingsPerBatch } = this.options;
    const startMs = performance.now();
    let sent = 0;
    while (performance.now() - startMs < durationMs) {
      const due = Math.floor(((performance.now() - startMs) * readingsPerSecond) / 1_000 / readingsPerBatch);
      // What could not be sent in time is not made up for later: the flood is as wide as its connections.
      for (let room = Math.min(this.free.length, due - sent); room > 0; room--) this.send(this.free.shift()!);
      sent = due;
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    const measuredMs = performance.now() - startMs;
    const offered = this.result.readingsSent;
    onSendingEnded({ event: 'sendingEnded', atMs: Date.now(), newestEventMs: Math.max(...this.lanes.map(({ source }) => source.newestEventMs)) });
    this.ending = true;
    const deadline = performance.now() + LAST_ANSWERS_MS;
    while (this.inFlight > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    if (this.inFlight > 0) this.fault(`${this.inFlight} requests were not answered`, this.inFlight);
    return {
      offeredPerSecond: (offered * 1_000) / measuredMs,
      acceptedPerSecond: (this.result.accepted * 1_000) / measuredMs,
      requests: this.result.requests,
      answers: this.answers,
      faults: this.faults,
      faultCount: this.result.faultCount,
      acknowledged: this.result.accepted,
      uncertain: this.lanes.filter(({ inDoubt, inFlight }) => inDoubt || inFlight).length * readingsPerBatch,
      sample: this.sample(),
    };
  }

  close(): void {
    this.ending = true;
    for (const { connection } of this.lanes) connection?.close();
  }

  private async open(): Promise<void> {
    const { host, port, connections, meters, readingsPerBatch } = this.options;
    const runId = Date.now().toString(36);
    const head = (bytes: number): string => `POST /ingest HTTP/1.1\r\nhost: ${host}:${port}\r\ncontent-type: application/json\r\ncontent-length: ${String(bytes).padStart(8, '0')}\r\n\r\n`;
    for (let k = 0; k < connections; k++) {
      const from = Math.floor((meters * k) / connections);
      const meterCount = Math.floor((meters * (k + 1)) / connections) - from;
      const source = new ReadingSource({ format: 'json', firstMeter: from, meterCount, readingsPerBatch, withReadingIds: true, runId, eventTime: { kind: 'wall' }, head });
      const lane: Lane = { number: k, source, connection: null, body: source.next(Date.now()), inFlight: false, inDoubt: false };
      this.lanes.push(lane);
    }
    for (let k = 0; k < connections; k += OPENING_MAX) await Promise.all(this.lanes.slice(k, k + OPENING_MAX).map((lane) => this.connect(lane)));
  }

  private async connect(lane: Lane): Promise<void> {
    const { host, port } = this.options;
    lane.connection = await LoadConnection.open(host, port, {
      onAnswer: (status, body, head) => this.answered(lane, status, body, head),
      onBroken: (reason) => this.broken(lane, reason),
    });
    this.free.push(lane);
  }

  private send(lane: Lane): void {
    lane.inFlight = true;
    this.inFlight++;
    this.result.requests++;
    this.result.readingsSent += lane.source.readingsOf(lane.body);
    lane.connection!.send(lane.source.bytesOf(lane.body));
  }

  private answered(lane: Lane, status: number, body: Buffer, head: string): void {
    lane.inFlight = false;
    this.inFlight--;
    this.answers[status] = (this.answers[status] ?? 0) + 1;
    if (status === 202) this.accepted(lane, body);
    else {
      lane.inDoubt ||= status !== 429;
      const refusal = status === 429 || status === 503;
      if (!refusal || !/\r\nretry-after: *\d+/i.test(head)) this.fault(`an answer ${status}${refusal ? ' without Retry-After' : ''}: ${body.toString('latin1', 0, 200)}`);
    }
    this.free.push(lane);
  }

  private accepted(lane: Lane, body: Buffer): void {
    const { accepted, duplicates } = JSON.parse(body.toString('latin1')) as { accepted: number; duplicates: number };
    const size = lane.source.readingsOf(lane.body);
    if (accepted + duplicates === size && (duplicates === 0 || lane.inDoubt)) lane.source.acceptedWhole(lane.body);
    else this.fault(`a batch of ${size} was answered ${accepted} accepted and ${duplicates} duplicates`);
    this.result.accepted += size;
    lane.inDoubt = false;
    lane.body = lane.source.next(Date.now());
  }

  private broken(lane: Lane, reason: string): void {
    if (lane.inFlight) {
      this.inFlight--;
      lane.inFlight = false;
      lane.inDoubt = true;
      this.fault(`a request's connection broke: ${reason}`);
    }
    const at = this.free.indexOf(lane);
    if (at >= 0) this.free.splice(at, 1);
    if (!this.ending) this.connect(lane).catch((error: Error) => this.fault(`a connection was refused: ${error.message}`));
  }

  private fault(text: string, count = 1): void {
    this.result.faultCount += count;
    if (this.faults.length < FAULTS_SHOWN_MAX) this.faults.push(text);
  }

  /** The meters that runFixedRate samples too, without those whose last batch is in doubt. */
  private sample(): FloodResult['sample'] {
    const { meters, connections, sampleSize } = this.options;
    const sample: FloodResult['sample'] = [];
    for (let k = 0; k < Math.min(sampleSize, meters); k++) {
      const meter = Math.floor((meters * k) / Math.min(sampleSize, meters));
      const lane = this.lanes.findLast(({ number }) => Math.floor((meters * number) / connections) <= meter)!;
      if (lane.inDoubt || lane.inFlight) continue;
      sample.push({ meterId: meterIdOf(meter), readings: lane.source.acceptedOf(meter - Math.floor((meters * lane.number) / connections)) });
    }
    return sample;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const at = process.argv.indexOf('--options');
  if (at < 0) {
    process.stderr.write('node bench/load/flood.ts --options <JSON of FloodOptions>; started by overload.ts\n');
    process.exit(2);
  }
  process.stdout.write(`${JSON.stringify(await runFlood(JSON.parse(process.argv[at + 1]) as FloodOptions, printEvent))}\n`);
}
