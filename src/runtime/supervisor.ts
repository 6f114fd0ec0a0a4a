import type { Clock, TimerHandle, Timers } from './clock.ts';
import { OperationalError } from './errors.ts';
import { describeExit, type ExitReason } from './exit-reason.ts';
import type { Log } from './log.ts';
import { RestartIntensity } from './restart-intensity.ts';

/** Keeps children running: starts them in order, restarts those that end, gives up when they end too often. */

/** Past its own stop time limit by this much, ms, a child is given up: its stop has broken its promise. */
const STOP_GRACE_MS = 10_000;

/** A running child. `exited` never rejects. */
export interface Child {
  readonly exited: Promise<ExitReason>;
  /** Ends the child within `timeLimitMs`, by force if need be. */
  stop(timeLimitMs: number): Promise<unknown>;
}

export interface ChildSpec {
  name: string;
  /**
   * Makes one incarnation, `epoch` 1 for the first. To reject counts as a crash, and with an OperationalError that is not retryable as
   * the end: the supervisor escalates at once. Must settle in bounded time.
   */
  start(attempt: { epoch: number }): Promise<Child>;
  stopTimeoutMs: number;
}

export interface SupervisorOptions {
  /** For messages. */
  name: string;
  /** one_for_one: a child that ends is restarted alone. rest_for_one: so are those after it, stopped in reverse order first. */
  strategy: 'one_for_one' | 'rest_for_one';
  /** Of one_for_one: children that do not need each other start side by side, and stop so. In their order when absent. */
  together?: boolean;
  /** Crashes within `withinMs` that are met with a restart; one more escalates. */
  restartsMax: number;
  withinMs: number;
  /** Wait before a restart: doubles with each crash in a row, between half of it and all of it by chance. */
  backoffMinMs: number;
  backoffMaxMs: number;
}

export interface SupervisorDeps {
  clock: Clock;
  timers: Timers;
  log: Log;
  /** The supervisor has stopped everything and will not go on: `restart_intensity` or `cannot_start`, its cause the last crash. */
  onEscalate(reason: OperationalError): void;
  /** Called when a child has come up, and before anything else is done about a child that went down or is to be stopped. */
  onChild?(name: string, state: 'up' | 'down', epoch: number, reason: ExitReason | null): void;
  /** From 0 to below 1; for back-off. */
  random?(): number;
}

export type ChildState = 'down' | 'starting' | 'up' | 'backing_off' | 'stopping';

export interface ChildStatus {
  name: string;
  state: ChildState;
  /** The newest incarnation; 0 before the first start. */
  epoch: number;
  /** Times it was started again, for its own sake or for another's. */
  restarts: number;
  lastExit: ExitReason | null;
}

interface Slot extends Omit<ChildStatus, 'restarts'> {
  spec: ChildSpec;
  child: Child | null;
  /** Crashes in a row; a child that stays up for `withinMs` starts again from none. */
  crashesInARow: number;
  /** On the monotonic clock; null while not up. */
  upSinceMs: number | null;
  /** Whether the crash the slot is down by still has its wait before it. */
  backoffOwed: boolean;
  /** Settles when the start or stop that is under way is over. */
  busy: Promise<void>;
}

