import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { unpack } from 'msgpackr';
import { afterEach, describe, expect, it } from 'vitest';
import { loadOptions, runFixedRate } from '../../bench/load/fixed-rate.ts';
import { checkCounts } from '../../bench/load/grid-check.ts';
import type { LoadInterval } from '../../bench/load/load-events.ts';
import { ReadingSource, type ReadingSourceOptions } from '../../bench/load/reading-source.ts';

const NOW_MS = Date.parse('2026-11-23T14:59:59.500Z');

interface SentReading {
  readingId?: string;
  meterId: string;
  timestamp: string | number;
  powerKw: number;
}

function sourceOf(overrides: Partial<ReadingSourceOptions>): ReadingSource {
  return new ReadingSource({
    format: 'json',
    firstMeter: 0,
    meterCount: 1_250,
    readingsPerBatch: 500,
    withReadingIds: true,
    runId: NOW_MS.toString(36),
    eventTime: { kind: 'wall' },
    head: () => '',
    ...overrides,
  });
}

function readingsOf(source: ReadingSource, body: number, format: 'json' | 'msgpack'): SentReading[] {
  const bytes = source.bytesOf(body);
  const parsed = (format === 'json' ? JSON.parse(bytes.toString()) : unpack(bytes)) as SentReading | SentReading[];
  return Array.isArray(parsed) ? parsed : [parsed];
}

describe('the source of readings', () => {
  for (const format of ['json', 'msgpack'] as const) {
    for (const [what, shape] of [
      ['batches over many meters', { meterCount: 1_250, readingsPerBatch: 500 }],
      ['batches with a meter many times over', { meterCount: 7, readingsPerBatch: 100 }],
      ['single readings', { meterCount: 5, readingsPerBatch: 1 }],
    ] as const) {
      it(`sends strictly newer readings of each meter, with ids of their own: ${format}, ${what}`, () => {
        const source = sourceOf({ format, ...shape });
        const newest = new Map<string, number>();
        const ids = new Set<string>();
        let sent = 0;
        for (let k = 0; k < 40; k++) {
          // The clock stands still for some of the batches, and passes a minute.
          const body = source.next(NOW_MS + Math.floor(k / 3) * 200);
          for (const { readingId, meterId, timestamp } of readingsOf(source, body, format)) {
            const atMs = typeof timestamp === 'number' ? timestamp : Date.parse(timestamp);
            expect(atMs).toBeGreaterThan(newest.get(meterId) ?? -Infinity);
            expect(Math.abs(atMs - NOW_MS)).toBeLessThan(10_000);
            newest.set(meterId, atMs);
            ids.add(readingId!);
            sent++;
          }
        }
        expect(sent).toBe(40 * shape.readingsPerBatch);
        expect(ids.size).toBe(sent);
        expect(newest.size).toBe(shape.meterCount);
      });
    }
  }

  it('renders a reading in about the 214 bytes that the goals assume', () => {
    expect(sourceOf({}).bytesPerReading).toBeGreaterThanOrEqual(210);
    expect(sourceOf({}).bytesPerReading).toBeLessThanOrEqual(218);
  });

  it('varies power, so that no meter looks flat', () => {
    const source = sourceOf({ meterCount: 1, readingsPerBatch: 1 });
    const powers = new Set(Array.from({ length: 10 }, (_, k) => readingsOf(source, source.next(NOW_MS + k), 'json')[0].powerKw));
    expect(powers.size).toBe(10);
  });

  it('moves event time by one step a pass', () => {
    const source = sourceOf({ meterCount: 2, readingsPerBatch: 2, eventTime: { kind: 'stepped', startMs: 1_000_000_000_000, stepMs: 60_000 } });
    const first = readingsOf(source, source.next(NOW_MS), 'json');
    const second = readingsOf(source, source.next(NOW_MS), 'json');
    expect(Date.parse(second[1].timestamp as string) - Date.parse(first[1].timestamp as string)).toBe(60_000);
    expect(source.passesDone).toBe(2);
  });

  it('counts the readings of a meter in bodies that were accepted whole', () => {
    const source = sourceOf({ meterCount: 3, readingsPerBatch: 2 });
    source.acceptedWhole(source.next(NOW_MS));
    source.acceptedWhole(source.next(NOW_MS));
    source.next(NOW_MS);
    // Bodies hold meters 0 1 and 2 0; the third sending was not accepted.
    expect([0, 1, 2].map((meter) => source.acceptedOf(meter))).toEqual([2, 1, 1]);
  });
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(handler: (request: IncomingMessage, body: string, response: ServerResponse) => void): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handler(request, Buffer.concat(chunks).toString(), response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(text) }).end(text);
}

