import { MessageChannel, Worker, type MessagePort, type ResourceLimits } from 'node:worker_threads';
import { wrap, type Endpoint } from 'comlink';
import type { Clock, TimerHandle, Timers } from './clock.ts';
import { OperationalError } from './errors.ts';
import { describeExit, type ExitReason } from './exit-reason.ts';
import type { Log, LogLevel } from './log.ts';
import {
  STOP_CALL,
  type BuiltInControl,
  type ControlOutcome,
  type ControlSurface,
  type HeartbeatStats,
  type ParentMessage,
  type ThreadBoot,
  type ThreadMessage,
} from './thread-protocol.ts';
import { THREAD_ARGUMENTS } from './thread-arguments.ts';
import type { FaultBoot } from './thread-faults.ts';
import type { TracingOptions } from './tracing.ts';
import { fromWireError, INTERNAL_ERROR_CODE } from './wire-error.ts';

/** Heartbeats in one heartbeat timeout: a few may be late before the thread counts as hung. */
const HEARTBEATS_PER_TIMEOUT = 4;

/** Unanswered control calls of one thread at most. Calls are made a few at a time; this many mean that nobody waits for them. */
export const CONTROL_CALLS_MAX = 1_024;

/**
 * How long a terminated thread may take to be gone, ms. JavaScript ends at once; only a native call that never returns (a dead disk)
 * takes longer, and then the thread counts as gone without its exit, so that nobody waits for ever.
 */
const TERMINATE_GRACE_MS = 5_000;

export interface WorkerThreadSpec {
  name: string;
  /** A module that calls `runThread`. */
  module: URL;
  /** Cloned into the thread's context. */
  options: unknown;
  /** Which incarnation of this thread this is. */
  epoch: number;
  /** Until the thread's start has resolved. Heartbeats count only from then on, so a start may compute for long. */
  readyTimeoutMs: number;
  /** Silence after which a ready thread counts as hung and is terminated. */
  heartbeatTimeoutMs: number;
  /** V8's limits; they do not count ArrayBuffers. */
  resourceLimits?: ResourceLimits;
  /** 'info' when absent. */
  logLevel?: LogLevel;
  /** Lets faults be injected; absent in a real engine. */
  faults?: FaultBoot;
  /** For threads that trace; nothing is traced when absent or null. */
  tracing?: TracingOptions | null;
}

export interface WorkerThreadDeps {
  clock: Clock;
  timers: Timers;
  log: Log;
}

type Calls<Control> = Control & BuiltInControl;
/** Names of the control methods a thread answers. */
type CallName<Control> = {
  [Name in keyof Calls<Control> & string]: Calls<Control>[Name] extends (...args: never[]) => unknown ? Name : never;
}[keyof Calls<Control> & string];
type CallMethod<Control, Name> = Name extends keyof Calls<Control> ? Calls<Control>[Name] : never;
type CallArgs<Control, Name> = CallMethod<Control, Name> extends (...args: infer Args) => unknown ? Args : never;
type CallResult<Control, Name> = CallMethod<Control, Name> extends (...args: never[]) => infer Result ? Awaited<Result> : never;

/** A worker thread as seen by the thread that started it. After its exit nothing of it is heard any more and every call rejects. */
export class WorkerThread<Control extends object> {
  readonly name: string;
  readonly epoch: number;
  /** Never rejects. The thread runs no JavaScript any more then; see TERMINATE_GRACE_MS for native calls. */
  readonly exited: Promise<ExitReason>;
  private readonly spec: WorkerThreadSpec;
  private readonly deps: WorkerThreadDeps;
  private readonly worker: Worker;
  private readonly controlPort: MessagePort;
  private readonly remote: ControlSurface;
  private readonly ready: Promise<void>;
  private settleReady!: { resolve(): void; reject(error: OperationalError): void };
  private settleExited!: (reason: ExitReason) => void;
  /** Rejects one unanswered control call each. Bounded by CONTROL_CALLS_MAX. */
  private readonly callsOpen = new Set<(error: OperationalError) => void>();
  private readonly readyTimer: TimerHandle;
  private watchTimer: TimerHandle | null = null;
  private stopTimer: TimerHandle | null = null;
  private graceTimer: TimerHandle | null = null;
  private silentMs = 0;
  private watchedAtMs = 0;
  /** What the thread's exit will be taken for; the first word counts. */
  private verdict: ExitReason | null = null;
  private end: ExitReason | null = null;
  private heartbeat: HeartbeatStats | null = null;
  private stopping = false;

