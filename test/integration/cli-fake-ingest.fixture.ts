import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { unpack } from 'msgpackr';
import { createBodyDecoder } from '../../src/actors/ingest/body-decoder.ts';
import type { BodyFormat } from '../../src/actors/ingest/protocol.ts';

export interface FakeReading {
  meterId: string;
  region: string;
  timestamp: number;
  powerKw: number;
  [field: string]: unknown;
}

const CORRECTION_HORIZON_MS = 40 * 86_400_000;

type Refusal = { status: number; headers?: Record<string, string> } | 'hang up';

/** An ingest port that validates with the engine's decoder, keeps what it is sent, knows duplicates and conflicts by natural key, and refuses when told to. */
export class FakeIngest {
  readonly readings = new Map<string, FakeReading>();
  readonly rejected: unknown[] = [];
  duplicates = 0;
  requests = 0;
  /** Answers of the next requests, in order; then all are taken. */
  refusals: Refusal[] = [];
  /** Called after a batch was taken, before its ack. */
  beforeAck: () => void | Promise<void> = () => undefined;
  requestTimesMs: number[] = [];
  private readonly newestMs = new Map<string, number>();
  private readonly decode = createBodyDecoder();
  private readonly server = http.createServer((request, response) => void this.handle(request, response));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    this.requests++;
    this.requestTimesMs.push(performance.now());
    const refusal = this.refusals.shift();
    if (refusal === 'hang up') return void request.socket.destroy();
    if (refusal !== undefined) {
      response.writeHead(refusal.status, { 'content-type': 'application/problem+json', ...refusal.headers });
      return void response.end(JSON.stringify({ title: 'refused', detail: 'as the test asked', status: refusal.status }));
    }
    const body = Buffer.concat(chunks);
    const summary = this.take(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body, request.headers['content-type'] ?? '');
    await this.beforeAck();
    response.writeHead(202, { 'content-type': 'application/json' });
    response.end(JSON.stringify(summary));
  }

  private take(body: Buffer, type: string): object {
    const format = formatOf(type);
    const refused = new Map<number, string>();
    const reject = (index: number, code: string) => void refused.set(index, code);
    const unreadable = this.decode(body, format, Date.now(), { accept: () => undefined, reject });
    if (unreadable !== null) throw new Error(`the fake engine cannot read the body: ${unreadable.message}`);
    const summary = { accepted: 0, duplicates: 0, rejected: 0, errors: [] as object[] };
    elementsOf(body, format).forEach((element, index) => {
      const reading = element as FakeReading;
      const code = refused.get(index) ?? this.keep(reading);
      if (code === 'accepted' || code === 'duplicates') {
        summary[code]++;
        return;
      }
      this.rejected.push(element);
      summary.rejected++;
      summary.errors.push({ index, code, message: 'not a reading' });
    });
    return summary;
  }

  private keep(reading: FakeReading): string {
    const key = `${reading.meterId} ${reading.timestamp}`;
    const known = this.readings.get(key);
    if (known !== undefined) {
      if (known.powerKw !== reading.powerKw) return 'conflict';
      this.duplicates++;
      return 'duplicates';
    }
    const newestMs = this.newestMs.get(reading.meterId) ?? 0;
    if (reading.timestamp < newestMs - CORRECTION_HORIZON_MS) return 'too_late';
    this.newestMs.set(reading.meterId, Math.max(newestMs, reading.timestamp));
    this.readings.set(key, reading);
    return 'accepted';
  }
}

function formatOf(type: string): BodyFormat {
  if (type === 'application/msgpack') return 'msgpack';
  return type === 'application/json' ? 'json' : 'ndjson';
}

function elementsOf(body: Buffer, format: BodyFormat): unknown[] {
  if (format === 'msgpack') return unpack(body) as unknown[];
  const text = body.toString('utf8');
  if (format === 'json') return JSON.parse(text) as unknown[];
  return text.split('\n').filter((line) => line !== '').map((line) => {
    try {
      return JSON.parse(line) as unknown;
    } catch {
      return null;
    }
  });
}
