import type { TimerHandle, Timers } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { dryRunInSteps } from './dry-run.ts';
import type { DryRunHistory, DryRunResult } from './protocol.ts';
import type { AlertRules } from './rules.ts';

/** Rows of the history in one slice: some milliseconds, behind which alerts and questions wait. The week of a large grid is fifty such. */
const ROWS_PER_SLICE = 1_000;

/** Dry runs beside the turns of the supervisor, whose state they do not touch: slice by slice, and whatever has come meanwhile goes in between. */
export class SlicedDryRuns {
  private readonly timers: Timers;
  /** Under way, each with what ends it. */
  private readonly ends = new Set<() => void>();

  constructor(timers: Timers) {
    this.timers = timers;
  }

  /** Rejects with `unavailable` when it is stopped. */
  run(rules: AlertRules, history: DryRunHistory): Promise<DryRunResult> {
    return new Promise((resolve, reject) => {
      const steps = dryRunInSteps(rules, history);
      let timer: TimerHandle | null = null;
      const end = (): void => {
        timer?.cancel();
        this.ends.delete(end);
        reject(new OperationalError('unavailable', 'the alerts supervisor has ended', { retryable: true }));
      };
      const slice = (): void => {
        try {
          for (let rows = 0; rows < ROWS_PER_SLICE; ) {
            const step = steps.next();
            if (step.done === true) {
              this.ends.delete(end);
              return resolve(step.value);
            }
            rows += step.value;
          }
        } catch (error) {
          this.ends.delete(end);
          return reject(error as Error);
        }
        timer = this.timers.after(0, slice);
      };
      this.ends.add(end);
      slice();
    });
  }

  stop(): void {
    for (const end of [...this.ends]) end();
  }
}
