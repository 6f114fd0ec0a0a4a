import { z } from 'zod';
import { ALERT_EVENT_KINDS, ALERT_STATES, ALERT_TYPES } from '../model/alert.ts';
import { ANOMALY_KINDS } from '../model/anomaly.ts';
import { anomalySchema, count, idText, severityName, timeOrNull, timeText } from './wire-schemas.ts';

/** What alert-shapes.ts gives, as the API's document says it. */

const alertType = z.enum(ALERT_TYPES);
const alertKind = z.enum([...ANOMALY_KINDS, 'regional_load', 'region_dark', 'system']);
const deed = z.strictObject({ at: timeText, by: z.string().nullable().describe('null: the engine itself.'), why: z.string().nullable() }).meta({ id: 'Deed' });

const alert = z.strictObject({
  id: idText,
  version: count,
  fingerprint: z.string(),
  type: alertType,
  kind: alertKind,
  severity: severityName,
  state: z.enum(ALERT_STATES),
  rule: z.string(),
  title: z.string(),
  description: z.string(),
  region: z.string().nullable(),
  meterId: z.string().nullable(),
  component: z.string().nullable(),
  value: z.number().nullable(),
  threshold: z.number().nullable(),
  unit: z.enum(['kW', 'V', '%', 'meters']).nullable(),
  startedAt: timeText,
  openedAt: timeText,
  changedAt: timeText,
  acknowledged: deed.nullable(),
  resolved: deed.nullable(),
  affectedMeters: count,
  occurrences: count,
  isFlapping: z.boolean(),
  suppression: z.strictObject({ by: z.enum(['silence', 'maintenance', 'inhibition', 'flapping']), id: idText }).nullable(),
  group: z.string().nullable(),
});
export const alertSchema = alert.meta({ id: 'Alert' });

const alertEvent = z.strictObject({ ...deed.shape, sequence: count, kind: z.enum(ALERT_EVENT_KINDS), text: z.string() }).meta({ id: 'AlertEvent' });
export const alertDetailSchema = z.strictObject({ ...alert.shape, history: z.array(alertEvent) }).meta({ id: 'AlertDetail' });

const bySeverity = z.record(severityName, count);
const byType = z.record(alertType, count);
export const alertStatisticsSchema = z
  .strictObject({
    active: z.strictObject({ open: count, acknowledged: count, suppressed: count, bySeverity, byType }),
    opened: z.strictObject({ total: count, bySeverity, byType, byRegion: z.record(z.string(), count) }),
    acknowledgedAfterMs: z.number().nullable(),
    resolvedAfterMs: z.number().nullable(),
  })
  .meta({ id: 'AlertStatistics' });

export const bulkResolutionSchema = z
  .strictObject({
    resolved: count,
    failed: count,
    data: z.array(z.strictObject({ id: idText, alert: alertSchema.nullable(), error: z.strictObject({ code: z.string(), message: z.string() }).nullable() })),
  })
  .meta({ id: 'BulkResolution' });

export const decisionSchema = z
  .strictObject({
    at: timeText,
    step: z.enum(['rule', 'duration', 'deduplication', 'flapping', 'inhibition', 'silence', 'route', 'grouping', 'acknowledgement', 'escalation', 'on_call', 'preference', 'quiet_hours', 'digest', 'rate_limit', 'channel', 'delivery']),
    outcome: z.enum(['passed', 'held', 'stopped']),
    reason: z.string(),
    contactId: z.string().nullable(),
  })
  .meta({ id: 'Decision' });
export const explainedAlertSchema = z.strictObject({ alert: alertSchema, decisions: z.array(decisionSchema) });
export const explainedAnomalySchema = z.strictObject({ anomaly: anomalySchema, alertId: z.string().nullable(), decisions: z.array(decisionSchema) });

const names = z.array(z.string());
export const silenceSchema = z
  .strictObject({
    id: idText,
    version: count,
    kind: z.enum(['silence', 'maintenance']),
    state: z.enum(['planned', 'active', 'ended']),
    match: z.strictObject({ types: z.array(alertType), severities: z.array(severityName), rules: names, regions: names, meters: names, components: names }),
    startsAt: timeText,
    endsAt: timeText,
    createdBy: z.string(),
    comment: z.string(),
    createdAt: timeText,
    ended: deed.nullable(),
  })
  .meta({ id: 'Silence' });

/** Every default written out. */
const rulesText = z
  .looseObject({ rules: z.array(z.looseObject({ name: z.string(), condition: z.string() })), routes: z.array(z.looseObject({ name: z.string() })), escalations: z.array(z.looseObject({ name: z.string() })), historyAfter: z.string() })
  .meta({ id: 'AlertRules' });
export const rulesInForceSchema = z.strictObject({ rules: rulesText, file: z.string().nullable(), loadedAt: timeText, faults: z.array(z.string()) });
export const faultSchema = z.strictObject({ path: z.string().describe('As `rules[2].for`; empty for the whole.'), message: z.string() }).meta({ id: 'Fault' });
export const rulesCheckSchema = z.strictObject({ valid: z.boolean(), faults: z.array(faultSchema), rules: rulesText.nullable() });

const dryRunAlert = z
  .strictObject({
    type: alertType,
    kind: alertKind,
    severity: severityName,
    rule: z.string(),
    title: z.string(),
    region: z.string().nullable(),
    meterId: z.string().nullable(),
    component: z.string().nullable(),
    startedAt: timeText,
    openedAt: timeText,
    affectedMeters: count,
    clearedAt: timeOrNull,
  })
  .meta({ id: 'DryRunAlert' });
export const dryRunResultSchema = z.strictObject({ alerts: z.array(dryRunAlert), total: count, byRule: z.record(z.string(), count) });
export const dryRunSchema = z.strictObject({ from: timeText, to: timeText, read: z.strictObject({ anomalies: count, regionWindows: count }), ...dryRunResultSchema.shape });
