import type { Anomaly } from '../../model/anomaly.ts';
import type { RegionNow } from '../../model/queries.ts';
import { GRANULARITY_MS, type RegionWindow } from '../../model/window.ts';
import { AnomalyRule } from './conditions/anomaly-rule.ts';
import type { AlertRules, RuleOf } from './rules.ts';
import { patternMatcher } from './selectors.ts';

/**
 * Of the history that a dry run is run over, what can change what it finds; the rest need not go to the alerts thread. Most of a week of a region are minutes far below any limit: ten regions have 100,000, of which a tenth
 * passes. Handing over 150,000 held the main thread up for 0.6 to 1.3 s (on two cores that others used too).
 */
export class DryRunSieve {
  private readonly loadRules: { rule: RuleOf<'regional_load'>; takes: (region: string | null) => boolean }[];
  private readonly anomalyRules: AnomalyRule[];
  private readonly watchesDarkness: boolean;
  /** Minutes of which some window passed: by these the conditions see that time goes on, and that a region is silent. */
  private readonly minutes = new Set<number>();

  constructor({ rules }: AlertRules) {
    const enabled = rules.filter((rule) => rule.enabled);
    this.loadRules = enabled.filter((rule): rule is RuleOf<'regional_load'> => rule.condition === 'regional_load').map((rule) => ({ rule, takes: patternMatcher(rule.regions) }));
    this.anomalyRules = enabled.filter((rule): rule is RuleOf<'anomaly'> => rule.condition === 'anomaly').map((rule) => new AnomalyRule(rule));
    this.watchesDarkness = enabled.some((rule) => rule.condition === 'region_dark');
  }

  /** Whether the region's load can raise an alert at all. Others are not looked at, so that a region is silent shows by the minutes of those that are watched. */
  watchesLoad({ region, capacityKw }: RegionNow): boolean {
    return capacityKw !== null && this.loadRules.some(({ takes }) => takes(region));
  }

  passesAnomaly(anomaly: Anomaly): boolean {
    return (this.watchesDarkness && anomaly.kind === 'outage') || this.anomalyRules.some((rule) => rule.mismatch(anomaly) === null);
  }

  /**
   * Says of a region's final windows, each asked about once and in order, whether they pass. Left out are those in the middle of a row of calm ones, when every alert has been cleared: a row that begins after them is one that
   * begins after a calm window.
   */
  ofRegion(region: string): (window: RegionWindow) => boolean {
    const rules = this.loadRules.filter(({ takes }) => takes(region)).map(({ rule }) => rule);
    const calmBelow = Math.min(...rules.map((rule) => rule.clearBelowPercent));
    const clearedAfter = Math.max(...rules.map((rule) => rule.windows));
    let calmRow = 0;
    let newestStart = -Infinity;
    return ({ windowStart, loadPercent }) => {
      const isCalm = loadPercent !== null && loadPercent < calmBelow;
      const goesOn = windowStart === newestStart + GRANULARITY_MS['1m'];
      calmRow = isCalm ? (goesOn ? calmRow : 0) + 1 : 0;
      newestStart = windowStart;
      if (isCalm && calmRow > clearedAfter && this.minutes.has(windowStart)) return false;
      this.minutes.add(windowStart);
      return true;
    };
  }
}
