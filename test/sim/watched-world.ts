import type { ShardStateConfig } from '../../src/actors/shard/state.ts';
import type { RetentionOptions } from '../../src/actors/shard/window-retention.ts';
import type { MeterWindow } from '../../src/model/window.ts';
import type { Clients } from './client.ts';
import type { EngineProcess } from './engine-process.ts';
import type { LogOracle } from './log-oracle.ts';
import type { WorldOptions } from './plan.ts';

/** What of a run those see who judge it (checkers.ts, effect-watch.ts). */
export interface WatchedWorld {
  readonly options: WorldOptions;
  readonly state: ShardStateConfig;
  readonly retention: RetentionOptions;
  readonly oracle: LogOracle;
  readonly clients: Pick<Clients, 'requests'>;
  readonly engine: EngineProcess | null;
  /** What the system beside the engine was given; null in a run without an outbox. */
  readonly effects: { windowLike(window: Pick<MeterWindow, 'meterId' | 'granularity' | 'windowStart'>): MeterWindow | undefined } | null;
  /** Shards were spread anew at least once: the logs of before do not fold into the shards of now. */
  readonly hasResized: boolean;
  readonly counts: Record<string, number>;
  /** Notes what is wrong. */
  fail(problem: string): void;
}

/** Looks at the engine between two steps of a plan, and remembers. */
export interface Watch {
  look(world: WatchedWorld): void;
}
