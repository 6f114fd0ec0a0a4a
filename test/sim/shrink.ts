import type { Plan, Step } from './plan.ts';
import { runPlan } from './world.ts';

/** Makes a failing plan smaller while it still fails: fewer steps, then fewer requests and readings, then one thread of each kind. */

/** Runs at most: at some 20 ms each that is half a minute. */
const RUNS_MAX = 1_500;

export async function shrinkPlan(plan: Plan): Promise<Plan> {
  const shrinker = new Shrinker(plan);
  await shrinker.shrink();
  return shrinker.best;
}

class Shrinker {
  best: Plan;
  private runs = 0;

  constructor(plan: Plan) {
    this.best = plan;
  }

  async shrink(): Promise<void> {
    for (let before = Infinity; sizeOf(this.best) < before && this.runs < RUNS_MAX; ) {
      before = sizeOf(this.best);
      await this.dropFrom(this.best.steps, (steps) => ({ ...this.best, steps }));
      await this.dropWithinSends();
      for (const key of ['shards', 'ingestThreads', 'partitionCount'] as const) {
        if (this.best.options[key] > 1) await this.keepIfFailing({ ...this.best, options: { ...this.best.options, [key]: 1 } });
      }
    }
  }

  private async dropWithinSends(): Promise<void> {
    for (let at = 0; at < this.best.steps.length; at++) {
      const step = this.best.steps[at];
      if (step.kind !== 'send') continue;
      const withStep = (changed: Step): Plan => ({ ...this.best, steps: this.best.steps.with(at, changed) });
      await this.dropFrom(step.requests, (requests) => withStep({ kind: 'send', requests }));
      const { requests } = this.best.steps[at] as Extract<Step, { kind: 'send' }>;
      for (let k = 0; k < requests.length; k++) {
        const withRequest = (elements: (typeof requests)[0]['elements']): Plan => {
          const now = (this.best.steps[at] as Extract<Step, { kind: 'send' }>).requests;
          return withStep({ kind: 'send', requests: now.with(k, { ...now[k], elements }) });
        };
        await this.dropFrom(requests[k].elements, withRequest);
      }
    }
  }

  /** Leaves out ever smaller stretches of a list for as long as that fails too. */
  private async dropFrom<T>(list: readonly T[], planWith: (list: T[]) => Plan): Promise<void> {
    let kept = [...list];
    for (let length = Math.ceil(kept.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
      for (let at = 0; at < kept.length && kept.length > 1; ) {
        const shorter = kept.toSpliced(at, length);
        if (shorter.length > 0 && (await this.keepIfFailing(planWith(shorter)))) kept = shorter;
        else at += length;
      }
    }
  }

  private async keepIfFailing(plan: Plan): Promise<boolean> {
    if (this.runs++ >= RUNS_MAX) return false;
    const { problem } = await runPlan(plan);
    if (problem === null) return false;
    this.best = plan;
    return true;
  }
}

function sizeOf({ steps }: Plan): number {
  return steps.reduce((size, step) => size + 1 + (step.kind === 'send' ? step.requests.reduce((sum, { elements }) => sum + 1 + elements.length, 0) : 0), 0);
}
