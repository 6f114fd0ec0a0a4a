import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLASS_ARCHIVE, kafkaClassPath, kafkaJarsPresent, LOG_SETTINGS } from './kafka-jars.ts';
import { RestartableServer } from './restartable-server.ts';
import { removeServiceDirectory, runTool, serviceDirectory, servicePort } from './service-process.ts';

/** Apache Kafka for a test: real brokers in KRaft mode on free ports of 127.0.0.1, with data of their own that is gone afterwards. */

export const KAFKA_HOW_TO =
  'Install Java 17 and Maven (`apt-get install default-jre-headless maven`) and get Kafka\'s jars with `npm run services -- kafka --fetch`, ' +
  'or name running brokers with SEG_TEST_KAFKA_BROKERS=host:port,host:port.';

/** More than three tell a test nothing new, and each is 300 MB of memory. */
const BROKERS_MAX = 5;
/** As many copies as a topic of Kafka's own has in production, where there are brokers for them. */
const COPIES_MAX = 3;
const HEAP_MB = 256;
/** For a broker that writes its classes as it ends: four seconds of a core, and whatever else runs on it. */
const ARCHIVE_TIMEOUT_MS = 180_000;
/** Two cores are shared with other suites: a compiler that optimises for hours of running, or a collector with a thread for each core, does not pay. */
const JAVA_ARGS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'];

export interface KafkaOptions {
  /** 1 by default. All are controllers too, so the cluster works while more than half of them are up: use 1, 3 or 5. */
  brokers?: number;
  /**
   * Further ways in, of a cluster of one broker: it listens on `port` and tells whoever comes there to go on at `advertisedPort`, where a proxy that leads to `port` can cut them off.
   */
  doors?: readonly { port: number; advertisedPort: number }[];
  /** Arguments of Java for every broker, beside the usual ones. */
  javaArgs?: readonly string[];
  /** Lines of server.properties for every broker. Topics are not made by asking for them unless `auto.create.topics.enable` is set here. */
  settings?: Readonly<Record<string, string>>;
}

/** Starts a cluster; resolves once all brokers are up. The caller disposes of it. Rejects where `kafkaAvailable` is false. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const { brokers = 1, settings = {}, doors = [], javaArgs = archiveArgs() } = options;
  if (brokers > 1 && doors.length > 0) throw new Error('each of several brokers would need doors of its own');
  if (!Number.isInteger(brokers) || brokers < 1 || brokers > BROKERS_MAX) throw new Error(`${brokers} brokers; from 1 to ${BROKERS_MAX} are possible`);
  if (!kafkaAvailable()) throw new Error(`Kafka is not here. ${KAFKA_HOW_TO}`);
  const classPath = kafkaClassPath();
  const directory = serviceDirectory('kafka');
  let cluster: KafkaCluster | null = null;
  try {
    const plans = await planBrokers(directory, brokers);
    const clusterId = randomBytes(16).toString('base64url');
    const formats = plans.map(async (plan) => {
      mkdirSync(plan.directory);
      writeFileSync(propertiesFile(plan), properties(plan, plans, { ...doorSettings(plan, doors), ...settings }));
      await runJava(classPath, 'kafka.tools.StorageTool', ['format', `--cluster-id=${clusterId}`, '--config', propertiesFile(plan)]);
    });
    await allDone(formats);
    cluster = new KafkaCluster(directory, plans.map((plan) => new KafkaBroker(plan, classPath, javaArgs)));
    await cluster.start();
    return cluster;
  } catch (error) {
    if (cluster === null) removeServiceDirectory(directory);
    else await cluster.dispose();
    throw error;
  }
}

/**
 * Runs a broker once and keeps its classes beside the jars, unless they are there: the next start, with the formatting, takes a third less then. Whoever has got the jars by themselves does without.
 */
export async function makeClassArchive(): Promise<void> {
  if (existsSync(CLASS_ARCHIVE)) return;
  const made = `${CLASS_ARCHIVE}.${process.pid}`;
  const cluster = await startKafka({ javaArgs: [`-XX:ArchiveClassesAtExit=${made}`] });
  try {
    await cluster.stop(ARCHIVE_TIMEOUT_MS);
    // One that took too long was killed, and may have written half of it.
    if (cluster.nodes[0].exitCode === null) rmSync(made, { force: true });
    else renameSync(made, CLASS_ARCHIVE);
  } finally {
    await cluster.dispose();
  }
}

function archiveArgs(): string[] {
  return existsSync(CLASS_ARCHIVE) ? [`-XX:SharedArchiveFile=${CLASS_ARCHIVE}`] : [];
}

/** Whether `startKafka` can: Java and the jars are here. */
export function kafkaAvailable(): boolean {
  return kafkaJarsPresent() && javaAvailable();
}

export function javaAvailable(): boolean {
  return spawnSync('java', ['-version']).status === 0;
}

interface BrokerPlan {
  id: number;
  directory: string;
  port: number;
  controllerPort: number;
}