  /**
   * Starts a thread and resolves when it is ready. Rejects with `thread_start_failed` (retryable unless its cause, the crash, says otherwise) when it
   * ends before that or takes longer than `readyTimeoutMs`; the thread is gone then.
   */
  static async start<Control extends object>(spec: WorkerThreadSpec, deps: WorkerThreadDeps): Promise<WorkerThread<Control>> {
    const thread = new WorkerThread<Control>(spec, deps);
    await thread.ready;
    return thread;
  }

  private constructor(spec: WorkerThreadSpec, deps: WorkerThreadDeps) {
    this.name = spec.name;
    this.epoch = spec.epoch;
    this.spec = spec;
    this.deps = deps;
    this.ready = new Promise((resolve, reject) => (this.settleReady = { resolve, reject }));
    this.exited = new Promise((resolve) => (this.settleExited = resolve));

    const control = new MessageChannel();
    this.controlPort = control.port1;
    this.remote = wrap<ControlSurface>(control.port1 as unknown as Endpoint);
    const boot: ThreadBoot = {
      name: spec.name,
      epoch: spec.epoch,
      options: spec.options,
      heartbeatMs: spec.heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT,
      logLevel: spec.logLevel ?? 'info',
      faults: spec.faults,
      tracing: spec.tracing ?? null,
      control: control.port2,
    };
    this.worker = new Worker(spec.module, { name: spec.name, workerData: boot, transferList: [control.port2], resourceLimits: spec.resourceLimits, execArgv: THREAD_ARGUMENTS });
    this.worker.on('message', (message: ThreadMessage) => this.receive(message));
    // What V8 or Node says of the thread's end, such as ERR_WORKER_OUT_OF_MEMORY.
    this.worker.on('error', (error) => (this.verdict ??= { kind: 'crashed', error: error instanceof Error ? error : new Error(String(error)) }));
    this.worker.on('exit', (code) => this.finish(this.verdict ?? { kind: 'exited', code }));
    this.readyTimer = deps.timers.after(spec.readyTimeoutMs, () => this.kill({ kind: 'hung', silentMs: spec.readyTimeoutMs }));
  }

  /** The newest heartbeat; null before the first. */
  get lastHeartbeat(): HeartbeatStats | null {
    return this.heartbeat;
  }

  /**
   * Calls a method of the thread's control object, or `metrics`. Rejects with the method's own error (code and retryable kept; `internal`
   * for what it did not plan), `deadline` (retryable), `peer_gone` (retryable) when the thread ends first, or `too_many_calls` (retryable).
   */
  call<Name extends CallName<Control>>(method: Name, args: CallArgs<Control, Name>, deadlineMs: number): Promise<CallResult<Control, Name>> {
    if (this.end !== null) return Promise.reject(this.goneError(this.end));
    if (this.callsOpen.size >= CONTROL_CALLS_MAX) {
      const message = `${this.name} has ${CONTROL_CALLS_MAX} unanswered calls; try again shortly`;
      return Promise.reject(new OperationalError('too_many_calls', message, { retryable: true }));
    }
    return new Promise((resolve, reject) => {
      const settle = (outcome: ControlOutcome): void => {
        if (!this.callsOpen.delete(rejectCall)) return;
        deadline.cancel();
        if (outcome.ok) resolve(outcome.value as CallResult<Control, Name>);
        else reject(fromWireError(outcome.error));
      };
      const rejectCall = (error: OperationalError): void => {
        this.callsOpen.delete(rejectCall);
        deadline.cancel();
        reject(error);
      };
      const deadline = this.deps.timers.after(deadlineMs, () =>
        rejectCall(new OperationalError('deadline', `${this.name} did not answer ${method} within ${deadlineMs} ms`, { retryable: true })),
      );
      this.callsOpen.add(rejectCall);
      this.remote.invoke(method, ...args).then(settle, rejectCall);
    });
  }

