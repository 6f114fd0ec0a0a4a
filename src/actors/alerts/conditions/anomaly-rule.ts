import type { AnomalyKind, Anomaly, Severity } from '../../../model/anomaly.ts';
import { SEVERITIES } from '../../../model/anomaly.ts';
import type { RuleOf } from '../rules.ts';
import { patternMatcher } from '../selectors.ts';
import { figure } from './figures.ts';

/** What of an anomaly rule an episode does not meet. */
export type Mismatch = 'off' | 'kind' | 'region' | 'meter' | 'severity' | 'score';

const RANK: Readonly<Record<Severity, number>> = Object.fromEntries(SEVERITIES.map((severity, rank) => [severity, rank])) as Record<Severity, number>;

/** An anomaly rule, ready to be asked. Duration and history are not its business: they are matters of time (episodes.ts). */
export class AnomalyRule {
  readonly rule: RuleOf<'anomaly'>;
  /** The same of rules that are the same. */
  readonly text: string;
  /** Its name, as list: most episodes are raised by one rule. */
  readonly alone: readonly string[];
  private readonly takesRegion: (name: string | null) => boolean;
  private readonly takesMeter: (name: string | null) => boolean;

  constructor(rule: RuleOf<'anomaly'>) {
    this.rule = rule;
    this.text = JSON.stringify(rule);
    this.alone = [rule.name];
    this.takesRegion = patternMatcher(rule.regions);
    this.takesMeter = patternMatcher(rule.meters);
  }

  /** The first thing that speaks against it; null when the episode meets the rule. */
  mismatch(anomaly: Anomaly): Mismatch | null {
    const kept = this.selectorMismatch(anomaly.kind, anomaly.meterId, anomaly.region);
    if (kept !== null) return kept;
    if (RANK[anomaly.severity] < RANK[this.rule.severityMin]) return 'severity';
    return anomaly.score < this.rule.scoreMin ? 'score' : null;
  }

  /** The same of what an episode keeps to its end; `region` of null is not known and nothing against it. */
  selectorMismatch(kind: AnomalyKind, meterId: string, region: string | null): Mismatch | null {
    if (!this.rule.enabled) return 'off';
    if (!this.rule.kinds.includes(kind)) return 'kind';
    if (region !== null && !this.takesRegion(region)) return 'region';
    return this.takesMeter(meterId) ? null : 'meter';
  }

  /** A clause, as `it is in region-07 and the rule watches region-0[12]`. */
  mismatchText(mismatch: Mismatch, { kind, region, meterId, severity, score }: Pick<Anomaly, 'kind' | 'region' | 'meterId' | 'severity' | 'score'>): string {
    const { rule } = this;
    switch (mismatch) {
      case 'off':
        return 'it is switched off';
      case 'kind':
        return `it is about ${rule.kinds.join(', ')}, and this is ${kind}`;
      case 'region':
        return `it watches regions ${rule.regions.join(', ')}, and the meter is in ${region}`;
      case 'meter':
        return `it watches meters ${rule.meters.join(', ')}, and this is ${meterId}`;
      case 'severity':
        return `it begins at ${rule.severityMin}, and the episode is ${severity}`;
      case 'score':
        return `it begins at a score of ${figure(rule.scoreMin)}, and the episode has ${figure(score)}`;
    }
  }
}
