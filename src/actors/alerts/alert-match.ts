import type { Alert, AlertMatch } from '../../model/alert.ts';
import { patternMatcher } from './selectors.ts';

/** What of an alert a match looks at. Of these only severity and region change while it is active. */
export type Matched = Pick<Alert, 'type' | 'severity' | 'rule' | 'region' | 'meterId' | 'component'>;

/** An alert matches when every list that is not empty takes it. One without a region, meter or component matches no list of them. */
export function alertMatcher({ types, severities, rules, regions, meters, components }: AlertMatch): (alert: Matched) => boolean {
  const takesRule = patternMatcher(rules);
  const takesRegion = patternMatcher(regions);
  const takesMeter = patternMatcher(meters);
  const takesComponent = patternMatcher(components);
  return (alert) =>
    (types.length === 0 || types.includes(alert.type)) &&
    (severities.length === 0 || severities.includes(alert.severity)) &&
    takesRule(alert.rule) &&
    takesRegion(alert.region) &&
    takesMeter(alert.meterId) &&
    takesComponent(alert.component);
}
