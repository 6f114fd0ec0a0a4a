import { z } from 'zod';
import { ALERT_TYPES } from '../../model/alert.ts';
import { ANOMALY_KINDS, SEVERITIES } from '../../model/anomaly.ts';

/** The document that says what deserves a person: rules, and how people are told. JSON; unknown keys are refused, every fault is named with its path. */

/** A duration as people write it, in milliseconds. */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION_MAX_MS = 366 * 86_400_000;

const duration = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, 'expected a duration such as 30s, 10m, 4h or 2d')
  .transform((text) => {
    const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text)!;
    return Number(count) * UNIT_MS[unit];
  })
  .refine((ms) => ms <= DURATION_MAX_MS, 'expected a year at most');

const name = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1–64 of A–Z a–z 0–9 . _ -');
/** Of regions, meters or components: `*` stands for any run of characters. */
const pattern = z.string().regex(/^[A-Za-z0-9._:*-]{1,64}$/, 'expected a name, where * may stand for any characters');
const PATTERNS_MAX = 100;
const patterns = z.array(pattern).max(PATTERNS_MAX).default([]);
const percent = z.number().min(0).max(1_000);
const RULES_MAX = 200;

const common = {
  name,
  /** Empty: all regions. */
  regions: patterns,
  /** A rule that is off raises nothing. */
  enabled: z.boolean().default(true),
};

const regionalLoadRule = z
  .strictObject({
    ...common,
    condition: z.literal('regional_load'),
    severity: z.enum(SEVERITIES).default('CRITICAL'),
    /** Load above or at this share of the region's capacity … */
    abovePercent: percent.default(90),
    /** … in so many one-minute windows in a row. */
    windows: z.int().min(1).max(60).default(2),
    /** Over when it is below this in as many. */
    clearBelowPercent: percent.default(85),
  })
  .refine((rule) => rule.clearBelowPercent <= rule.abovePercent, { path: ['clearBelowPercent'], message: 'expected at most abovePercent, or the alert would open and close at once' });

const regionDarkRule = z
  .strictObject({
    ...common,
    condition: z.literal('region_dark'),
    severity: z.enum(SEVERITIES).default('CRITICAL'),
    /** So many of its meters without power or silent at once … */
    metersMin: z.int().min(2).max(1_000_000).default(20),
    /** … and this share of all that it has. */
    sharePercent: z.number().min(0.01).max(100).default(10),
    /** Over when fewer than this share are. */
    clearBelowPercent: z.number().min(0).max(100).default(5),
  })
  .refine((rule) => rule.clearBelowPercent <= rule.sharePercent, { path: ['clearBelowPercent'], message: 'expected at most sharePercent, or the alert would open and close at once' });

const anomalyRule = z.strictObject({
  ...common,
  condition: z.literal('anomaly'),
  /** Empty: all meters. */
  meters: patterns,
  kinds: z.array(z.enum(ANOMALY_KINDS)).min(1).max(ANOMALY_KINDS.length),
  severityMin: z.enum(SEVERITIES).default('INFO'),
  /** Deviations of the baseline, or percent of the nominal voltage: as an episode's `score`. */
  scoreMin: z.number().min(0).default(0),
  /** The episode goes on for so long, from its startedAt (conditions/episodes.ts): what else there is begins anew with a restart. */
  for: duration.prefault('0s'),
  /** null: the episode's own. */
  severity: z.enum(SEVERITIES).nullable().default(null),
});

const systemRule = z.strictObject({
  name,
  enabled: common.enabled,
  condition: z.literal('system'),
  /** Empty: all components. */
  components: patterns,
  severity: z.enum(SEVERITIES).default('CRITICAL'),
  for: duration.prefault('10s'),
});

const rule = z.discriminatedUnion('condition', [regionalLoadRule, regionDarkRule, anomalyRule, systemRule]);

const match = z.strictObject({
  types: z.array(z.enum(ALERT_TYPES)).default([]),
  severities: z.array(z.enum(SEVERITIES)).default([]),
  rules: patterns,
  regions: patterns,
  meters: patterns,
  components: patterns,
});

/** An alert goes the way of the first route that matches it. One that none matches is shown and told to nobody. */
const route = z.strictObject({
  name,
  match: match.prefault({}),
  /** Alerts that agree in these share a group, and its notifications. */
  groupBy: z.array(z.enum(['type', 'severity', 'rule', 'region', 'meter', 'component'])).default(['type', 'region']),
  /** From a group's first alert to its first notification: what belongs together comes together. */
  groupWait: duration.prefault('15s'),
  /** Between notifications of a group in which something changed. */
  groupInterval: duration.prefault('5m'),
  /** Between notifications of one in which nothing did, while it goes on and nobody has acknowledged it. */
  repeatInterval: duration.prefault('4h'),
  /** Name of an escalation policy; null: subscribers alone. */
  escalation: name.nullable().default(null),
});

