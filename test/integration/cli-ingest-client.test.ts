import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IngestClient } from '../../src/cli/ingest-client.ts';
import { LatencyHistogram } from '../../src/cli/latency-histogram.ts';
import { RETRY_CAP_MS, parseRetryAfterMs, retryDelayMs } from '../../src/cli/retry-policy.ts';
import { FakeIngest } from './cli-fake-ingest.fixture.ts';

const reading = (i: number) => ({ meterId: `m${i}`, region: 'r', timestamp: Date.UTC(2026, 0, 1), powerKw: i });
let engine: FakeIngest;
let url: string;

beforeEach(async () => {
  engine = new FakeIngest();
  url = await engine.listen();
});
afterEach(() => engine.close());

describe('the ingest client', () => {
  it.each(['json', 'ndjson', 'msgpack'] as const)('delivers %s, plain and gzip, and counts what became of it', async (format) => {
    for (const gzip of [false, true]) {
      const client = new IngestClient({ url, format, gzip });
      const spoiled = { json: '{"meterId":"m","region":"r","timestamp":1767225600000,"powerKw":1e999}', value: { ...reading(3), powerKw: Infinity } };
      expect(await client.post([reading(1), reading(2), spoiled])).toMatchObject({ accepted: gzip ? 0 : 2, duplicates: gzip ? 2 : 0, rejected: 1 });
      expect(client.totals.rejectedByCode).toEqual(new Map([['not_finite', 1]]));
      expect(client.ackLatency.quantileMs(0.5)).toBeGreaterThan(0);
      client.close();
    }
    expect([...engine.readings.values()]).toEqual([reading(1), reading(2)]);
  });

  it('sends again after 429, 503 and a broken connection, and waits as long as it is told', async () => {
    engine.refusals = [{ status: 429, headers: { 'retry-after': '1' } }, 'hang up', { status: 503 }];
    const client = new IngestClient({ url, random: () => 0 });
    expect(await client.post([reading(1)])).toMatchObject({ accepted: 1 });
    client.close();
    expect(client.totals.retries).toBe(3);
    expect(engine.requestTimesMs[1] - engine.requestTimesMs[0]).toBeGreaterThanOrEqual(990);
  });

  it('gives up when the time for retries is over', async () => {
    engine.refusals = Array.from({ length: 100 }, () => ({ status: 503 }));
    const client = new IngestClient({ url, retryTotalMs: 1_000 });
    await expect(client.post([reading(1)])).rejects.toMatchObject({ code: 'engine_overloaded', retryable: true });
    client.close();
    expect(engine.requests).toBeGreaterThan(1);
  });

  it('does not repeat a request that is wrong as it is', async () => {
    engine.refusals = [{ status: 413 }];
    const client = new IngestClient({ url });
    await expect(client.post([reading(1)])).rejects.toMatchObject({ code: 'engine_refused', message: expect.stringContaining('status 413: refused: as the test asked') as string });
    client.close();
    expect(engine.requests).toBe(1);
  });

  it('says what to do when no engine answers', async () => {
    await engine.close();
    const client = new IngestClient({ url, retryTotalMs: 50 });
    await expect(client.post([reading(1)])).rejects.toMatchObject({ code: 'engine_unreachable', message: expect.stringContaining('npm start') as string });
    client.close();
    engine = new FakeIngest();
    await engine.listen();
  });

  it('keeps no more requests in flight than it may', async () => {
    const client = new IngestClient({ url, concurrency: 3 });
    let waiting = 0;
    let most = 0;
    engine.beforeAck = async () => {
      most = Math.max(most, ++waiting);
      await new Promise((resolve) => setTimeout(resolve, 10));
      waiting--;
    };
    for (let i = 0; i < 20; i++) {
      await client.ready();
      void client.post([reading(i)]);
    }
    await client.idle();
    client.close();
    expect(engine.readings.size).toBe(20);
    expect(most).toBe(3);
  });

  it('stops waiting when it is aborted', async () => {
    engine.refusals = [{ status: 429, headers: { 'retry-after': '60' } }];
    const stop = new AbortController();
    const client = new IngestClient({ url, signal: stop.signal });
    const posted = client.post([reading(1)]);
    setTimeout(() => stop.abort(), 50);
    await expect(posted).rejects.toMatchObject({ code: 'aborted' });
    client.close();
  });
});

describe('back-off and latency', () => {
  it('doubles with full jitter up to a cap, on top of Retry-After', () => {
    expect([0, 1, 2, 3].map((attempt) => retryDelayMs(attempt, 0, () => 1))).toEqual([100, 200, 400, 800]);
    expect(retryDelayMs(1_000, 0, () => 1)).toBe(RETRY_CAP_MS);
    expect(retryDelayMs(0, 2_000, () => 0)).toBe(2_000);
    expect(retryDelayMs(3, 0, () => 0)).toBe(0);
  });

  it('reads Retry-After as seconds or a date', () => {
    expect(parseRetryAfterMs('3', 0)).toBe(3_000);
    expect(parseRetryAfterMs('Thu, 01 Jan 1970 00:00:10 GMT', 4_000)).toBe(6_000);
    expect(parseRetryAfterMs('soon', 0)).toBe(0);
  });

  it('gives quantiles within a tenth of the truth', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.quantileMs(0.5)).toBeNull();
    for (let ms = 1; ms <= 1_000; ms++) histogram.record(ms);
    for (const quantile of [0.01, 0.5, 0.99, 1]) {
      const truth = quantile * 1_000;
      expect(histogram.quantileMs(quantile)!).toBeGreaterThanOrEqual(truth * 0.999);
      expect(histogram.quantileMs(quantile)!).toBeLessThan(truth * 1.1);
    }
  });
});
