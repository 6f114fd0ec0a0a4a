import { isIP } from 'node:net';
import { z } from 'zod';
import { MESSAGE_COMPRESSIONS, MESSAGE_FORMATS } from '../actors/sinks/kafka/kafka-options.ts';
import { databaseAddress } from '../actors/sinks/timescale/database-address.ts';
import { ID_BYTES_MAX, isId } from '../model/ids.ts';
import { byteSize, choice, decimalNumber, duration, durationForeverOrAuto, durationOrForever, listOf, numbersByName, onOff, onOffOrAuto, optionalText, settingType, text, wholeNumber } from '../runtime/config-values.ts';
import { loadConfig, setting, shownSettings, type ConfigSources, type ShownSetting } from '../runtime/config.ts';
import { LOG_LEVELS } from '../runtime/log.ts';
import { ACCOUNT_SETTINGS, accountContradictions, isLoopbackHost, type AccountSettings } from './account-settings.ts';
import { ALERT_SETTINGS, alertContradictions, type AlertSettings } from './alert-settings.ts';
import { BILLING_SETTINGS } from './billing-settings.ts';
import { GATEWAY_SETTINGS } from './gateway-settings.ts';

/** The settings of this engine, one schema: flags, SEG_ variables, seg.config.json, the README's table and --help come from it. */

export const CONFIG_FILE = 'seg.config.json';
export const ENV_PREFIX = 'SEG_';

/** Variables of other programs that an engine may inherit: of the test suites (test/support/required-suites.ts), and of commands that speak with one (cli/credentials.ts). */
export function isForeignVariable(name: string): boolean {
  return name.startsWith('SEG_TEST_') || ['SEG_REQUIRE_ALL_SUITES', 'SEG_TOKEN', 'SEG_TOKEN_FILE', 'SEG_KEY', 'SEG_KEY_FILE'].includes(name);
}

/** Kafka allows more, but 64 shards are the threads of the largest machine this is meant for. */
const SHARDS_MAX = 64;
/** One ingest thread decodes 1.5 M readings/s (DESIGN: Numbers), so 16 are beyond what shards can store. */
const INGEST_THREADS_MAX = 16;
/** A partition costs a shard a page of state; Kafka clusters rarely go past a thousand for a topic. */
const PARTITIONS_MAX = 1_024;
/** Regions are held whole on the main thread and sent to every page once a second. */
const REGIONS_MAX = 10_000;

/** Of names only this one: others would be asked of somebody else, who may say another address tomorrow. */
const listenHost = settingType<string>('an IP address, or localhost', (raw) => (typeof raw === 'string' && (raw === 'localhost' || isIP(raw) !== 0) ? { value: raw } : { problem: null }));

const databaseUrl = settingType<string | null>('a URL such as postgres://user:password@host:5432/database', (raw) => {
  if (raw === null) return { value: null };
  try {
    return { value: databaseAddress(String(raw)).url };
  } catch (error) {
    return { problem: (error as Error).message };
  }
});

const windowsKept = durationForeverOrAuto({ min: '1h', max: '365d' });
const KEEP_AUTO = 'auto: forever, or as long as the correction horizon when TimescaleDB is to keep them longer.';

const brokers = listOf('brokers such as kafka-1:9092,kafka-2:9092', (item) => /^[^\s:/]+:\d{1,5}$/.test(item));
/** As Kafka allows of a topic's name, and short enough for the longest of ours. */
const topicPrefix = settingType<string>('at most 100 of A–Z a–z 0–9 . _ -', (raw) => (typeof raw === 'string' && /^[A-Za-z0-9._-]{0,100}$/.test(raw) ? { value: raw } : { problem: null }));