/** `contact:ID`, `schedule:ID` (who is on call then) or `subscribers`. */
const target = z.string().regex(/^(subscribers|(contact|schedule):[A-Za-z0-9._-]{1,64})$/, 'expected subscribers, contact:ID or schedule:ID');

const escalation = z.strictObject({
  name,
  levels: z
    .array(
      z.strictObject({
        /** After the level before, while nobody has acknowledged; of the first level after the first notification, 0s as a rule. */
        after: duration,
        notify: z.array(target).min(1).max(20),
      }),
    )
    .min(1)
    .max(10),
  /** After the last level it begins again with the first, so often. */
  rounds: z.int().min(1).max(10).default(1),
});

/** While an alert that `source` matches is active, those that `target` matches and that agree with it in `equal` are kept back. An alert never inhibits itself, nor one that inhibits it. */
const inhibition = z.strictObject({
  name,
  source: match,
  target: match,
  equal: z.array(z.enum(['region', 'meter', 'component'])).default(['region']),
});

const flapping = z.strictObject({
  /** So many openings of one fingerprint … */
  openings: z.int().min(2).max(100).default(4),
  within: duration.prefault('15m'),
  /** It stays open, marked as flapping, until it has been well for so long. */
  stableFor: duration.prefault('10m'),
});

/** The document's schema; its output has durations in milliseconds. */
export const alertRulesSchema = z
  .strictObject({
    rules: z.array(rule).max(RULES_MAX),
    routes: z.array(route).max(RULES_MAX),
    escalations: z.array(escalation).max(RULES_MAX).default([]),
    inhibitions: z.array(inhibition).max(RULES_MAX).default([]),
    flapping: flapping.prefault({}),
    /** An episode that began longer ago than this when it is first seen is history (an import) and raises nothing. */
    historyAfter: duration.prefault('1d'),
  })
  .superRefine((document, context) => {
    for (const list of ['rules', 'routes', 'escalations', 'inhibitions'] as const) {
      const seen = new Set<string>();
      for (const [i, entry] of document[list].entries()) {
        if (seen.has(entry.name)) context.addIssue({ code: 'custom', path: [list, i, 'name'], message: `there is another of the name ${entry.name}` });
        seen.add(entry.name);
      }
    }
    for (const [i, { escalation: wanted }] of document.routes.entries()) {
      if (wanted === null || document.escalations.some((policy) => policy.name === wanted)) continue;
      context.addIssue({ code: 'custom', path: ['routes', i, 'escalation'], message: `there is no escalation of the name ${wanted}` });
    }
  });

export type AlertRules = z.output<typeof alertRulesSchema>;
export type AlertRule = AlertRules['rules'][number];
export type RuleOf<Condition extends AlertRule['condition']> = Extract<AlertRule, { condition: Condition }>;
export type AlertRoute = AlertRules['routes'][number];
export type EscalationPolicy = AlertRules['escalations'][number];
export type Inhibition = AlertRules['inhibitions'][number];

export type ParsedRules = { rules: AlertRules; faults: null } | { rules: null; faults: string[] };

/** Checks a document. `faults`: each as `path: what is wrong`, the path as `rules[2].for`. */
export function parseAlertRules(document: unknown): ParsedRules {
  const parsed = alertRulesSchema.safeParse(document);
  if (parsed.success) return { rules: parsed.data, faults: null };
  return { rules: null, faults: parsed.error.issues.map(({ path, message }) => `${pathText(path)}: ${message}`) };
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the document';
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('');
}

/** In force without a file. */
export const DEFAULT_RULES: AlertRules = alertRulesSchema.parse({
  rules: [
    { name: 'regional-overload', condition: 'regional_load' },
    { name: 'region-dark', condition: 'region_dark' },
    { name: 'meter-outage', condition: 'anomaly', kinds: ['outage'] },
    { name: 'anomaly', condition: 'anomaly', kinds: ['spike', 'drop', 'flat_line', 'voltage_band'], severityMin: 'WARN' },
    { name: 'engine', condition: 'system' },
  ],
  routes: [{ name: 'all' }],
  inhibitions: [
    { name: 'dark-region', source: { rules: ['region-dark'] }, target: { types: ['METER_OUTAGE', 'ANOMALY'] } },
    { name: 'outage-explains', source: { types: ['METER_OUTAGE'] }, target: { types: ['ANOMALY'] }, equal: ['meter'] },
  ],
});
