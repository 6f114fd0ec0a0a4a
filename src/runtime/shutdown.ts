import type { Clock, Timers } from './clock.ts';
import { invariant, OperationalError } from './errors.ts';
import type { Log } from './log.ts';

/** Ordered shutdown: phases one after the other, each with its own time, none able to hold up the rest. */

export interface PhaseOutcome {
  name: string;
  outcome: 'done' | 'failed' | 'timed_out';
  tookMs: number;
  error: unknown;
}

const HOW_IT_ENDED: Record<PhaseOutcome['outcome'], string> = { done: 'is done', failed: 'failed', timed_out: 'took too long and is left behind' };

export interface ShutdownDeps {
  clock: Clock;
  timers: Timers;
  log: Log;
}

interface Phase {
  name: string;
  timeLimitMs: number;
  fn: (reason: string) => void | Promise<void>;
}

export class Shutdown {
  private readonly deps: ShutdownDeps;
  private readonly phases: Phase[] = [];
  private running: Promise<PhaseOutcome[]> | null = null;

  constructor(deps: ShutdownDeps) {
    this.deps = deps;
  }

  /** Adds the phase that runs after those added so far. What is still under way at `timeLimitMs` is left behind. */
  phase(name: string, timeLimitMs: number, fn: (reason: string) => void | Promise<void>): void {
    invariant(this.running === null, `the phase ${name} was added while shutting down`);
    this.phases.push({ name, timeLimitMs, fn });
  }

  /** Runs every phase in order and tells how each ended. Runs once: a second call gets the first one's outcomes. Never rejects. */
  run(reason: string): Promise<PhaseOutcome[]> {
    this.running ??= this.runPhases(reason);
    return this.running;
  }

  private async runPhases(reason: string): Promise<PhaseOutcome[]> {
    this.deps.log.info({ reason }, 'shutting down');
    const outcomes: PhaseOutcome[] = [];
    for (const phase of this.phases) {
      const outcome = await this.runPhase(phase, reason);
      outcomes.push(outcome);
      const fields = { phase: outcome.name, outcome: outcome.outcome, tookMs: Math.round(outcome.tookMs) };
      if (outcome.outcome === 'done') this.deps.log.info(fields, `shutdown: ${outcome.name} ${HOW_IT_ENDED.done}`);
      else this.deps.log.error({ ...fields, error: outcome.error }, `shutdown: ${outcome.name} ${HOW_IT_ENDED[outcome.outcome]}`);
    }
    return outcomes;
  }

  private runPhase({ name, timeLimitMs, fn }: Phase, reason: string): Promise<PhaseOutcome> {
    const startedAtMs = this.deps.clock.monotonic();
    return new Promise((resolve) => {
      const end = (outcome: PhaseOutcome['outcome'], error: unknown): void => {
        timer.cancel();
        resolve({ name, outcome, tookMs: this.deps.clock.monotonic() - startedAtMs, error });
      };
      const timer = this.deps.timers.after(timeLimitMs, () =>
        end('timed_out', new OperationalError('deadline', `the shutdown phase ${name} did not end within ${timeLimitMs} ms`)),
      );
      // A phase that fails after its time ends here too, as nobody waits for it any more.
      Promise.resolve(reason)
        .then(fn)
        .then(
          () => end('done', null),
          (error: unknown) => end('failed', error),
        );
    });
  }
}

/** The part of `process` that signal handling needs. */
export interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM', fn: (signal: string) => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', fn: (signal: string) => void): unknown;
  exit(code: number): void;
}

/** Exit codes: every phase done; a phase failed or ran out of time; a second signal cut it short (128 + SIGINT). */
export const SHUTDOWN_EXIT_CODES = { done: 0, incomplete: 1, interrupted: 130 } as const;

/**
 * The first SIGINT or SIGTERM runs the shutdown and then exits, the second exits at once; see SHUTDOWN_EXIT_CODES. Returns a function that
 * takes the handlers away.
 */
export function installSignalHandlers(shutdown: Shutdown, source: SignalSource = process): () => void {
  let signals = 0;
  const onSignal = (signal: string): void => {
    signals++;
    if (signals > 1) {
      source.exit(SHUTDOWN_EXIT_CODES.interrupted);
      return;
    }
    void shutdown.run(signal).then((outcomes) => {
      const complete = outcomes.every(({ outcome }) => outcome === 'done');
      source.exit(complete ? SHUTDOWN_EXIT_CODES.done : SHUTDOWN_EXIT_CODES.incomplete);
    });
  };
  source.on('SIGINT', onSignal);
  source.on('SIGTERM', onSignal);
  return () => {
    source.off('SIGINT', onSignal);
    source.off('SIGTERM', onSignal);
  };
}