const kafkaGroup = settingType<string>('1–100 of A–Z a–z 0–9 . _ -', (raw) => (typeof raw === 'string' && /^[A-Za-z0-9._-]{1,100}$/.test(raw) ? { value: raw } : { problem: null }));
const nodeUrl = settingType<string | null>('an address such as http://10.0.0.7:3000', (raw) => {
  if (raw === null) return { value: null };
  const url = URL.canParse(String(raw)) ? new URL(String(raw)) : null;
  const isPlain = url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.search === '' && url.hash === '';
  return isPlain ? { value: url.href.replace(/\/$/, '') } : { problem: null };
});
const collectorUrl = settingType<string | null>('an address such as http://127.0.0.1:4318', (raw) => {
  if (raw === null) return { value: null };
  const url = URL.canParse(String(raw)) ? new URL(String(raw)) : null;
  // What authenticates goes into a header, by OTEL_EXPORTER_OTLP_HEADERS: addresses are logged.
  const isPlain = url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.search === '' && url.hash === '';
  return isPlain ? { value: url.href.replace(/\/+$/, '') } : { problem: null };
});
/** Shorter ones are guessed. */
const CLUSTER_SECRET_LENGTH_MIN = 16;
const clusterSecret = settingType<string | null>(`${CLUSTER_SECRET_LENGTH_MIN} printable characters or more`, (raw) =>
  raw === null || (typeof raw === 'string' && /^[\x21-\x7e]+$/.test(raw) && raw.length >= CLUSTER_SECRET_LENGTH_MIN) ? { value: raw } : { problem: null },
);

const port = wholeNumber({ min: 0, max: 65_535 });

/**
 * For ten households a region of `seg simulate` with seed 1. Their sum on a November day: about 5 kW in the median minute and 13–17 kW in the
 * evening (95th percentile of minutes), so 20–35 % by day and 65–90 % in the evening.
 */
export const DEMO_REGION_CAPACITIES_KW: Readonly<Record<string, number>> = {
  'region-01': 20,
  'region-02': 18,
  'region-03': 26,
  'region-04': 16,
  'region-05': 20,
  'region-06': 24,
  'region-07': 22,
  'region-08': 18,
  'region-09': 18,
  'region-10': 20,
};

