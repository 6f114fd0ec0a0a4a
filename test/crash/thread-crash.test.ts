import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadEngineConfig } from '../../src/engine/engine-config.ts';
import { startEngine, type Engine } from '../../src/engine/engine.ts';
import { partitionOf, shardOfPartition } from '../../src/model/ids.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { meterWindows, post, postBody, scrape, type EngineUrls } from '../support/engine-api.ts';
import { eventually, freePort, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

/** A worker thread of a whole engine dies. The engine runs in this process, whose 'worker' event hands over the threads it starts. */

const SHARDS = 2;
const PARTITIONS = 64;
const AT = Date.UTC(2026, 0, 1);
const RANGE = { from: AT, to: AT + 24 * 3_600_000 };

let engine: Engine;
let urls: EngineUrls;
let directory: string;
const workers = new Map<string, Worker>();
const onWorker = (worker: Worker): void => void workers.set(worker.threadName ?? '', worker);

beforeEach(async () => {
  directory = temporaryDirectory();
  process.on('worker', onWorker);
  // A port that Linux chose for uWebSockets cannot be bound again while a connection of it is in TIME_WAIT, a numbered one can (measured).
  const args = { dataDir: directory, ingestPort: String(await freePort()), httpPort: '0', opsPort: '0', shards: String(SHARDS), partitions: String(PARTITIONS), auth: 'off' };
  engine = await startEngine(loadEngineConfig({ cores: 2 }, { args, env: {}, file: null }), { log: nullLog, version: 'test', onFirstAdmin: () => {} });
  urls = {
    ingestUrl: () => `http://127.0.0.1:${engine.ports.ingest}`,
    apiUrl: (path = '') => `http://127.0.0.1:${engine.ports.http}${path}`,
    opsUrl: (path = '') => `http://127.0.0.1:${engine.ports.ops}${path}`,
  };
});
afterEach(async () => {
  process.off('worker', onWorker);
  await engine.stop('the test is over');
  workers.clear();
  removeDirectory(directory);
});

function metersOf(shard: number): string[] {
  return Array.from({ length: 200 }, (_, i) => `m-${i}`)
    .filter((meterId) => shardOfPartition(partitionOf(meterId, PARTITIONS), SHARDS) === shard)
    .slice(0, 20);
}

const readingsOf = (meters: readonly string[], step: number): object[] => meters.map((meterId) => ({ meterId, region: 'region-01', timestamp: AT + step * 10_000, powerKw: step % 7 }));

async function readyStatus(): Promise<number> {
  return (await fetch(urls.opsUrl('/ready'))).status;
}

describe('a shard thread that dies', () => {
  it('costs its own senders a 503 until it has recovered, others nothing, and no acknowledged reading', { timeout: 60_000 }, async () => {
    const [dying, living] = [metersOf(0), metersOf(1)];
    const acknowledged = new Map<string, number>();
    const refusals: number[] = [];
    const send = async (meters: string[], step: number): Promise<number> => {
      const { status, headers, body } = await postBody(urls, JSON.stringify(readingsOf(meters, step)));
      if (status === 202) {
        expect(body).toMatchObject({ accepted: meters.length, rejected: 0 });
        for (const meterId of meters) acknowledged.set(meterId, (acknowledged.get(meterId) ?? 0) + 1);
      } else {
        expect(headers.get('retry-after')).toMatch(/^\d+$/);
        refusals.push(status);
      }
      return status;
    };
    let step = 0;
    for (; step < 20; step++) expect([await send(dying, step), await send(living, step)]).toEqual([202, 202]);

    const before = workers.get('shard-0')!;
    await before.terminate();
    let recovered = 0;
    let notReady = 0;
    for (; recovered < 20 && step < 2_000; step++) {
      expect(await send(living, step)).toBe(202);
      if ((await readyStatus()) === 503) notReady++;
      // The same readings until they are acknowledged, as a sender would.
      for (let tries = 0; (await send(dying, step)) !== 202; tries++) {
        expect(tries).toBeLessThan(500);
        await sleep(20);
      }
      recovered++;
    }
    expect(new Set(refusals)).toEqual(new Set([503]));
    expect(notReady).toBeGreaterThan(0);
    expect(workers.get('shard-0')).not.toBe(before);
    await eventually(readyStatus, (status) => status === 200);
    const metrics = await scrape(urls);
    expect([metrics.get('seg_actor_restarts_total{actor="shard-0"}'), metrics.get('seg_actor_restarts_total{actor="shard-1"}')]).toEqual([1, 0]);
    for (const [meterId, count] of acknowledged) {
      const windows = await meterWindows(urls, meterId, '1m', RANGE);
      expect(windows.reduce((sum, window) => sum + window.count, 0), meterId).toBe(count);
    }
    for (let again = 0; again < 20; again++) expect(await post(urls, readingsOf(dying, again))).toMatchObject({ accepted: 0, duplicates: dying.length });
  });
});

describe('an ingest thread that dies', () => {
  it('leaves the process alive, comes back on the same port, and no acknowledged reading is lost', { timeout: 60_000 }, async () => {
    const meters = [...metersOf(0), ...metersOf(1)];
    const port = engine.ports.ingest;
    expect(await post(urls, readingsOf(meters, 0))).toMatchObject({ accepted: meters.length });
    // An error that nobody catches. (Terminated from outside, a thread with uWebSockets in it takes the process along.)
    const before = workers.get('ingest-0')!;
    const gone = once(before, 'exit');
    before.postMessage(null);
    await gone;
    const reply = await eventually(() => post(urls, readingsOf(meters, 1)).catch(() => null), (answer) => answer !== null, 20_000);
    expect(reply).toMatchObject({ rejected: 0 });
    expect(reply!.accepted + reply!.duplicates).toBe(meters.length);
    expect(workers.get('ingest-0')).not.toBe(before);
    expect(engine.ports.ingest).toBe(port);
    expect((await scrape(urls)).get('seg_actor_restarts_total{actor="ingest-0"}')).toBe(1);
    for (const meterId of meters) {
      const [window] = await meterWindows(urls, meterId, '1m', RANGE);
      expect(window.count, meterId).toBe(2);
    }
    await eventually(readyStatus, (status) => status === 200);
  });
});
