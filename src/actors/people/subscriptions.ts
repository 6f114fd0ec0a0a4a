import { SEVERITIES, type Severity } from '../../model/anomaly.ts';
import type { Contact } from '../../model/contact.ts';
import { patternMatcher } from '../alerts/selectors.ts';

/** Who asked to be told of which alerts, by severity and region: a notice looks at the patterns there are, not at every person. */

/** Those who want no less than one severity. */
class SeverityShelf {
  private readonly everywhere = new Set<string>();
  /** By pattern; most are the name of one region. */
  private readonly byRegion = new Map<string, Set<string>>();
  private readonly byPattern = new Map<string, { matches: (region: string) => boolean; ids: Set<string> }>();

  add(id: string, regions: readonly string[]): void {
    if (regions.length === 0) this.everywhere.add(id);
    for (const region of regions) this.idsOf(region).add(id);
  }

  remove(id: string, regions: readonly string[]): void {
    this.everywhere.delete(id);
    for (const region of regions) {
      const ids = this.idsOf(region);
      ids.delete(id);
      if (ids.size > 0) continue;
      this.byRegion.delete(region);
      this.byPattern.delete(region);
    }
  }

  collect(regions: readonly string[], into: Set<string>): void {
    for (const id of this.everywhere) into.add(id);
    for (const region of regions) for (const id of this.byRegion.get(region) ?? []) into.add(id);
    for (const { matches, ids } of this.byPattern.values()) if (regions.some(matches)) for (const id of ids) into.add(id);
  }

  private idsOf(region: string): Set<string> {
    if (!region.includes('*')) {
      let ids = this.byRegion.get(region);
      if (ids === undefined) this.byRegion.set(region, (ids = new Set()));
      return ids;
    }
    let entry = this.byPattern.get(region);
    if (entry === undefined) this.byPattern.set(region, (entry = { matches: patternMatcher([region]), ids: new Set() }));
    return entry.ids;
  }
}

export class Subscriptions {
  private readonly shelves = SEVERITIES.map(() => new SeverityShelf());

  add({ id, preferences: { subscription } }: Contact): void {
    if (subscription !== null) this.shelfOf(subscription.severityMin).add(id, subscription.regions);
  }

  remove({ id, preferences: { subscription } }: Contact): void {
    if (subscription !== null) this.shelfOf(subscription.severityMin).remove(id, subscription.regions);
  }

  /** Ids, in order, of those who want to hear of this severity in one of these regions; of what has no region, those who want it of all. */
  find(severity: Severity, regions: readonly string[]): string[] {
    const found = new Set<string>();
    for (let i = 0; i <= SEVERITIES.indexOf(severity); i++) this.shelves[i].collect(regions, found);
    return [...found].sort();
  }

  private shelfOf(severityMin: Severity): SeverityShelf {
    return this.shelves[SEVERITIES.indexOf(severityMin)];
  }
}
