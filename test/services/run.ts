import { parseArgs } from 'node:util';
import { fetchKafkaJars, kafkaJarsPresent } from './kafka-jars.ts';
import { javaAvailable, KAFKA_HOW_TO, makeClassArchive, startKafka } from './kafka.ts';
import { postgresAvailable, POSTGRES_HOW_TO, startPostgres } from './postgres.ts';

/**
 * `npm run services`: PostgreSQL and Kafka for tests and for trying things out, on free ports of 127.0.0.1, until Ctrl-C. What they
 * held is gone then.
 */

const USAGE = `usage: npm run services -- [postgres] [kafka] [--print-env] [--fetch]
  Without a name both are started.
  --print-env  prints nothing but the variables by which the test suites find them, for a shell to read
  --fetch      gets what has to be downloaded (Kafka's jars), makes ready what shortens each start of Kafka, and ends
`;

const NAMES = ['postgres', 'kafka'] as const;
type Name = (typeof NAMES)[number];

interface Service {
  /** By name, what the suites or an engine read. */
  variables: Readonly<Record<string, string>>;
  dispose(): Promise<void>;
}

const STARTS: Readonly<Record<Name, (signal: AbortSignal) => Promise<Service>>> = { postgres, kafka };

async function postgres(): Promise<Service> {
  if (!postgresAvailable()) throw new Error(`PostgreSQL is not here. ${POSTGRES_HOW_TO}`);
  const server = await startPostgres();
  const { url, timescale } = server;
  return { variables: { SEG_TEST_POSTGRES_URL: url, ...(timescale ? { SEG_TEST_TIMESCALE_URL: url } : {}) }, dispose: () => server.dispose() };
}

async function kafka(signal: AbortSignal): Promise<Service> {
  if (!javaAvailable()) throw new Error(`Kafka needs Java. ${KAFKA_HOW_TO}`);
  await fetchMissingJars(signal);
  const cluster = await startKafka();
  return { variables: { SEG_TEST_KAFKA_BROKERS: cluster.brokers }, dispose: () => cluster.dispose() };
}

async function fetchMissingJars(signal: AbortSignal): Promise<void> {
  if (!kafkaJarsPresent()) process.stderr.write('getting Kafka\'s jars (45 MB) from Maven Central\n');
  await fetchKafkaJars({ signal });
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'print-env': { type: 'boolean', default: false }, fetch: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  });
  const unknown = positionals.filter((name) => !NAMES.includes(name as Name));
  if (values.help || unknown.length > 0) {
    process.stderr.write(unknown.length > 0 ? `there is no ${unknown.join(', ')}\n${USAGE}` : USAGE);
    return values.help ? 0 : 2;
  }
  const wanted = NAMES.filter((name) => positionals.length === 0 || positionals.includes(name));
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  // The second time it is meant: what is up is killed as this process ends.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (stop.signal.aborted ? process.exit(1) : stop.abort()));

  if (values.fetch) {
    if (wanted.includes('kafka')) {
      await fetchMissingJars(stop.signal);
      if (javaAvailable()) await makeClassArchive();
    }
    return 0;
  }
  const starts = await Promise.allSettled(wanted.map((name) => STARTS[name](stop.signal)));
  const services = starts.filter((start) => start.status === 'fulfilled').map((start) => start.value);
  const failures = starts.filter((start) => start.status === 'rejected').map((start) => start.reason as Error);
  if (failures.length === 0 && !stop.signal.aborted) {
    announce(services, values['print-env']);
    await stopped;
  }
  await Promise.all(services.map((service) => service.dispose()));
  if (stop.signal.aborted) return 0;
  for (const failure of failures) process.stderr.write(`${failure.message}\n`);
  return 1;
}

function announce(services: readonly Service[], forShell: boolean): void {
  const variables = services.flatMap((service) => Object.entries(service.variables));
  const lines = variables.map(([name, value]) => (forShell ? `export ${name}='${value}'` : `  ${name}=${value}`));
  process.stdout.write(forShell ? `${lines.join('\n')}\n` : `up, until Ctrl-C; the test suites use them when they are given\n${lines.join('\n')}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