const ACCEPTED = '{"accepted":10,"duplicates":0,"rejected":0,"errors":[]}';
const SMALL = { meters: 40, readingsPerBatch: 10, connections: 2, warmupMs: 0, durationMs: 300, sampleSize: 4 };
/** Its end does not depend on how fast it is. */
const COUNTED = { ...SMALL, durationMs: 60_000, passes: 20 };

describe('the generator of load', () => {
  it('counts what it sent as the server does', async () => {
    let received = 0;
    const port = await serve((_request, body, response) => {
      received += (JSON.parse(body) as unknown[]).length;
      answer(response, 202, ACCEPTED);
    });
    const result = await runFixedRate(loadOptions({ port, ...COUNTED }));
    expect(received).toBe(20 * 40);
    expect(result.total.readingsAccepted).toBe(received);
    expect(result.total.readingsSent).toBe(received);
    expect(result.sample.map(({ meterId }) => meterId)).toEqual(['meter-000000', 'meter-000010', 'meter-000020', 'meter-000030']);
    // Two connections with twenty meters each, batches of ten: one meter of each of the four bodies, so together all requests.
    const readings = result.sample.map((meter) => meter.readings);
    expect(readings.reduce((sum, each) => sum + each, 0)).toBe(result.total.requests);
    expect(Math.abs(readings[0] - readings[1]), 'a connection sends its bodies in turn').toBeLessThanOrEqual(1);
  });

  it('charges a stall to every request that was due meanwhile', async () => {
    let requests = 0;
    const port = await serve((_request, _body, response) => {
      requests++;
      setTimeout(() => answer(response, 202, ACCEPTED), requests === 20 ? 400 : 0);
    });
    const result = await runFixedRate(loadOptions({ port, ...SMALL, connections: 1, readingsPerSecond: 1_000, durationMs: 1_000 }));
    // One request of a hundred stalled; at a rate of 100/s about forty were due meanwhile.
    expect(result.latencyMs.p90).toBeGreaterThan(100);
  });

  it('charges requests that were never sent', async () => {
    const port = await serve((_request, _body, response) => setTimeout(() => answer(response, 202, ACCEPTED), 100));
    const result = await runFixedRate(loadOptions({ port, ...SMALL, connections: 1, readingsPerSecond: 1_000, durationMs: 1_000 }));
    expect(result.unsent).toBeGreaterThan(50);
    expect(result.latencyMs.p50).toBeGreaterThan(200);
  });

  it('reports refusals and readings that were not accepted', async () => {
    let requests = 0;
    const port = await serve((_request, _body, response) => {
      requests++;
      if (requests === 1) answer(response, 503, '{}');
      else answer(response, 202, requests === 2 ? '{"accepted":9,"duplicates":1,"rejected":0,"errors":[]}' : ACCEPTED);
    });
    const result = await runFixedRate(loadOptions({ port, ...COUNTED }));
    expect(result.errors).toEqual({ 503: 1, notAccepted: 1 });
    expect(result.total.readingsAccepted).toBe(result.total.readingsSent - 11);
  });

  it('leaves meters in doubt out of the sample', async () => {
    let requests = 0;
    const port = await serve((_request, _body, response) => {
      requests++;
      if (requests === 1) answer(response, 503, '{}');
      else answer(response, 202, ACCEPTED);
    });
    const result = await runFixedRate(loadOptions({ port, ...COUNTED }));
    expect(result.total.readingsRefused).toBe(10);
    // Two bodies a connection: the first of one connection was refused.
    expect(result.sample).toHaveLength(3);
  });

  it('tells of each part of the time as it ends', async () => {
    const port = await serve((_request, _body, response) => answer(response, 202, ACCEPTED));
    const intervals: LoadInterval[] = [];
    const options = loadOptions({ port, ...SMALL, readingsPerSecond: 2_000, durationMs: 450, reportEveryMs: 100 });
    const result = await runFixedRate(options, { onInterval: (interval) => void intervals.push(interval) });
    // Four whole ones and a half, or fewer and longer when this process is held up.
    expect(intervals.length).toBeLessThanOrEqual(5);
    expect(intervals.slice(0, -1).filter(({ measuredMs }) => measuredMs < 100)).toEqual([]);
    expect(intervals.reduce((sum, { measuredMs }) => sum + measuredMs, 0)).toBeGreaterThanOrEqual(450);
    const readings = intervals.map(({ readingsPerSecond, measuredMs }) => (readingsPerSecond * measuredMs) / 1_000);
    expect(readings.reduce((sum, each) => sum + each, 0)).toBeCloseTo((result.readingsPerSecond * result.measuredMs) / 1_000, 6);
    expect(Math.max(...intervals.map(({ latencyMs }) => latencyMs?.p50 ?? 0))).toBeGreaterThan(0);
  });

  it('waits until it is told to begin', async () => {
    let received = 0;
    const port = await serve((_request, _body, response) => {
      received++;
      answer(response, 202, ACCEPTED);
    });
    let begin = (): void => {};
    const run = runFixedRate(loadOptions({ port, ...SMALL }), { start: new Promise((resolve) => (begin = resolve)) });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(received).toBe(0);
    begin();
    expect((await run).total.requests).toBeGreaterThan(0);
  });

  it('fails when a connection breaks', async () => {
    const port = await serve((request) => request.socket.destroy());
    await expect(runFixedRate(loadOptions({ port, ...SMALL }))).rejects.toThrow(/broke/);
  });

  it('ends after so many passes over all meters', async () => {
    const port = await serve((_request, _body, response) => answer(response, 202, ACCEPTED));
    const result = await runFixedRate(loadOptions({ port, ...SMALL, durationMs: 10_000, passes: 3 }));
    expect(result.total.readingsAccepted).toBe(120);
  });
});