  /** Hands `port` to the thread's onPort handler. When the thread is gone the port is closed, so that its other end notices. */
  connect(purpose: string, port: MessagePort, meta: unknown): void {
    if (this.end !== null) {
      port.close();
      return;
    }
    this.worker.postMessage({ type: 'connect', purpose, port, meta } satisfies ParentMessage, [port]);
  }

  /** Asks the thread to stop, and terminates it when it has not exited within `timeLimitMs`. Resolves when it is gone; never rejects. */
  stop(timeLimitMs: number): Promise<ExitReason> {
    if (this.stopping || this.end !== null) return this.exited;
    this.stopping = true;
    // The last work may hold the event loop for longer than a heartbeat; the time limit watches from here on.
    this.watchTimer?.cancel();
    this.stopTimer = this.deps.timers.after(timeLimitMs, () => {
      this.deps.log.warn({ thread: this.name, epoch: this.epoch, timeLimitMs }, 'a thread did not stop in time and is terminated');
      this.kill({ kind: 'terminated' });
    });
    void this.remote.invoke(STOP_CALL);
    return this.exited;
  }

  /** Ends the thread at once, wherever it is. Resolves when it is gone; never rejects. */
  terminate(): Promise<ExitReason> {
    this.kill({ kind: 'terminated' });
    return this.exited;
  }

  private receive(message: ThreadMessage): void {
    if (this.end !== null) return;
    switch (message.type) {
      case 'ready':
        this.readyTimer.cancel();
        this.watch();
        this.settleReady.resolve();
        return;
      case 'heartbeat':
        this.silentMs = 0;
        this.heartbeat = message.stats;
        return;
      case 'crashed':
        this.verdict ??= { kind: 'crashed', error: fromWireError(message.error) };
        return;
      case 'stopped':
        this.verdict ??= { kind: 'stopped' };
        return;
    }
  }

  private watch(): void {
    const intervalMs = this.spec.heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT;
    this.silentMs = 0;
    this.watchedAtMs = this.deps.clock.monotonic();
    this.watchTimer = this.deps.timers.every(intervalMs, () => {
      const nowMs = this.deps.clock.monotonic();
      // When this thread itself was held up, heartbeats lie unread in its port: a late look counts as one.
      this.silentMs += Math.min(nowMs - this.watchedAtMs, intervalMs);
      this.watchedAtMs = nowMs;
      if (this.silentMs >= this.spec.heartbeatTimeoutMs) this.kill({ kind: 'hung', silentMs: this.silentMs });
    });
  }

  private kill(verdict: ExitReason): void {
    if (this.end !== null || this.graceTimer !== null) return;
    this.verdict ??= verdict;
    const reason = this.verdict;
    void this.worker.terminate();
    this.graceTimer = this.deps.timers.after(TERMINATE_GRACE_MS, () => {
      this.deps.log.error({ thread: this.name, epoch: this.epoch }, 'a terminated thread does not end: a native call holds it; it is given up');
      this.worker.unref();
      this.finish(reason);
    });
  }

  private finish(reason: ExitReason): void {
    if (this.end !== null) return;
    this.end = reason;
    for (const timer of [this.readyTimer, this.watchTimer, this.stopTimer, this.graceTimer]) timer?.cancel();
    this.controlPort.close();
    for (const rejectCall of [...this.callsOpen]) rejectCall(this.goneError(reason));
    // Of no effect when it was ready long ago.
    const cause = reason.kind === 'crashed' ? reason.error : undefined;
    this.settleReady.reject(
      new OperationalError('thread_start_failed', `${this.name} did not start: it ${describeExit(reason)}`, {
        // A taken port or a store of another format stays so; whatever else happened may not happen again.
        retryable: !(cause instanceof OperationalError) || cause.retryable || cause.code === INTERNAL_ERROR_CODE,
        cause,
      }),
    );
    this.settleExited(reason);
  }

  private goneError(reason: ExitReason): OperationalError {
    return new OperationalError('peer_gone', `${this.name} ${describeExit(reason)}`, {
      retryable: true,
      cause: reason.kind === 'crashed' ? reason.error : undefined,
    });
  }
}
