import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { unpack } from 'msgpackr';

export interface FakeReading {
  meterId: string;
  region: string;
  timestamp: number;
  powerKw: number;
  [field: string]: unknown;
}

type Refusal = { status: number; headers?: Record<string, string> } | 'hang up';

/** An ingest port that keeps what it is sent, knows duplicates by natural key, and refuses when told to. */
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
  mostInFlight = 0;
  private inFlight = 0;
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
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    } finally {
      this.inFlight--;
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
    this.inFlight++;
    await this.beforeAck();
    this.inFlight--;
    response.writeHead(202, { 'content-type': 'application/json' });
    response.end(JSON.stringify(summary));
  }

  private take(body: Buffer, type: string): object {
    const summary = { accepted: 0, duplicates: 0, rejected: 0, errors: [] as object[] };
    elementsOf(body, type).forEach((element, index) => {
      const reading = element as FakeReading | null;
      const good = reading !== null && typeof reading === 'object' && typeof reading.meterId === 'string' && Number.isInteger(reading.timestamp) && Number.isFinite(reading.powerKw);
      if (!good) {
        this.rejected.push(element);
        summary.rejected++;
        summary.errors.push({ index, code: 'invalid_type', message: 'not a reading' });
        return;
      }
      const key = `${reading.meterId} ${reading.timestamp}`;
      if (this.readings.has(key)) {
        this.duplicates++;
        summary.duplicates++;
      } else {
        this.readings.set(key, reading);
        summary.accepted++;
      }
    });
    return summary;
  }
}

function elementsOf(body: Buffer, type: string): unknown[] {
  if (type === 'application/msgpack') return unpack(body) as unknown[];
  const text = body.toString('utf8');
  if (type === 'application/json') return JSON.parse(text) as unknown[];
  return text.split('\n').filter((line) => line !== '').map((line) => {
    try {
      return JSON.parse(line) as unknown;
    } catch {
      return null;
    }
  });
}
