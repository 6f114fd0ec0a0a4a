import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { expose, type Endpoint } from 'comlink';
import { OffsetClock, systemClock, systemTimers, type SharedClock, type Timers } from './clock.ts';
import { invariant, OperationalError } from './errors.ts';
import { createLog, type Log } from './log.ts';
import { openTracing } from './open-tracing.ts';
import {
  STOP_CALL,
  type ControlOutcome,
  type ControlSurface,
  type HeartbeatStats,
  type ParentMessage,
  type ThreadBoot,
  type ThreadMessage,
} from './thread-protocol.ts';
import { faultControl } from './thread-faults.ts';
import type { Tracing } from './tracing.ts';
import { toWireError } from './wire-error.ts';

/** The inside of a worker thread: a module that is started by WorkerThread calls `runThread` once, at its top level. */

/** Takes a port the parent connected. The port is owned by the receiver; `meta` is the parent's description of it. */
export type PortHandler = (purpose: string, port: MessagePort, meta: unknown) => void;

/** What the runtime gives to a thread. */
export interface ThreadContext {
  name: string;
  /** Which incarnation of this thread this is; goes into its envelopes. */
  epoch: number;
  /** As given to WorkerThread.start, cloned. */
  options: unknown;
  clock: SharedClock;
  timers: Timers;
  log: Log;
  /** Null: nothing is traced. To be called once; closed after `stop`. */
  openTracing(): Promise<Tracing | null>;
  /** Sets the handler of connected ports. To be called before `start` resolves: ports may come right after. */
  onPort(handler: PortHandler): void;
  /** Ends the thread at once as crashed; the parent reads `error` as its exit reason. */
  fail(error: unknown): never;
}

/** What a thread's start gives back. */
export interface RunningThread<Control extends object> {
  /** Its methods can be called through WorkerThread.call; arguments and results are cloned. */
  control: Control;
  /** Ends the work in order; the thread exits when it resolves and counts as crashed when it rejects. */
  stop(): Promise<void>;
  metrics?(): Promise<unknown>;
}

/** monitorEventLoopDelay samples this often, and its values contain this much even when nothing is late. */
const EVENT_LOOP_SAMPLE_MS = 10;
const NANOSECONDS_PER_MS = 1e6;

/**
 * Runs this worker thread: calls `start`, says ready when it resolves, then sends heartbeats and answers control calls.
 * An exception nobody caught, a rejection nobody handled, and a `start` that rejects end the thread as crashed.
 */
export function runThread<Control extends object>(start: (context: ThreadContext) => Promise<RunningThread<Control>>): void {
  invariant(parentPort !== null, 'runThread belongs into a worker thread; start the module with WorkerThread.start');
  const parent = parentPort;
  const boot = workerData as ThreadBoot;
  const say = (message: ThreadMessage): void => parent.postMessage(message);
  const crash = (error: unknown): never => {
    say({ type: 'crashed', error: toWireError(error) });
    process.exit(1);
  };
  // Rejections that nobody handles come here too.
  process.on('uncaughtException', crash);

  let portHandler: PortHandler | null = null;
  parent.on('message', (message: ParentMessage) => {
    invariant(portHandler !== null, `${boot.name} was connected a port before it set onPort`);
    portHandler(message.purpose, message.port, message.meta);
  });
  startHeartbeats(boot.heartbeatMs, say);

  const offsetClock = boot.faults === undefined ? null : new OffsetClock(boot.faults.clockOffsetMs);
  const log = createLog({ level: boot.logLevel, name: boot.name }).child({ epoch: boot.epoch });
  let tracing: Tracing | null = null;
  const context: ThreadContext = {
    name: boot.name,
    epoch: boot.epoch,
    options: boot.options,
    clock: offsetClock ?? systemClock,
    timers: systemTimers,
    log,
    async openTracing() {
      tracing = await openTracing(boot.tracing, boot.name, { log, nowMs: systemClock.sharedMonotonic });
      return tracing;
    },
    onPort(handler) {
      portHandler = handler;
    },
    fail: crash,
  };
  start(context).then((running) => {
    const stop = async (): Promise<never> => {
      await running.stop().catch(crash);
      await tracing?.close();
      say({ type: 'stopped' });
      process.exit(0);
    };
    // Node's MessagePort has the DOM's addEventListener, so comlink needs no adapter.
    if (offsetClock !== null) Object.assign(running.control, faultControl(offsetClock));
    expose(controlSurface(running, stop), boot.control as unknown as Endpoint);
    say({ type: 'ready' });
  }, crash);
}

/** From the event loop, so that a thread that spins or waits gives none. */
function startHeartbeats(heartbeatMs: number, say: (message: ThreadMessage) => void): void {
  const delays = monitorEventLoopDelay({ resolution: EVENT_LOOP_SAMPLE_MS });
  delays.enable();
  systemTimers.every(heartbeatMs, () => {
    say({ type: 'heartbeat', stats: heartbeatStats(delays) });
    delays.reset();
  });
}

function heartbeatStats(delays: IntervalHistogram): HeartbeatStats {
  const memory = process.memoryUsage();
  return {
    eventLoopDelayP50Ms: lateMs(delays.percentile(50)),
    eventLoopDelayP99Ms: lateMs(delays.percentile(99)),
    eventLoopDelayMaxMs: lateMs(delays.max),
    rssBytes: memory.rss,
    heapUsedBytes: memory.heapUsed,
    externalBytes: memory.external,
    arrayBuffersBytes: memory.arrayBuffers,
  };
}

function lateMs(sampleNanoseconds: number): number {
  return Math.max(0, sampleNanoseconds / NANOSECONDS_PER_MS - EVENT_LOOP_SAMPLE_MS);
}

function controlSurface<Control extends object>(running: RunningThread<Control>, stop: () => Promise<never>): ControlSurface {
  return {
    async invoke(method, ...args): Promise<ControlOutcome> {
      if (method === STOP_CALL) return stop();
      try {
        return { ok: true, value: await callControl(running, method, args) };
      } catch (error) {
        return { ok: false, error: toWireError(error) };
      }
    },
  };
}

async function callControl<Control extends object>(running: RunningThread<Control>, method: string, args: unknown[]): Promise<unknown> {
  if (method === 'metrics') return (await running.metrics?.()) ?? null;
  const target = (running.control as Record<string, unknown>)[method];
  if (typeof target !== 'function') throw new OperationalError('unknown_call', `the thread has no control call named ${method}`);
  return target.apply(running.control, args);
}