/** The schema; `cores` is what `os.availableParallelism()` says. */
export function engineConfigSchema(machine: { cores: number }) {
  return z
    .object({
      dataDir: setting(text('a directory'), {
        default: './data',
        description: 'Where the engine keeps everything it must not lose. Made when it is not there.',
      }),
      host: setting(listenHost, { default: '127.0.0.1', description: 'Address that all ports listen on. One that others reach takes accounts, and something in front that speaks TLS.' }),
      ingestPort: setting(port, { default: 3001, description: 'Port that takes readings. 0 picks a free one.' }),
      httpPort: setting(port, { default: 3000, description: 'Port of the API, the live stream and the dashboard. 0 picks a free one.' }),
      opsPort: setting(port, { default: 3002, description: 'Port of /health, /ready and /metrics. 0 picks a free one.' }),
      shards: setting(wholeNumber({ min: 1, max: SHARDS_MAX }), {
        default: Math.min(SHARDS_MAX, Math.max(1, machine.cores - 1)),
        defaultText: 'cores − 1',
        description: 'Threads that hold the meters. Another number than last time spreads them anew at the start, which needs room for a copy.',
      }),
      ingestThreads: setting(wholeNumber({ min: 1, max: INGEST_THREADS_MAX }), {
        default: 1,
        description: 'Threads that decode readings; they share the ingest port.',
      }),
      partitions: setting(wholeNumber({ min: 1, max: PARTITIONS_MAX }), {
        default: 64,
        description: 'Parts the meters are spread over. Used when a data directory is made, fixed from then on.',
      }),
      latenessMs: setting(duration({ min: '0s', max: '60s' }), {
        default: '30s',
        description: 'How long a window stays open for late readings; later ones correct the closed window, so it is a minute at most.',
      }),
      correctionHorizonMs: setting(duration({ min: '1h', max: '365d' }), {
        default: '40d',
        description: 'How far behind its meter a reading may be and still correct a closed window. Older ones are rejected, unless they are known.',
      }),
      keep1mMs: setting(windowsKept, { default: 'auto', description: `How long the engine itself keeps 1-minute windows of meters, by the meter's own time. ${KEEP_AUTO}` }),
      keep15mMs: setting(windowsKept, { default: 'auto', description: 'The same for 15-minute windows. Regional windows stay.' }),
      nominalVoltage: setting(decimalNumber({ min: 1, max: 1_000_000, unit: 'V' }), {
        default: 230,
        description: 'Supply voltage; more than 10 % off it is an anomaly (EN 50160).',
      }),
      darkPowerKw: setting(decimalNumber({ min: 0, max: 1_000, unit: 'kW' }), {
        default: 0.02,
        description: 'A meter at or below this power counts as without power. A dead line reads up to 20 W.',
      }),
      regionCapacities: setting(numbersByName({ entriesMax: REGIONS_MAX, min: 0.001, max: 1e9, unit: 'kW', isName: isId }), {
        default: DEMO_REGION_CAPACITIES_KW,
        defaultText: 'ten demo regions, 16–26 kW',
        description: `Capacity of each region in kW, for its load in percent. Names of up to ${ID_BYTES_MAX} characters.`,
      }),
      meterLimit: setting(wholeNumber({ min: 1, max: 50_000_000 }), {
        default: 2_000_000,
        description: 'Meters the engine takes in all; readings of further ones are rejected. A meter needs about 2 KB of memory in all.',
      }),
      regionLimit: setting(wholeNumber({ min: 1, max: REGIONS_MAX }), {
        default: 1_000,
        description: 'Regions the engine takes; readings of further ones are rejected.',
      }),
      shardCredits: setting(wholeNumber({ min: 1, max: 1_000 }), {
        default: 8,
        description: 'Batches in flight from one ingest thread to one shard. A few keep the disk busy, more only add waiting.',
      }),
      queuedReadingsMax: setting(wholeNumber({ min: 1, max: 10_000_000 }), {
        default: 100_000,
        description: 'Readings waiting for one shard in one ingest thread; past it senders get 429.',
      }),
      queuedBytesMax: setting(byteSize({ min: '1MiB', max: '4GiB' }), {
        default: '64MiB',
        description: 'The same in bytes.',
      }),
      bufferedBytesMax: setting(byteSize({ min: '32MiB', max: '16GiB' }), {
        default: '256MiB',
        description: 'Request bodies being received or inflated by one ingest thread, together; past it senders get 429.',
      }),
      bodyDeadlineMs: setting(duration({ min: '1s', max: '10m' }), {
        default: '30s',
        description: 'Time a sender has for one request body, before 408. One that brings less than 16 KiB/s for 7 s gets it earlier.',
      }),
      appendDeadlineMs: setting(duration({ min: '100ms', max: '10m' }), {
        default: '10s',
        description: 'Time a shard has to store a batch, before its senders get 503.',
      }),
      queryDeadlineMs: setting(duration({ min: '100ms', max: '10m' }), {
        default: '5s',
        description: 'Time the shards have to answer a query, before 504.',
      }),
      queriesInFlightMax: setting(wholeNumber({ min: 1, max: 100_000 }), {
        default: 256,
        description: 'Queries being answered at once; past it clients get 503.',
      }),
      checkpointIntervalMs: setting(duration({ min: '1s', max: '1d' }), {
        default: '30s',
        description: 'Time between snapshots of a shard. A longer one writes less and makes a restart slower.',
      }),
      journalBytesMax: setting(byteSize({ min: '16MiB', max: '1TiB' }), {
        default: '1GiB',
        description: 'Journal of one shard that snapshots do not cover yet. They are written in proportion to it; past it senders get 429.',
      }),
      deadLetterRowsMax: setting(wholeNumber({ min: 1, max: 100_000_000 }), {
        default: 100_000,
        description: 'Rejected readings kept by each shard; the oldest go first.',
      }),
      anomalyRowsMax: setting(wholeNumber({ min: 1, max: 100_000_000 }), {
        default: 100_000,
        description: 'Anomalies kept by each shard; the oldest go first.',
      }),
      timescaleUrl: setting(databaseUrl, {
        default: null,
        defaultText: 'none',
        secret: true,
        description: 'Database (TimescaleDB, or PostgreSQL without it) that gets windows, anomalies and dead letters: postgres://user:password@host:5432/database.',
      }),
      timescaleRetention1mMs: setting(durationOrForever({ min: '1d', max: '365d' }), { default: '30d', description: 'How long TimescaleDB keeps 1-minute windows, or forever.' }),
      timescaleRetention15mMs: setting(durationOrForever({ min: '1d', max: '365d' }), { default: '365d', description: 'How long TimescaleDB keeps 15-minute windows, or forever.' }),
      kafkaBrokers: setting(brokers, { default: null, defaultText: 'none', description: 'Some brokers of the Kafka cluster that gets the same as messages: host:port, separated by commas.' }),
      log: setting(choice(['lmdb', 'kafka']), {
        default: 'lmdb',
        description: 'Where readings lie before they count: lmdb, in the data directory, or kafka, in the topic raw_readings of SEG_KAFKA_BROKERS, whose partitions several engines share.',
      }),
      kafkaResults: setting(onOff(), { default: 'on', description: 'Whether windows, anomalies, alerts and dead letters become messages in topics of kafkaBrokers, or those are for the log alone.' }),
      kafkaGroup: setting(kafkaGroup, { default: 'seg', description: 'Name of the group of engines that share a log in Kafka.' }),
      nodeUrl: setting(nodeUrl, { default: null, defaultText: 'http://, host and http port', description: 'Address at which the other engines of the group reach this one\'s API.' }),
      clusterSecret: setting(clusterSecret, {
        default: null,
        defaultText: 'none',
        secret: true,
        description: 'What the engines of a group show each other; the same for all of them, 16 characters or more. Needed where nodeUrl is not a loopback address.',
      }),
      kafkaTopicPrefix: setting(topicPrefix, { default: '', defaultText: 'none', description: 'Before the name of every topic, such as grid.' }),
      kafkaFormat: setting(choice(MESSAGE_FORMATS), { default: 'json', description: 'Form of messages.' }),
      kafkaCompression: setting(choice(MESSAGE_COMPRESSIONS), { default: 'none', description: 'Compression of messages.' }),
      kafkaTls: setting(onOff(), { default: 'off', description: 'TLS to the brokers, with the authorities that Node knows (NODE_EXTRA_CA_CERTS adds to them).' }),
      kafkaMechanism: setting(choice(['none', 'plain', 'scram-sha-256', 'scram-sha-512']), { default: 'none', description: 'How to log in to the brokers (SASL).' }),
      kafkaUsername: setting(optionalText('a name'), { default: null, defaultText: 'none', description: 'Name for the brokers.' }),
      kafkaPassword: setting(optionalText('a password'), { default: null, defaultText: 'none', secret: true, description: 'Password for the brokers.' }),
      ...ACCOUNT_SETTINGS,
      ...ALERT_SETTINGS,
      ...BILLING_SETTINGS,
      ...GATEWAY_SETTINGS,
      outboxBytesMax: setting(byteSize({ min: '1MiB', max: '1TiB' }), {
        default: '4GiB',
        description: 'Disk for what TimescaleDB or Kafka have not taken yet, of one shard. A sink that was away for longer is sent everything anew.',
      }),
      shutdownDeadlineMs: setting(duration({ min: '1s', max: '10m' }), {
        default: '15s',
        description: 'Time for an orderly stop; after it the process ends anyway and the next start reads the journal.',
      }),
      logLevel: setting(choice(LOG_LEVELS), { default: 'info', description: 'Least important line that is logged.' }),
      logPretty: setting(onOffOrAuto(), {
        default: 'auto',
        description: 'Log lines for people (on) or as JSON (off). auto: for people when stdout is a terminal.',
      }),
      otlpUrl: setting(collectorUrl, {
        default: null,
        description: 'Collector that takes traces by OTLP over HTTP, such as http://127.0.0.1:4318; none are made when it is not set.',
      }),
      traceSample: setting(decimalNumber({ min: 0, max: 1, unit: '' }), {
        default: 0.01,
        description: 'With otlpUrl: of requests without a traceparent this share is traced. One with it is traced if its sampled flag says so.',
      }),
      faultInjection: setting(onOff(), {
        default: 'off',
        description: 'For seg prove alone, never on a real engine: lets POST /fault on the ops port break threads and move the clock.',
      }),
    })
    .superRefine((config, context) => {
      for (const issue of contradictions(config)) context.addIssue({ code: 'custom', path: [issue.key], message: issue.message });
    });
}

