import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import { addContribution, addPart, emptyPart, type Contribution, type LedgerPart, type PartLoader } from './region-ledger.ts';

/**
 * What meters' windows that are gone have given to regional windows. A regional window stays for ever, as a sum that any meter's late window may still change; of its
 * extremes, and for whoever adds it up anew, what is gone has to be remembered. It never changes again: a window goes when nothing may correct it.
 */
export class SettledParts {
  private readonly changed = new Map<string, LedgerPart>();
  private readonly load: PartLoader;

  /** `load` finds what is stored. */
  constructor(load: PartLoader) {
    this.load = load;
  }

  add(granularity: number, windowNumber: number, contribution: Contribution): void {
    addContribution(this.partOf(contribution.region, granularity, windowNumber * GRANULARITY_MS[GRANULARITIES[granularity]]), contribution);
  }

  merge(part: LedgerPart): void {
    addPart(this.partOf(part.region, part.granularity, part.windowStartMs), part);
  }

  /** Parts changed since the last call; the caller writes them, and they must be committed before more is added. */
  take(): LedgerPart[] {
    const taken = [...this.changed.values()];
    this.changed.clear();
    return taken;
  }

  private partOf(region: number, granularity: number, windowStartMs: number): LedgerPart {
    const key = `${region}/${granularity}/${windowStartMs}`;
    let part = this.changed.get(key);
    if (part === undefined) this.changed.set(key, (part = this.load(region, granularity, windowStartMs) ?? emptyPart(region, granularity, windowStartMs)));
    return part;
  }
}
