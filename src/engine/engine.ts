import { systemClock, systemTimers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { PhaseOutcome, Shutdown } from '../runtime/shutdown.ts';
import { planAlerts } from './alert-plan.ts';
import { planBilling } from './billing-settings.ts';
import type { EngineConfig } from './engine-config.ts';
import { EngineParts, type EngineModules } from './engine-parts.ts';
import { planKafkaLog } from './kafka-log-wiring.ts';
import { redistributeDirectory } from './redistribution.ts';
import { shardStateConfig } from './shard-state-config.ts';

/** One engine, and what starts after what. Its parts and what they are made of: engine-parts.ts; what ends when: stop-order.ts. */

export interface Engine {
  readonly ports: { ingest: number; http: number; ops: number };
  /** Resolves when the engine cannot go on by itself: some thread crashed too often. */
  readonly failed: Promise<OperationalError>;
  readonly shutdown: Shutdown;
  /** Never rejects. */
  stop(reason: string): Promise<PhaseOutcome[]>;
}

/** Shards learn how the regions are this often; darkness is judged by the minute. */
const PICTURE_INTERVAL_MS = 5_000;
const VITALS_INTERVAL_MS = 1_000;

/**
 * Starts an engine; resolves when every shard has recovered and all ports listen. Rejects with OperationalError: `data_directory`,
 * `data_directory_in_use`, `storage_full`, `port_in_use`, or the reason why a shard did not start; with the log in Kafka also `unavailable`, `topic_settings` and what brokers refuse.
 */
export async function startEngine(config: EngineConfig, modules: EngineModules): Promise<Engine> {
  const alerts = await planAlerts(config, { clock: systemClock, log: modules.log });
  const billing = planBilling(config);
  const kafka = config.log === 'kafka' ? await planKafkaLog(config, modules.log) : null;
  const parts = new EngineParts(config, modules, { kafka, alerts, billing });
  const stop = (reason: string): Promise<PhaseOutcome[]> => parts.shutdown.run(reason);
  try {
    await start(parts);
  } catch (error) {
    await stop('it did not start');
    throw error;
  }
  return { ports: parts.ports, failed: parts.threads.failed, shutdown: parts.shutdown, stop };
}

async function start(parts: EngineParts): Promise<void> {
  const { threads, alerts, billing, health } = parts;
  await parts.openTracing();
  // Before all that takes time, so that an orchestrator sees a long recovery as alive and not ready.
  await parts.openOps();
  await parts.openAccounts();
  await parts.openRegistry();
  await threads.orFailure(parts.actors.start());
  const besideStarted = Promise.all([alerts?.startThread(), billing?.startThread()]);
  // Whoever waits for it hears of it; before, the engine may have failed otherwise.
  besideStarted.catch(() => undefined);
  if (parts.cluster === null) await startShards(parts);
  else await startCluster(parts);
  // Sinks ask them as well as shards.
  await threads.orFailure(besideStarted);
  await threads.orFailure(parts.sinks.start());
  if (parts.cluster === null) await parts.openGateway();
  startTimers(parts);
  alerts?.startFeed();
  billing?.startFeed();
  health.state = 'ready';
}

async function startShards(parts: EngineParts): Promise<void> {
  const { config, modules, directory, partitionCount, threads, ingests, shards, regions, board } = parts;
  const stateOf = (shardCount: number) => shardStateConfig(config, partitionCount, shardCount);
  await redistributeDirectory(directory!, config.shards, stateOf, { clock: systemClock, log: modules.log });
  // Beside the recovery, which may take seconds of one core: until a shard is up its senders get 503.
  const ingestsStarted = threads.orFailure(ingests.start());
  ingestsStarted.catch(() => undefined);
  const shardsStarted = threads.orFailure(shards.start());
  parts.loadGateway();
  await shardsStarted;
  await regions.firstReports(config.shards);
  await board.seed();
  await ingestsStarted;
}

/** The gateway before the partitions: other nodes are told its address, and to whoever asks too early it says so. */
async function startCluster(parts: EngineParts): Promise<void> {
  const { threads, ports, board } = parts;
  const cluster = parts.cluster!;
  await threads.orFailure(parts.kafkaLog.start());
  await threads.orFailure(parts.shards.start());
  await parts.openGateway();
  await cluster.join(ports.http);
  parts.nodes!.start();
  await threads.orFailure(cluster.board.settled());
  await board.seed().catch((error: unknown) => {
    // Some are with other nodes, or on their way; what comes is noted all the same.
    if (!(error instanceof OperationalError && error.retryable)) throw error;
  });
  await threads.orFailure(parts.ingests.start());
}

function startTimers({ ends, links, regions, vitals, board }: EngineParts): void {
  const timers = [
    systemTimers.every(PICTURE_INTERVAL_MS, () => links.tellPicture({ kind: 'regionPicture', regions: regions.state.picture() })),
    systemTimers.every(VITALS_INTERVAL_MS, () => void vitals.poll().then(() => board.tellEngine())),
    systemTimers.every(VITALS_INTERVAL_MS, () => board.tellClosed()),
  ];
  ends.add('ingest', () => timers.forEach((timer) => timer.cancel()));
}
