import type { WorkerThread } from '../runtime/worker-thread.ts';
import type { EngineConfig } from './engine-config.ts';
import type { EngineChild, EngineThreads } from './engine-threads.ts';
import type { HistoryLink } from './history-link.ts';
import type { OutboxLink } from './outbox-link.ts';
import type { ConnectableThread, ShardLinks } from './shard-links.ts';
import { sinkThreadOptions } from './sink-options.ts';

/** The thread that writes to systems beside the engine, for its supervisor. */

const NAME = 'sinks';
const READY_TIMEOUT_MS = 30_000;

export interface SinkChildModules {
  threads: EngineThreads;
  links: ShardLinks;
  /** Supervisors that tell the sinks what changed. */
  outboxes: readonly OutboxLink[];
  /** null without a database. */
  history: HistoryLink | null;
  /** Lets the thread ask for parts that lie with other nodes; null where all are here. */
  answerRegionParts: ((thread: ConnectableThread) => void) | null;
  /** Of all engines that share a log. */
  engineId: string;
}

export function sinkChild(config: EngineConfig, { threads, links, outboxes, history, answerRegionParts, engineId }: SinkChildModules): EngineChild {
  const start = async ({ epoch }: { epoch: number }): Promise<WorkerThread<object>> => {
    const thread = await threads.start<object>({ name: NAME, module: new URL('./sink-thread.ts', import.meta.url), epoch, options: sinkThreadOptions(config, engineId), readyTimeoutMs: READY_TIMEOUT_MS });
    answerRegionParts?.(thread);
    links.clientUp(NAME, 'sinks', thread);
    history?.up(thread);
    for (const outbox of outboxes) outbox.sinksUp(thread);
    return thread;
  };
  const down = (): void => {
    history?.down();
    for (const outbox of outboxes) outbox.sinksDown();
    links.clientDown(NAME);
  };
  return { name: NAME, stopTimeoutMs: config.shutdownDeadlineMs, start, down };
}
