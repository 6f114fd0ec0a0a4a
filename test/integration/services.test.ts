import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { partitionOf } from '../../src/model/ids.ts';
import { KCAT_HOW_TO, kcatAvailable, kcatConsume, kcatProduce } from '../services/kcat.ts';
import { checkJars } from '../services/kafka-jars.ts';
import { postgresAvailable, postgresBin, POSTGRES_HOW_TO } from '../services/postgres.ts';
import { runTool, servicePort } from '../services/service-process.ts';
import { suiteWithOwnKafka, suiteWithOwnPostgres, suiteWithTimescale } from '../services/service-suites.ts';
import { eventually, REPOSITORY } from '../support/engine-process.ts';
import { makeTopic } from '../support/kafka-records.ts';
import { suite } from '../support/required-suites.ts';

/** The servers of test/services, as clients of other people see them: psql and kcat. */

/** Long enough to be seen at work on two busy cores, and over before the pause is, if that does not hold it. */
const SESSION_SECONDS = 2;
const HANGING_MS = 3_000;

function psql(url: string, sql: string, signal?: AbortSignal): Promise<string> {
  // Without -w it would ask a terminal for a password.
  return runTool(join(postgresBin()!, 'psql'), ['-w', '--no-psqlrc', '-v', 'ON_ERROR_STOP=1', '-Atc', sql, url], { signal });
}

suiteWithOwnPostgres('a PostgreSQL for tests', {}, (postgres) => {
  test('answers a query', async () => {
    expect(await psql(postgres().url, "select 6 * 7, current_setting('server_encoding')")).toBe('42|UTF8\n');
  });

  test('lets nobody in without the password', async () => {
    const url = new URL(postgres().url);
    url.password = '';
    await expect(psql(url.href, 'select 1')).rejects.toThrow(/no password supplied/);
  });

  test('keeps what was committed through a kill -9 and a stop, under the same address', async () => {
    const server = postgres();
    await psql(server.url, 'create table kept (n int); insert into kept values (1)');
    await server.kill9();
    await expect(psql(server.url, 'select 1')).rejects.toThrow(/Connection refused/);
    await server.start();
    await psql(server.url, 'insert into kept values (2)');
    await server.stop();
    await server.start();
    expect(await psql(server.url, 'select n from kept order by n')).toBe('1\n2\n');
  });

  test('hangs while it is paused, sessions included', async () => {
    const server = postgres();
    const session = psql(server.url, `select pg_sleep(${SESSION_SECONDS}), 'done'`);
    await eventually(() => psql(server.url, "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"), (count) => count === '1\n');
    server.pause();
    let ended = false;
    void session.then(() => (ended = true));
    await expect(psql(server.url, 'select 1', AbortSignal.timeout(HANGING_MS))).rejects.toThrow(/aborted/);
    expect(ended).toBe(false);
    server.resume();
    expect(await session).toBe('|done\n');
    expect(await psql(server.url, 'select 1')).toBe('1\n');
  });
});

suiteWithTimescale('a TimescaleDB for tests', (timescale) => {
  test('has the extension', async () => {
    expect(await psql(timescale().url, "select count(*) from pg_available_extensions where name = 'timescaledb'")).toBe('1\n');
  });
});

suiteWithOwnKafka('a Kafka for tests', {}, (kafka) => {
  suite('kcat', kcatAvailable(), KCAT_HOW_TO, () => {
    const record = { key: 'meter-1', value: '{"powerKw":1.5}', headers: { schema: '1' } };

    test('writes a record to a new topic and reads it back', async () => {
      const { brokers } = kafka();
      await makeTopic(brokers, 'in-and-out', 3);
      await kcatProduce(brokers, 'in-and-out', record);
      const partition = partitionOf(record.key, 3);
      expect(await kcatConsume(brokers, 'in-and-out')).toEqual([{ ...record, partition, offset: 0 }]);
    });

    test('finds what was acknowledged before a kill -9', async () => {
      const { brokers } = kafka();
      await makeTopic(brokers, 'kept', 1);
      await kcatProduce(brokers, 'kept', record);
      await kafka().kill9();
      await kafka().start();
      expect(await kcatConsume(brokers, 'kept')).toEqual([{ ...record, partition: 0, offset: 0 }]);
    });

    test('waits for a paused broker', async () => {
      const { brokers } = kafka();
      await makeTopic(brokers, 'paused', 1);
      kafka().pause();
      let written = false;
      const writing = kcatProduce(brokers, 'paused', record).then(() => (written = true));
      await new Promise((resolve) => setTimeout(resolve, HANGING_MS));
      expect(written).toBe(false);
      kafka().resume();
      await writing;
      expect(await kcatConsume(brokers, 'paused')).toHaveLength(1);
    });

    test('makes no topic by asking for it', async () => {
      const metadata = await runTool('kcat', ['-L', '-b', kafka().brokers, '-t', 'not-created']);
      expect(metadata).toContain('topic "not-created" with 0 partitions: Broker: Unknown topic or partition');
    });
  });
});

suite('npm run services (PostgreSQL)', postgresAvailable(), POSTGRES_HOW_TO, () => {
  test('says where the servers are, and leaves nothing when it is told to stop', async () => {
    // Of its own, since other suites come and go in the usual one; PostgreSQL's user has to get through.
    const temporary = mkdtempSync(join(tmpdir(), 'seg-services-'));
    chmodSync(temporary, 0o755);
    try {
      const env = { ...process.env, TMPDIR: temporary };
      const run = spawn(process.execPath, [join(REPOSITORY, 'test/services/run.ts'), 'postgres', '--print-env'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(run, 'close');
      const [announced] = (await once(run.stdout.setEncoding('utf8'), 'data')) as [string];
      const url = /^export SEG_TEST_POSTGRES_URL='(.+)'\n$/m.exec(announced)?.[1] ?? '';
      expect(await psql(url, 'select 1')).toBe('1\n');
      expect(readdirSync(temporary)).toEqual([expect.stringMatching(/^seg-postgres-/)]);
      run.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
      await expect(psql(url, 'select 1')).rejects.toThrow(/Connection refused/);
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      rmSync(temporary, { recursive: true });
    }
  });
});

describe('servers for tests', () => {
  test('listen where no outgoing connection can meet itself', async () => {
    expect(await servicePort()).toBeLessThan(32_768);
  });

  test('are not run from jars that are not those of the list', () => {
    const directory = mkdtempSync(join(tmpdir(), 'seg-jars-'));
    try {
      writeFileSync(join(directory, 'whole.jar'), 'whole');
      writeFileSync(join(directory, 'changed.jar'), 'changed');
      const sha256 = createHash('sha256').update('whole').digest('hex');
      const jars = ['whole.jar', 'changed.jar', 'missing.jar'].map((file) => ({ file, sha256 }));
      expect(() => checkJars(directory, jars.slice(0, 1))).not.toThrow();
      expect(() => checkJars(directory, jars)).toThrow(/are not those of .*:\nchanged\.jar has the SHA-256 [0-9a-f]{64} in place of .*\nmissing\.jar is missing$/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