export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly deps: SupervisorDeps;
  private readonly slots: Slot[];
  private readonly intensity: RestartIntensity;
  private phase: 'new' | 'running' | 'ending' = 'new';
  private ended: Promise<void> | null = null;
  /** rest_for_one repairs one at a time; one_for_one one per child. */
  private readonly repairing = new Set<Slot | 'rest'>();
  /** Wakes a repair from its back-off. */
  private readonly waits = new Map<TimerHandle, () => void>();
  private readonly started: Promise<void>;
  private settleStarted!: { resolve(): void; reject(error: OperationalError): void };

  constructor(options: SupervisorOptions, children: readonly ChildSpec[], deps: SupervisorDeps) {
    this.options = options;
    this.deps = deps;
    this.intensity = new RestartIntensity(options.restartsMax, options.withinMs);
    this.slots = children.map((spec) => ({
      name: spec.name,
      state: 'down',
      epoch: 0,
      lastExit: null,
      spec,
      child: null,
      crashesInARow: 0,
      upSinceMs: null,
      backoffOwed: false,
      busy: Promise.resolve(),
    }));
    this.started = new Promise((resolve, reject) => (this.settleStarted = { resolve, reject }));
    // Whoever did not call start does not wait for it.
    this.started.catch(() => undefined);
  }

  /**
   * Starts the children, unless together in order, each after the one before it is up or has failed once. Resolves when all are up at the same time for
   * the first time; rejects with the escalation, or with `stopped` when stop() came first.
   */
  async start(): Promise<void> {
    if (this.phase === 'new') {
      this.phase = 'running';
      if (this.options.strategy === 'rest_for_one') void this.repairRest();
      else await this.startEach();
    }
    this.noteStarted();
    return this.started;
  }

  /** Stops the children, unless together in reverse order. Resolves when all are gone; may be called at any time and more than once. */
  stop(): Promise<void> {
    this.ended ??= this.endAll(new OperationalError('stopped', `${this.options.name} was stopped before all its children were up`));
    return this.ended;
  }

  status(): ChildStatus[] {
    return this.slots.map(({ name, state, epoch, lastExit }) => ({ name, state, epoch, restarts: Math.max(0, epoch - 1), lastExit }));
  }

  private async startEach(): Promise<void> {
    if (this.options.together === true) {
      await Promise.all(this.slots.map((slot) => this.bringUp(slot)));
      return;
    }
    for (const slot of this.slots) {
      if (this.phase !== 'running') return;
      await this.bringUp(slot);
    }
  }

  private repair(slot: Slot): void {
    if (this.phase !== 'running') return;
    void (this.options.strategy === 'one_for_one' ? this.repairOne(slot) : this.repairRest());
  }

  private async repairOne(slot: Slot): Promise<void> {
    if (this.repairing.has(slot)) return;
    this.repairing.add(slot);
    while (this.phase === 'running' && slot.child === null) {
      await this.backOff(slot);
      if (this.phase === 'running') await this.bringUp(slot);
    }
    this.repairing.delete(slot);
  }

  /** One loop mends all damage, from the first child that is down: an earlier one may fall while later ones are being restarted. */
  private async repairRest(): Promise<void> {
    if (this.repairing.has('rest')) return;
    this.repairing.add('rest');
    while (this.phase === 'running') {
      const first = this.slots.findIndex((slot) => slot.child === null);
      if (first < 0) break;
      await this.takeDownAfter(first);
      if (this.phase !== 'running') break;
      const slot = this.slots[first];
      if (slot.backoffOwed) await this.backOff(slot);
      // During the wait an earlier child may have fallen; it comes first then.
      else await this.bringUp(slot);
    }
    this.repairing.delete('rest');
  }

  private async takeDownAfter(index: number): Promise<void> {
    for (let i = this.slots.length - 1; i > index; i--) await this.takeDown(this.slots[i]);
  }

  private bringUp(slot: Slot): Promise<void> {
    slot.busy = this.startChild(slot);
    return slot.busy;
  }

  private async startChild(slot: Slot): Promise<void> {
    slot.state = 'starting';
    slot.epoch++;
    const epoch = slot.epoch;
    let child: Child;
    try {
      child = await slot.spec.start({ epoch });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.crashed(slot, { kind: 'crashed', error }, error instanceof OperationalError && !error.retryable);
      return;
    }
    slot.child = child;
    slot.state = 'up';
    slot.upSinceMs = this.deps.clock.monotonic();
    this.deps.onChild?.(slot.name, 'up', epoch, null);
    void child.exited.then((reason) => {
      // Anything else is an incarnation that was already given up.
      if (slot.child !== child || slot.state !== 'up') return;
      slot.child = null;
      this.deps.onChild?.(slot.name, 'down', epoch, reason);
      this.crashed(slot, reason);
    });
    this.noteStarted();
  }

  /** `isFinal`: it would end the same way again. */
  private crashed(slot: Slot, reason: ExitReason, isFinal = false): void {
    const nowMs = this.deps.clock.monotonic();
    const wasSteady = slot.upSinceMs !== null && nowMs - slot.upSinceMs >= this.options.withinMs;
    slot.crashesInARow = wasSteady ? 1 : slot.crashesInARow + 1;
    slot.upSinceMs = null;
    slot.state = 'down';
    slot.lastExit = reason;
    slot.backoffOwed = true;
    if (this.phase !== 'running') return;
    const error = reason.kind === 'crashed' ? reason.error : undefined;
    const fields = { supervisor: this.options.name, child: slot.name, epoch: slot.epoch, reason: reason.kind, error };
    this.deps.log.error(fields, `${slot.name} ${describeExit(reason)}`);
    if (isFinal) this.escalate(reason, 'cannot_start', `${slot.name} cannot start`);
    else if (this.intensity.allows(nowMs)) this.repair(slot);
    else {
      const { restartsMax, withinMs } = this.options;
      this.escalate(reason, 'restart_intensity', `its children ended more than ${restartsMax} times within ${withinMs} ms; the last was ${slot.name}`);
    }
  }

  private escalate(reason: ExitReason, code: string, why: string): void {
    const cause = reason.kind === 'crashed' ? reason.error : undefined;
    const escalation = new OperationalError(code, `${this.options.name} gives up: ${why}: it ${describeExit(reason)}`, { cause });
    this.ended ??= this.endAll(escalation).then(() => this.deps.onEscalate(escalation));
  }

  private async endAll(startError: OperationalError): Promise<void> {
    this.phase = 'ending';
    for (const [timer, wake] of this.waits) {
      timer.cancel();
      wake();
    }
    this.waits.clear();
    // A start under way is let finish: half-started children cannot be stopped.
    const end = async (slot: Slot): Promise<void> => {
      await slot.busy;
      await this.takeDown(slot);
    };
    if (this.options.together === true) await Promise.all(this.slots.map(end));
    else for (const slot of this.slots.toReversed()) await end(slot);
    this.settleStarted.reject(startError);
  }

  private takeDown(slot: Slot): Promise<void> {
    if (slot.state === 'up') slot.busy = this.stopChild(slot, slot.child!);
    return slot.busy;
  }

  private async stopChild(slot: Slot, child: Child): Promise<void> {
    slot.state = 'stopping';
    this.deps.onChild?.(slot.name, 'down', slot.epoch, { kind: 'stopped' });
    const { stopTimeoutMs } = slot.spec;
    await new Promise<void>((resolve) => {
      const timer = this.deps.timers.after(stopTimeoutMs + STOP_GRACE_MS, () => {
        this.deps.log.error({ supervisor: this.options.name, child: slot.name, stopTimeoutMs }, `${slot.name} does not stop and is given up`);
        resolve();
      });
      const over = (): void => {
        timer.cancel();
        resolve();
      };
      child.stop(stopTimeoutMs).then(over, (error: unknown) => {
        this.deps.log.error({ supervisor: this.options.name, child: slot.name, error }, `${slot.name} failed while stopping`);
        over();
      });
    });
    slot.child = null;
    slot.upSinceMs = null;
    slot.state = 'down';
    slot.lastExit = { kind: 'stopped' };
  }

  private async backOff(slot: Slot): Promise<void> {
    slot.backoffOwed = false;
    const { backoffMinMs, backoffMaxMs } = this.options;
    const fullMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** (slot.crashesInARow - 1));
    const delayMs = fullMs * (0.5 + 0.5 * (this.deps.random ?? Math.random)());
    slot.state = 'backing_off';
    await new Promise<void>((resolve) => {
      const timer = this.deps.timers.after(delayMs, () => {
        this.waits.delete(timer);
        resolve();
      });
      this.waits.set(timer, resolve);
    });
    slot.state = 'down';
  }

  private noteStarted(): void {
    if (this.phase === 'running' && this.slots.every((slot) => slot.state === 'up')) this.settleStarted.resolve();
  }
}