describe('the check of counts', () => {
  const engine = (accepted: number, inWindows: number) =>
    serve((request, _body, response) => {
      const text = request.url === '/metrics' ? `seg_readings_total{outcome="accepted",thread="ingest-0"} ${accepted}\n` : JSON.stringify({ data: [{ count: inWindows }], nextCursor: null });
      answer(response, 200, text);
    });
  const check = async (port: number, accepted: number, slack = 0) =>
    checkCounts({ ingest: port, http: port, ops: port }, 0, accepted, [{ meterId: 'meter-000000', readings: 5 }], slack);

  it('passes when engine and sender agree', async () => {
    await expect(check(await engine(100, 5), 100)).resolves.toContain('100 readings');
  });

  it('fails when the engine counted fewer readings, or more than were on their way', async () => {
    await expect(check(await engine(99, 5), 100)).rejects.toThrow('the engine counted 99');
    await expect(check(await engine(103, 5), 100, 2)).rejects.toThrow('the engine counted 103');
    await expect(check(await engine(102, 5), 100, 2)).resolves.toBeDefined();
  });

  it('fails when a meter\'s windows miss a reading', async () => {
    await expect(check(await engine(100, 4), 100)).rejects.toThrow('meter-000000 has 4 readings in its 1m windows');
  });
});
