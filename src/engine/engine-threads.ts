import { systemClock, systemTimers, type SharedClock } from '../runtime/clock.ts';
import type { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { Supervisor, type ChildSpec, type SupervisorOptions } from '../runtime/supervisor.ts';
import type { TracingOptions } from '../runtime/tracing.ts';
import { WorkerThread } from '../runtime/worker-thread.ts';
import type { EngineConfig } from './engine-config.ts';
import { FaultInjection } from './fault-injection.ts';
import type { StopOrder, StopPhase } from './stop-order.ts';

/** The threads of one engine: how each is started, who starts it anew, and what ends the engine when that is of no use. */

/** A thread that is silent for this long spins or waits for ever; turns take milliseconds. */
const HEARTBEAT_TIMEOUT_MS = 10_000;
/** Control calls are answered between turns. */
export const CONTROL_DEADLINE_MS = 2_000;
/** Crashes in a minute that are met with a restart. A shard that cannot recover would go on for ever otherwise. */
const RESTARTS = { restartsMax: 5, withinMs: 60_000, backoffMinMs: 100, backoffMaxMs: 5_000 } as const;
/** What a broken sink leaves undone waits on disk, as for alerts and bills; the engine goes on without it for as long as that takes. */
export const SINK_RESTARTS = { restartsMax: 1_000, withinMs: 60_000, backoffMinMs: 1_000, backoffMaxMs: 60_000 } as const;

export interface ThreadStart {
  name: string;
  module: URL;
  epoch: number;
  /** What the thread's main takes; structured-cloneable. */
  options: unknown;
  readyTimeoutMs: number;
}

/** Something that is started anew when it ends; what others have to know of its end stands beside its start. */
export interface EngineChild extends ChildSpec {
  /** It has gone, or is to be stopped. */
  down?(): void;
}

export interface Supervision {
  endsIn: StopPhase;
  /** RESTARTS when absent. */
  restarts?: Pick<SupervisorOptions, keyof typeof RESTARTS>;
  together?: boolean;
}

export interface EngineThreadsModules {
  log: Log;
  ends: StopOrder;
  /** null: nothing is traced. */
  tracing: TracingOptions | null;
}

export class EngineThreads {
  /** Resolves when the engine cannot go on by itself: some thread crashed too often. */
  readonly failed: Promise<OperationalError>;
  /** null unless the setting faultInjection is on. */
  readonly faults: FaultInjection | null;
  /** The system's, or one that faults can move. */
  readonly clock: SharedClock;
  private readonly logLevel: EngineConfig['logLevel'];
  private readonly modules: EngineThreadsModules;
  private readonly byName = new Map<string, WorkerThread<object>>();
  private settleFailed!: (reason: OperationalError) => void;

  constructor({ faultInjection, logLevel }: Pick<EngineConfig, 'faultInjection' | 'logLevel'>, modules: EngineThreadsModules) {
    this.failed = new Promise((resolve) => (this.settleFailed = resolve));
    this.faults = faultInjection ? new FaultInjection(this.byName, CONTROL_DEADLINE_MS) : null;
    this.clock = this.faults?.clock ?? systemClock;
    this.logLevel = logLevel;
    this.modules = modules;
  }

  running(): WorkerThread<object>[] {
    return [...this.byName.values()];
  }

  async start<Control extends object>({ name, module, epoch, options, readyTimeoutMs }: ThreadStart): Promise<WorkerThread<Control>> {
    const { log, tracing } = this.modules;
    const thread = await WorkerThread.start<Control>(
      { name, module, options, epoch, readyTimeoutMs, heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS, logLevel: this.logLevel, faults: this.faults?.boot(), tracing },
      { clock: systemClock, timers: systemTimers, log },
    );
    this.byName.set(name, thread as unknown as WorkerThread<object>);
    return thread;
  }

  /** Who keeps these children running; started by the caller, and stopped in the phase that is named. */
  supervise(name: string, children: readonly EngineChild[], { endsIn, restarts = RESTARTS, together }: Supervision): Supervisor {
    const { log, ends } = this.modules;
    const supervisor = new Supervisor({ name, strategy: 'one_for_one', ...restarts, together }, children, {
      clock: systemClock,
      timers: systemTimers,
      log,
      random: Math.random,
      onEscalate: (reason) => {
        log.error({ err: reason }, `${name}: crashed too often, the engine stops`);
        this.fail(reason);
      },
      onChild: (child, state) => {
        if (state !== 'down') return;
        this.byName.delete(child);
        children.find((one) => one.name === child)?.down?.();
      },
    });
    ends.add(endsIn, () => supervisor.stop());
    return supervisor;
  }

  /** The engine cannot go on, or cannot be started. */
  fail(reason: OperationalError): void {
    this.settleFailed(reason);
  }

  /** What a supervisor's start waits for may never come when it has given up. */
  async orFailure(started: Promise<unknown>): Promise<void> {
    await Promise.race([started, this.failed.then((reason) => Promise.reject(reason))]);
  }
}
