import { SESSION_TIMEOUT_MS } from '../actors/kafka-log/protocol.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { WorkerThread } from '../runtime/worker-thread.ts';
import { ClusterBoard, type ClusterBoardModules } from './cluster-board.ts';
import type { EngineConfig } from './engine-config.ts';
import { CONTROL_DEADLINE_MS, type EngineChild, type EngineThreads } from './engine-threads.ts';
import type { KafkaLogThreadControl } from './kafka-log-thread.ts';
import { kafkaLogThreadOptions, partitionThreadOptions, type KafkaLogPlan } from './kafka-log-wiring.ts';

/** The threads of an engine whose log is in Kafka, for their supervisors: the one that talks to Kafka, and those that fold. */

const READY_TIMEOUT_MS = 30_000;

export interface ClusterThreadsModules extends ClusterBoardModules {
  threads: EngineThreads;
  /** Questions that one partition holds unanswered. */
  queriesMax: number;
}

export class ClusterThreads {
  readonly board: ClusterBoard;
  private readonly config: EngineConfig;
  private readonly plan: KafkaLogPlan;
  private readonly modules: ClusterThreadsModules;
  private kafkaLog: WorkerThread<KafkaLogThreadControl> | null = null;
  /** Where other nodes reach this one's gateway; null while it does not listen. */
  private url: string | null = null;

  constructor(config: EngineConfig, plan: KafkaLogPlan, modules: ClusterThreadsModules) {
    this.config = config;
    this.plan = plan;
    this.modules = modules;
    const { topics, directory } = plan;
    this.board = new ClusterBoard({ self: directory.nodeId, partitionCount: topics.partitionCount, threads: config.shards, sessionMs: SESSION_TIMEOUT_MS }, modules);
  }

  partitionChildren(): EngineChild[] {
    const { config, plan, modules } = this;
    return Array.from({ length: config.shards }, (_, index) => ({
      name: `shard-${index}`,
      stopTimeoutMs: config.shutdownDeadlineMs,
      start: async ({ epoch }: { epoch: number }) => {
        const options = partitionThreadOptions(config, plan, modules.queriesMax);
        const thread = await modules.threads.start<object>({ name: `shard-${index}`, module: new URL('./partition-thread.ts', import.meta.url), epoch, options, readyTimeoutMs: READY_TIMEOUT_MS });
        this.board.foldUp(index, thread);
        return thread;
      },
      down: () => this.board.foldDown(index),
    }));
  }

  kafkaLogChild(): EngineChild {
    const { config, plan, modules } = this;
    const start = async ({ epoch }: { epoch: number }) => {
      const options = kafkaLogThreadOptions(config, plan);
      const thread = await modules.threads.start<KafkaLogThreadControl>({ name: 'kafka-log', module: new URL('./kafka-log-thread.ts', import.meta.url), epoch, options, readyTimeoutMs: READY_TIMEOUT_MS });
      this.kafkaLog = thread;
      this.board.logUp(thread as unknown as WorkerThread<object>);
      if (this.url !== null) await thread.call('join', [this.url], CONTROL_DEADLINE_MS);
      return thread;
    };
    return { name: 'kafka-log', stopTimeoutMs: config.shutdownDeadlineMs, start, down: () => this.board.logDown() };
  }

  /** Joins the group of nodes; the gateway listens on this port. */
  async join(httpPort: number): Promise<void> {
    const { nodeUrl, host } = this.config;
    this.url = nodeUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${httpPort}`;
    await this.kafkaLog?.call('join', [this.url], CONTROL_DEADLINE_MS).catch((error: unknown) => {
      // Its successor joins by itself.
      if (!(error instanceof OperationalError && error.code === 'peer_gone')) throw error;
    });
  }
}
