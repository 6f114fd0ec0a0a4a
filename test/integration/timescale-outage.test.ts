import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { BEGINNING, type SinkBatch, type SinkWriter } from '../../src/actors/sinks/protocol.ts';
import type { MeterWindow } from '../../src/model/window.ts';
import { suiteWithOwnPostgres } from '../services/service-suites.ts';
import { eventually } from '../support/engine-process.ts';
import { meterWindow } from '../support/meter-windows.ts';
import { byMeterAndTime, deadLetter, regionWindow, sinkBatch, storedCursors, storedWindows, writeUntilPassed } from '../support/sink-batches.ts';
import { timescaleWriters } from '../support/timescale-writers.ts';

const MINUTE = 60_000;
const START = 1_767_225_600_000;
const SHARD_0 = 'seg sink: shard 0 of engine-1';
/** A server that hangs is noticed this much later than a statement may take. */
const HANGING_TEST_MS = 30_000;

suiteWithOwnPostgres('the TimescaleDB writer and a database that goes away', {}, (postgres) => {
  const { database, writer: newWriter, opened } = timescaleWriters(postgres, { timeouts: { connectMs: 2_000, statementMs: 1_000 } });
  let writer: SinkWriter;

  beforeEach(async () => {
    writer = await opened();
  });

  function batchOf(shard: number, number: number, revision = 0): SinkBatch {
    const windows = windowsOf(shard, number, revision);
    return sinkBatch({ shard, position: `${number}`, windows, regionWindows: [regionWindow({ windowStart: START + number * MINUTE })], deadLetters: [deadLetter({ id: `${shard}-${number}` })] });
  }

  function windowsOf(shard: number, number: number, revision = 0): MeterWindow[] {
    return Array.from({ length: 200 }, (_, i) => meterWindow({ meterId: `meter-${shard}-${i}`, windowStart: START + number * MINUTE, revision }));
  }

  /** Runs `during` while a batch of shard 0 has copied its rows and waits for a lock; gives what became of the batch. */
  async function inTheMiddleOf(batch: SinkBatch, during: (backendPid: number) => Promise<void>): Promise<unknown> {
    const blocker = await database().session();
    await blocker.query('BEGIN; LOCK TABLE aggregates_1m IN ACCESS EXCLUSIVE MODE');
    const result = writer.write(batch).catch((error: unknown) => error);
    await during(await waitingBackend());
    const outcome = await result;
    await blocker.end().catch(() => {});
    return outcome;
  }

  /** The process of the server that waits for a lock on behalf of shard 0. */
  async function waitingBackend(): Promise<number> {
    // Each time in a session of its own: within a transaction the list of sessions stays as it was first seen.
    const [{ pid }] = await eventually(() => database().rows<{ pid: number }>("SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'", [SHARD_0]), (rows) => rows.length === 1);
    return pid;
  }

  const AWAY = { code: 'unavailable', retryable: true };

  test.each([
    ['the server is killed', async () => {
      await postgres().kill9();
      await postgres().start();
    }],
    ['the server is stopped and started', async () => {
      await postgres().stop();
      await postgres().start();
    }],
    ['its session is killed, and the server recovers', async (pid: number) => {
      process.kill(pid, 'SIGKILL');
    }],
    ['an operator ends its session', async (pid: number) => {
      await database().rows('SELECT pg_terminate_backend($1)', [pid]);
    }],
    ['nothing happens but a lock that lasts too long', async () => {
      await sleep(1_200);
    }],
  ] as const)('writes the batch again, once, when %s in the middle of it', async (_, during) => {
    await writer.write(batchOf(0, 1));
    expect(await inTheMiddleOf(batchOf(0, 2), during)).toMatchObject(AWAY);
    expect((await writeUntilPassed(writer, batchOf(0, 2))).written).toBe(202);
    expect(await storedWindows(database())).toEqual(byMeterAndTime([1, 2].flatMap((number) => windowsOf(0, number))));
    expect(await database().rows('SELECT id FROM dead_letter ORDER BY id')).toEqual([{ id: '0-1' }, { id: '0-2' }]);
    expect(await storedCursors(database())).toEqual({ 'engine-1/0': '2' });
  });

  test('goes on after kills at any moment, with nothing lost, nothing doubled, and every batch counted once', async () => {
    const NUMBERS = Array.from({ length: 60 }, (_, n) => n + 1);
    let over = false;
    const shards = [0, 1].map(async (shard) => {
      let written = 0;
      for (const number of NUMBERS) {
        written += (await writeUntilPassed(writer, batchOf(shard, number))).written;
        await sleep(10);
      }
      return written;
    });
    const killing = (async () => {
      for (let n = 0; n < 3 && !over; n++) {
        await sleep(100 + n * 37);
        await postgres().kill9();
        await postgres().start();
      }
    })();
    const written = await Promise.all(shards);
    over = true;
    await killing;
    expect(await storedWindows(database())).toEqual(byMeterAndTime([0, 1].flatMap((shard) => NUMBERS.flatMap((number) => windowsOf(shard, number)))));
    expect(await storedCursors(database())).toEqual({ 'engine-1/0': '60', 'engine-1/1': '60' });
    expect(await database().rows('SELECT count(*)::int AS letters FROM dead_letter')).toEqual([{ letters: 120 }]);
    // A batch whose answer was lost is reported as nothing written.
    for (const count of written) expect([0, 1, 2, 3].map((lost) => (60 - lost) * 202)).toContain(count);
  });

  test('notices a connection that ended while nothing was written', async () => {
    await writer.write(batchOf(0, 1));
    await postgres().kill9();
    await postgres().start();
    await sleep(50);
    expect((await writer.write(batchOf(0, 2))).written).toBe(202);
  });

  test('knows that a batch was committed although the answer was lost', async () => {
    const proxy = await LossyProxy.before(database().url);
    const behind = newWriter({ url: proxy.url });
    try {
      await behind.open();
      await behind.write(batchOf(0, 1));
      proxy.cutAtCommit = true;
      await expect(behind.write(batchOf(0, 2))).rejects.toMatchObject(AWAY);
      proxy.cutAtCommit = false;
      await expect.poll(() => storedCursors(database())).toEqual({ 'engine-1/0': '2' });
      expect(await behind.write(batchOf(0, 2))).toEqual({ written: 0, setAside: [] });
      expect((await behind.write(batchOf(0, 3))).written).toBe(202);
      expect(await storedWindows(database())).toHaveLength(600);
    } finally {
      await behind.close();
      await proxy.close();
    }
  });

  test('does not let a session that was given up for lost write over what came after it', async () => {
    const proxy = await LossyProxy.before(database().url);
    const behind = newWriter({ url: proxy.url, timeouts: { connectMs: 2_000, statementMs: HANGING_TEST_MS } });
    const other = await database().session();
    try {
      await behind.open();
      await other.query('BEGIN; LOCK TABLE regional_aggregates_1m IN ACCESS EXCLUSIVE MODE');
      const lost = behind.write(sinkBatch({ regionWindows: [regionWindow({ metersReporting: 1 })] })).catch((error: unknown) => error);
      await waitingBackend();
      proxy.cut();
      expect(await lost).toMatchObject(AWAY);
      // As another shard would. The lost session gets the lock after it.
      await other.query("INSERT INTO regional_aggregates_1m VALUES ('region-01', to_timestamp($1), to_timestamp($1) + interval '1 minute', 9, 1, 1, 1, 1, 1, NULL, NULL)", [START / 1_000]);
      await other.query('COMMIT');
      await expect.poll(() => database().rows('SELECT 1 FROM pg_stat_activity WHERE application_name = $1', [SHARD_0])).toEqual([]);
      expect(await database().rows('SELECT meters_reporting FROM regional_aggregates_1m')).toEqual([{ meters_reporting: 9 }]);
      expect(await storedCursors(database())).toEqual({});
    } finally {
      await other.end();
      await behind.close();
      await proxy.close();
    }
  });

  test('gives up on a server that hangs, and goes on when it is back', { timeout: HANGING_TEST_MS }, async () => {
    await writer.write(batchOf(0, 1));
    postgres().pause();
    try {
      await Promise.all([expect(writer.write(batchOf(0, 2))).rejects.toMatchObject(AWAY), expect(newWriter().open()).rejects.toMatchObject(AWAY)]);
    } finally {
      postgres().resume();
    }
    await writeUntilPassed(writer, batchOf(0, 2));
    expect(await storedWindows(database())).toHaveLength(400);
  });

  test('is away while the server is, for preparing as for writing', async () => {
    await postgres().stop();
    try {
      await expect(writer.open()).rejects.toMatchObject(AWAY);
      await expect(writer.write(batchOf(0, 1))).rejects.toMatchObject(AWAY);
    } finally {
      await postgres().start();
    }
    expect((await writer.open())(0)).toBe(BEGINNING);
    expect((await writer.write(batchOf(0, 1))).written).toBe(202);
  });
});

/** Stands between writer and server, and can lose the answer to a commit. */
class LossyProxy {
  cutAtCommit = false;
  url = '';
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(port: number, host: string) {
    this.server = createServer((client) => {
      const upstream = connect(port, host);
      for (const socket of [client, upstream]) {
        this.sockets.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => {
          client.destroy();
          upstream.destroy();
          this.sockets.delete(socket);
        });
      }
      client.on('data', (data) => upstream.write(data));
      upstream.on('data', (data) => {
        // The command tag of the answer; no row of these tests holds the word.
        if (this.cutAtCommit && data.includes('COMMIT\0')) client.destroy();
        else client.write(data);
      });
    });
  }

  static async before(url: string): Promise<LossyProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new LossyProxy(Number(port), hostname);
    await new Promise<void>((listening) => proxy.server.listen(0, '127.0.0.1', listening));
    const own = new URL(url);
    own.port = `${(proxy.server.address() as AddressInfo).port}`;
    proxy.url = own.href;
    return proxy;
  }

  /** Ends what goes through it. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((closed) => this.server.close(closed));
  }
}
