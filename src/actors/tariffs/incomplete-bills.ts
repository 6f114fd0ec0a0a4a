import type { IncompleteBills } from '../../model/billing.ts';
import type { IntervalQuality } from '../../model/energy.ts';

export const NO_INCOMPLETE: IncompleteBills = { bills: 0, aboveTenth: 0 };

/** The same with further bills, whose quarter-hours are known as these say. */
export function withIncomplete({ bills, aboveTenth }: IncompleteBills, qualities: readonly IntervalQuality[]): IncompleteBills {
  for (const { measured, estimated, missing } of qualities) {
    if (missing > 0) bills++;
    if (missing * 10 > measured + estimated + missing) aboveTenth++;
  }
  return { bills, aboveTenth };
}
