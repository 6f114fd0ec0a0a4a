import { afterAll, beforeAll } from 'vitest';
import { suite, suiteWherePossible } from '../support/required-suites.ts';
import { kafkaAvailable, KAFKA_HOW_TO, startKafka, type KafkaCluster, type KafkaOptions } from './kafka.ts';
import { postgresAvailable, POSTGRES_HOW_TO, startPostgres, timescaleAvailable, type PostgresOptions, type PostgresServer } from './postgres.ts';

/**
 * Suites against a real database or broker. The one that a variable names is used, for speed or to test against another version; it is
 * shared, so a suite keeps to a database or topics of its own. Else each suite starts its own. A suite that breaks the server
 * always has its own. `body` gets a function: the server is there once a test or a hook of the suite runs.
 */

const TIMESCALE_HOW_TO = 'Name a server that has the extension with SEG_TEST_TIMESCALE_URL=postgres://user:password@host:port/database, or install TimescaleDB for the PostgreSQL of this machine.';

/** PostgreSQL of SEG_TEST_POSTGRES_URL, else one of its own; `postgres().url` is a connection URL. */
export function suiteWithPostgres(name: string, body: (postgres: () => { url: string }) => void): void {
  const url = process.env.SEG_TEST_POSTGRES_URL;
  if (url === undefined) suiteWithOwnPostgres(name, {}, body);
  else suite(withNeed(name, 'PostgreSQL'), true, '', () => body(() => ({ url })));
}

/** A PostgreSQL that this suite may stop, kill and pause. */
export function suiteWithOwnPostgres(name: string, options: PostgresOptions, body: (postgres: () => PostgresServer) => void): void {
  suite(withNeed(name, 'PostgreSQL'), postgresAvailable(), POSTGRES_HOW_TO, () => body(forTheSuite(() => startPostgres(options))));
}

/** PostgreSQL with TimescaleDB: of SEG_TEST_TIMESCALE_URL, else one of its own where the extension is installed. Nowhere required. */
export function suiteWithTimescale(name: string, body: (timescale: () => { url: string }) => void): void {
  const url = process.env.SEG_TEST_TIMESCALE_URL;
  const available = url !== undefined || timescaleAvailable();
  suiteWherePossible(withNeed(name, 'TimescaleDB'), available, TIMESCALE_HOW_TO, () => {
    body(url === undefined ? forTheSuite(() => startPostgres()) : () => ({ url }));
  });
}

/** Kafka of SEG_TEST_KAFKA_BROKERS, else one broker of its own; `kafka().brokers` is a list of addresses with commas. */
export function suiteWithKafka(name: string, body: (kafka: () => { brokers: string }) => void): void {
  const brokers = process.env.SEG_TEST_KAFKA_BROKERS;
  if (brokers === undefined) suiteWithOwnKafka(name, {}, body);
  else suite(withNeed(name, 'Kafka'), true, '', () => body(() => ({ brokers })));
}

/** Kafka that this suite may stop, kill and pause. */
export function suiteWithOwnKafka(name: string, options: KafkaOptions, body: (kafka: () => KafkaCluster) => void): void {
  suite(withNeed(name, 'Kafka'), kafkaAvailable(), KAFKA_HOW_TO, () => body(forTheSuite(() => startKafka(options))));
}

const START_TIMEOUT_MS = 180_000;

function forTheSuite<Server extends { dispose(): Promise<void> }>(start: () => Promise<Server>): () => Server {
  let server: Server | null = null;
  beforeAll(async () => {
    server = await start();
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await server?.dispose();
  });
  return () => {
    if (server === null) throw new Error('the server is up in tests and hooks only');
    return server;
  };
}

function withNeed(name: string, need: string): string {
  return `${name} (${need})`;
}