/** One broker of a cluster. With others in it, `start` is not done before more than half of them are up. */
export class KafkaBroker extends RestartableServer {
  readonly id: number;
  /** `127.0.0.1:port`. */
  readonly address: string;

  /** Use `startKafka`. */
  constructor(plan: BrokerPlan, classPath: string, javaArgs: readonly string[]) {
    super({
      name: `Kafka broker ${plan.id}`,
      command: 'java',
      args: [...JAVA_ARGS, ...javaArgs, `-Xmx${HEAP_MB}m`, `-Dlog4j2.configurationFile=${LOG_SETTINGS}`, '-cp', classPath, 'kafka.Kafka', propertiesFile(plan)],
      env: { LC_ALL: 'C.UTF-8', TZ: 'UTC' },
      cwd: plan.directory,
      readyText: 'Kafka Server started',
      stopSignal: 'SIGTERM',
    });
    this.id = plan.id;
    this.address = `127.0.0.1:${plan.port}`;
  }
}

/** Brokers that belong together. What is done to the cluster is done to each of them. */
export class KafkaCluster {
  /** For clients, as SEG_KAFKA_BROKERS takes it: `127.0.0.1:port,127.0.0.1:port`. */
  readonly brokers: string;
  readonly nodes: readonly KafkaBroker[];
  private readonly directory: string;

  /** Use `startKafka`. */
  constructor(directory: string, nodes: readonly KafkaBroker[]) {
    this.directory = directory;
    this.nodes = nodes;
    this.brokers = nodes.map(({ address }) => address).join(',');
  }

  async start(): Promise<void> {
    await allDone(this.nodes.map((node) => node.start()));
  }

  async stop(timeoutMs?: number): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop(timeoutMs)));
  }

  async kill9(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill9()));
  }

  pause(): void {
    for (const node of this.nodes) node.pause();
  }

  resume(): void {
    for (const node of this.nodes) node.resume();
  }

  /**
   * Kills all and removes their data. An orderly stop would save nothing, and takes long: the last controllers wait for a majority
   * that has gone.
   */
  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()));
    removeServiceDirectory(this.directory);
  }
}

/** Waits for all, also where one fails: what is still at work then would be in the way of cleaning up. */
async function allDone(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((work) => work.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function planBrokers(directory: string, count: number): Promise<BrokerPlan[]> {
  const ports = new Set<number>();
  while (ports.size < 2 * count) ports.add(await servicePort());
  const list = [...ports];
  return Array.from({ length: count }, (_, at) => ({ id: at + 1, directory: join(directory, `broker-${at + 1}`), port: list[at], controllerPort: list[count + at] }));
}

function propertiesFile({ directory }: BrokerPlan): string {
  return join(directory, 'server.properties');
}

function properties(plan: BrokerPlan, plans: readonly BrokerPlan[], settings: Readonly<Record<string, string>>): string {
  const copies = `${Math.min(plans.length, COPIES_MAX)}`;
  const lines: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': `${plan.id}`,
    'controller.quorum.voters': plans.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${plan.port},CONTROLLER://127.0.0.1:${plan.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${plan.port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': join(plan.directory, 'data'),
    // A topic by a wrong name would spring up and hide the mistake.
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': '1',
    // By default fifty partitions each, which two cores take seconds to make at the first commit.
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    // How long a dead broker is taken for alive, and keeps its successor under the same id from joining: 9 s by default.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    // By default a new group waits three seconds for more members.
    'group.initial.rebalance.delay.ms': '0',
    // By default 128 MiB, half of this heap.
    'log.cleaner.dedupe.buffer.size': '8388608',
    'num.network.threads': '2',
    'num.io.threads': '2',
    ...settings,
  };
  return `${Object.entries(lines).map(([key, value]) => `${key}=${value}`).join('\n')}\n`;
}

/** Listeners beside the usual ones. */
function doorSettings(plan: BrokerPlan, doors: NonNullable<KafkaOptions['doors']>): Record<string, string> {
  if (doors.length === 0) return {};
  const named = doors.map((door, i) => ({ name: `DOOR${i}`, ...door }));
  return {
    listeners: [`PLAINTEXT://127.0.0.1:${plan.port}`, `CONTROLLER://127.0.0.1:${plan.controllerPort}`, ...named.map(({ name, port }) => `${name}://127.0.0.1:${port}`)].join(','),
    'advertised.listeners': [`PLAINTEXT://127.0.0.1:${plan.port}`, ...named.map(({ name, advertisedPort }) => `${name}://127.0.0.1:${advertisedPort}`)].join(','),
    'listener.security.protocol.map': ['PLAINTEXT:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...named.map(({ name }) => `${name}:PLAINTEXT`)].join(','),
  };
}

function runJava(classPath: string, mainClass: string, args: readonly string[]): Promise<string> {
  return runTool('java', [...JAVA_ARGS, ...archiveArgs(), `-Dlog4j2.configurationFile=${LOG_SETTINGS}`, '-cp', classPath, mainClass, ...args]);
}
