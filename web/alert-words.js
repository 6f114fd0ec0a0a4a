// @ts-check
/** Words for what the alerts' parts name by codes. */
import { formatCount, formatDecimal, KIND_WORDS } from './format.js';

export const SEVERITY_MARKS = { INFO: '○', WARN: '▲', CRITICAL: '◆' };

/** @type {Record<import('./wire-types.js').Alert['type'], string>} */
export const TYPE_WORDS = { METER_OUTAGE: 'Outage', REGIONAL_OVERLOAD: 'Regional overload', ANOMALY: 'Anomaly', SYSTEM_FAILURE: 'Engine failure' };

/** @type {Record<import('./wire-types.js').Suppression['by'], string>} */
export const SUPPRESSION_WORDS = { silence: 'silenced', maintenance: 'in maintenance', inhibition: 'part of another alert', flapping: 'flapping' };

/** @type {Record<import('./wire-types.js').AlertEvent['kind'], string>} */
export const EVENT_WORDS = {
  opened: 'Opened',
  changed: 'Changed',
  recurred: 'Came back',
  acknowledged: 'Acknowledged',
  resolved: 'Resolved',
  suppressed: 'Held back',
  unsuppressed: 'Not held back any more',
  notified: 'People told',
  escalated: 'Escalated',
};

/** @type {Record<import('./wire-types.js').Decision['outcome'], { word: string, mark: string }>} */
export const OUTCOMES = { passed: { word: 'Goes on', mark: '→' }, held: { word: 'Waits', mark: '◷' }, stopped: { word: 'Ends here', mark: '■' } };

/** @type {Record<string, string>} */
export const STEP_WORDS = {
  rule: 'Rule',
  duration: 'Duration',
  deduplication: 'Same trouble',
  flapping: 'Flapping',
  inhibition: 'Inhibition',
  silence: 'Silence',
  route: 'Route',
  grouping: 'Group',
  acknowledgement: 'Acknowledgement',
  escalation: 'Escalation',
  on_call: 'On call',
  preference: 'Preference',
  quiet_hours: 'Quiet hours',
  digest: 'Digest',
  rate_limit: 'Rate limit',
  channel: 'Channel',
  delivery: 'Delivery',
};

/** @type {Record<string, string>} */
const OTHER_KINDS = { regional_load: 'Load', region_dark: 'Region without power', system: 'Part of the engine' };

/** @param {string} kind */
export function alertKindWord(kind) {
  return OTHER_KINDS[kind] ?? /** @type {Record<string, string>} */ (KIND_WORDS)[kind] ?? kind;
}

/** `12 meters`; nothing where no meter is concerned. @param {number} count */
export function metersText(count) {
  return count === 0 ? '' : `${formatCount(count)} ${count === 1 ? 'meter' : 'meters'}`;
}

/** `94 %, allowed 90 %` @param {import('./wire-types.js').Alert} alert */
export function figureText({ value, threshold, unit }) {
  if (value === null) return '–';
  const digits = unit === 'kW' ? 2 : unit === 'meters' ? 0 : 1;
  const shown = `${formatDecimal(value, digits)} ${unit ?? ''}`.trim();
  return threshold === null ? shown : `${shown}, limit ${formatDecimal(threshold, digits)} ${unit ?? ''}`.trim();
}