export type EngineConfig = z.output<ReturnType<typeof engineConfigSchema>>;

/** The engine's settings from all sources; throws OperationalError `invalid_config` that lists every fault. */
export function loadEngineConfig(machine: { cores: number }, sources: Omit<ConfigSources, 'envPrefix' | 'envIgnored'>): EngineConfig {
  return loadConfig(engineConfigSchema(machine), { ...sources, envPrefix: ENV_PREFIX, envIgnored: isForeignVariable });
}

/** Settings of an engine as they are, without secrets. */
export function engineSettings(config: EngineConfig): ShownSetting[] {
  // What the machine gives are defaults, and those are in the settings by now.
  return shownSettings(engineConfigSchema({ cores: 1 }), config, ENV_PREFIX);
}

interface PartsThatMustAgree extends AlertSettings, AccountSettings {
  correctionHorizonMs: number;
  keep1mMs: number | null;
  keep15mMs: number | null;
  kafkaBrokers: readonly string[];
  timescaleUrl: string | null;
  nodeUrl: string | null;
  clusterSecret: string | null;
  ingestPort: number;
  httpPort: number;
  opsPort: number;
  ingestThreads: number;
  regionLimit: number;
  regionCapacities: Readonly<Record<string, number>>;
  kafkaMechanism: string;
  kafkaUsername: string | null;
  kafkaPassword: string | null;
}

