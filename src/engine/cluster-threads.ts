import { SESSION_TIMEOUT_MS } from '../actors/kafka-log/kafka/group-member.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Supervisor } from '../runtime/supervisor.ts';
import type { WorkerThread } from '../runtime/worker-thread.ts';
import { ClusterBoard, type ClusterBoardModules } from './cluster-board.ts';
import type { EngineConfig } from './engine-config.ts';
import type { KafkaLogThreadControl } from './kafka-log-thread.ts';
import { kafkaLogThreadOptions, partitionThreadOptions, type KafkaLogPlan } from './kafka-log-wiring.ts';

/** The threads of an engine whose log is in Kafka, for their supervisors: the one that talks to Kafka, and those that fold. */

type ChildSpecs = ConstructorParameters<typeof Supervisor>[1];

export interface ClusterThreadsModules extends ClusterBoardModules {
  startThread<Control extends object>(name: string, module: URL, epoch: number, options: unknown): Promise<WorkerThread<Control>>;
  /** Questions that one partition holds unanswered. */
  queriesMax: number;
  controlDeadlineMs: number;
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

  partitionSpecs(): ChildSpecs {
    const { config, plan, modules } = this;
    return Array.from({ length: config.shards }, (_, index) => ({
      name: `shard-${index}`,
      stopTimeoutMs: config.shutdownDeadlineMs,
      start: async ({ epoch }: { epoch: number }) => {
        const options = partitionThreadOptions(config, plan, modules.queriesMax);
        const thread = await modules.startThread<object>(`shard-${index}`, new URL('./partition-thread.ts', import.meta.url), epoch, options);
        this.board.foldUp(index, thread);
        return thread;
      },
    }));
  }

  kafkaLogSpecs(): ChildSpecs {
    const { config, plan, modules } = this;
    const start = async ({ epoch }: { epoch: number }) => {
      const options = kafkaLogThreadOptions(config, plan);
      const thread = await modules.startThread<KafkaLogThreadControl>('kafka-log', new URL('./kafka-log-thread.ts', import.meta.url), epoch, options);
      this.kafkaLog = thread;
      this.board.logUp(thread as unknown as WorkerThread<object>);
      if (this.url !== null) await thread.call('join', [this.url], modules.controlDeadlineMs);
      return thread;
    };
    return [{ name: 'kafka-log', stopTimeoutMs: config.shutdownDeadlineMs, start }];
  }

  /** Joins the group of nodes; the gateway listens on this port. */
  async join(httpPort: number): Promise<void> {
    const { nodeUrl, host } = this.config;
    this.url = nodeUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${httpPort}`;
    await this.kafkaLog?.call('join', [this.url], this.modules.controlDeadlineMs).catch((error: unknown) => {
      // Its successor joins by itself.
      if (!(error instanceof OperationalError && error.code === 'peer_gone')) throw error;
    });
  }
}
