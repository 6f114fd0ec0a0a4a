import type { PackedDeterminants } from '../model/determinants-row.ts';
import type { TurnShare } from '../runtime/turn-share.ts';

/**
 * Answers in steps, each in the share of a turn that questions have: a thousand meters at once would hold readings up for some 50 ms. `step` returns the answer with the last one; what it throws ends them, and
 * `refuse` hears of it.
 */
export function answerStepwise(step: () => PackedDeterminants | null, questions: TurnShare, reply: (answer: PackedDeterminants) => void, refuse: (error: unknown) => void): void {
  const run = (): void => {
    try {
      const answer = step();
      if (answer === null) questions.run(run);
      else reply(answer);
    } catch (error) {
      refuse(error);
    }
  };
  questions.run(run);
}
