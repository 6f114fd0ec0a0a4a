import type { MessagePort } from 'node:worker_threads';
import type { LogLevel } from './log.ts';
import type { FaultBoot, ThreadFault } from './thread-faults.ts';
import type { TracingOptions } from './tracing.ts';
import type { WireError } from './wire-error.ts';

/** What a worker thread and the thread that started it say to each other, beside the control calls. */

/** The worker's `workerData`. */
export interface ThreadBoot {
  name: string;
  epoch: number;
  options: unknown;
  heartbeatMs: number;
  logLevel: LogLevel;
  /** Set only where faults may be injected; absent in a real engine. */
  faults?: FaultBoot;
  /** Null: nothing is traced. */
  tracing: TracingOptions | null;
  /** The thread's end of the control channel; transferred. */
  control: MessagePort;
}

/** Parent → thread. `port` is transferred. */
export type ParentMessage = { type: 'connect'; purpose: string; port: MessagePort; meta: unknown };

/** Thread → parent. */
export type ThreadMessage =
  | { type: 'ready' }
  | { type: 'heartbeat'; stats: HeartbeatStats }
  /** The last word of a thread that cannot go on. */
  | { type: 'crashed'; error: WireError }
  /** The last word of a thread that was asked to stop. */
  | { type: 'stopped' };

/** How a thread is doing; the delays are those since the heartbeat before. */
export interface HeartbeatStats {
  /** How much later than due the event loop came round. */
  eventLoopDelayP50Ms: number;
  eventLoopDelayP99Ms: number;
  eventLoopDelayMaxMs: number;
  /** Resident memory of the whole process, not of the thread. */
  rssBytes: number;
  heapUsedBytes: number;
  /** Outside the heap, ArrayBuffers among them: V8's resource limits do not count these. */
  externalBytes: number;
  arrayBuffersBytes: number;
}

/** What the thread exposes over its control port: one function, whose failures are values so that their codes survive. */
export interface ControlSurface {
  invoke(method: string, ...args: unknown[]): Promise<ControlOutcome>;
}

export type ControlOutcome = { ok: true; value: unknown } | { ok: false; error: WireError };

/** Control calls that every thread answers, beside its own. */
export interface BuiltInControl {
  /** What `metrics` of the thread's start result gives; null when it has none. */
  metrics(): Promise<unknown>;
  /** Answered before it strikes. `unknown_call` where faults may not be injected, as is the next. */
  injectFault(fault: ThreadFault): Promise<void>;
  /** Moves the thread's wall clock to so many ms from the system's. */
  setClockOffset(offsetMs: number): Promise<void>;
}

/** The built-in call that ends the thread; made by WorkerThread.stop alone. */
export const STOP_CALL = 'stop';