/**
 * How long a shard keeps windows, ms, by granularity. Left to the engine, nothing goes that is not kept elsewhere for longer; and then what corrections may
 * need stays, since for the last weeks the database is neither asked nor needed.
 */
export function windowsKeptMs(config: Pick<EngineConfig, 'keep1mMs' | 'keep15mMs' | 'correctionHorizonMs' | 'timescaleUrl' | 'timescaleRetention1mMs' | 'timescaleRetention15mMs'>): number[] {
  const { correctionHorizonMs, timescaleUrl, timescaleRetention1mMs, timescaleRetention15mMs } = config;
  const auto = (retentionMs: number | null): number => (timescaleUrl !== null && (retentionMs ?? Infinity) > correctionHorizonMs ? correctionHorizonMs : Infinity);
  return [config.keep1mMs ?? auto(timescaleRetention1mMs), config.keep15mMs ?? auto(timescaleRetention15mMs)];
}

function contradictions(config: PartsThatMustAgree): { key: keyof PartsThatMustAgree; message: string }[] {
  const found: { key: keyof PartsThatMustAgree; message: string }[] = [];
  const ports = [['ingestPort', config.ingestPort], ['httpPort', config.httpPort], ['opsPort', config.opsPort]] as const;
  for (const [at, [key, value]] of ports.entries()) {
    const other = ports.slice(0, at).find(([, earlier]) => earlier === value && value !== 0);
    if (other !== undefined) found.push({ key, message: `${other[0]} is ${value} too; each port needs its own number` });
  }
  if (config.ingestPort === 0 && config.ingestThreads > 1) {
    found.push({ key: 'ingestPort', message: 'several ingest threads share one port, so it needs a number; 0 would give each its own' });
  }
  if (Object.keys(config.regionCapacities).length > config.regionLimit) {
    found.push({ key: 'regionCapacities', message: `names more regions than regionLimit allows (${config.regionLimit})` });
  }
  for (const key of ['keep1mMs', 'keep15mMs'] as const) {
    if ((config[key] ?? Infinity) < config.correctionHorizonMs) found.push({ key, message: 'is shorter than correctionHorizonMs: a reading that may still correct a window would not find it' });
  }
  found.push(...logContradictions(config), ...alertContradictions(config), ...accountContradictions(config));
  if (config.kafkaMechanism !== 'none' && (config.kafkaUsername === null || config.kafkaPassword === null)) {
    found.push({ key: 'kafkaMechanism', message: 'a login needs kafkaUsername and kafkaPassword too' });
  }
  return found;
}

function logContradictions({ log, kafkaBrokers, nodeUrl, clusterSecret }: PartsThatMustAgree): { key: keyof PartsThatMustAgree; message: string }[] {
  const found: { key: keyof PartsThatMustAgree; message: string }[] = [];
  if (log !== 'kafka') return found;
  if (kafkaBrokers.length === 0) found.push({ key: 'log', message: 'a log in Kafka needs kafkaBrokers too' });
  if (nodeUrl !== null && clusterSecret === null && !isLoopbackHost(new URL(nodeUrl).hostname.replace(/^\[|\]$/g, ''))) {
    found.push({ key: 'clusterSecret', message: 'nodeUrl is reached from other machines, so the engines need a secret that tells them from strangers' });
  }
  return found;
}
