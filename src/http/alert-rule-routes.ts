import { z } from 'zod';
import { rulesDocument } from '../actors/alerts/rules-document.ts';
import { alertRulesSchema } from '../actors/alerts/rules.ts';
import { dryRunSchema, rulesCheckSchema, rulesInForceSchema } from './alert-schemas.ts';
import { dryRunShape, rulesInForceShape } from './alert-shapes.ts';
import { bodyFaults, invalidBody, timeField } from './body-fields.ts';
import { DRY_RUN_SPAN_MAX_MS, readDryRunHistory } from './dry-run-history.ts';
import type { GatewayRoutes } from './gateway-routes.ts';
import { OPERATORS } from './operation.ts';
import type { Problem } from './problem-details.ts';
import { isProblem } from './query-parameters.ts';
import type { Answer } from './route-answers.ts';
import { isoTime } from './wire-shapes.ts';

/** What a dry run is run over unless it is said. */
const DRY_RUN_DEFAULT_MS = 86_400_000;
const DRY_RUN_BUSY: Problem = { status: 503, code: 'overloaded', detail: 'Another dry run is under way. Try again.', retryAfterSeconds: 5 };

const anything = z.unknown();
const dryRunBody = z.strictObject({ rules: alertRulesSchema, from: timeField.optional(), to: timeField.optional() });

/** /api/v1/alert-rules: those in force, and others before they are. They change by their file. */
export function addAlertRuleRoutes(routes: GatewayRoutes): void {
  const { alerts, engine } = routes;
  /** One at a time: each holds some days of history. */
  let isRunning = false;

  routes.get('/api/v1/alert-rules', { id: 'getAlertRules', summary: 'The rules in force', tag: 'Alerts', access: { roles: OPERATORS, scope: 'none' }, response: rulesInForceSchema }, z.object({}), async () => ({ document: rulesInForceShape(await alerts.ask({ kind: 'rules' })) }));

  // Whether a document is right is what is asked here, so one that is wrong is no failed request.
  routes.serve('/api/v1/alert-rules/check', {
    POST: routes.write({ id: 'checkAlertRules', summary: 'What is wrong with a document of rules', tag: 'Alerts', access: { roles: OPERATORS, scope: 'none' }, response: rulesCheckSchema, request: z.union([alertRulesSchema, anything]) }, anything, ({ body }) => {
      const parsed = alertRulesSchema.safeParse(body);
      if (!parsed.success) return { document: { valid: false, faults: bodyFaults(parsed.error), rules: null } };
      return { document: { valid: true, faults: [], rules: rulesDocument(parsed.data) } };
    }),
  });

  async function dryRun({ rules, from: givenFrom, to: givenTo }: z.output<typeof dryRunBody>, nowMs: number): Promise<Answer | Problem> {
    const to = Math.min(givenTo ?? nowMs, nowMs);
    const from = givenFrom ?? to - DRY_RUN_DEFAULT_MS;
    if (from >= to) return invalidBody([{ path: 'from', message: 'expected a time before "to" and before now' }]);
    if (to - from > DRY_RUN_SPAN_MAX_MS) return invalidBody([{ path: 'from', message: `expected ${DRY_RUN_SPAN_MAX_MS / 86_400_000} days before "to" at most` }]);
    // Before anything is read: where alerts are off or away, nothing is to be had.
    await alerts.ask({ kind: 'rules' });
    const found = await readDryRunHistory(engine, rules, { from, to });
    if (isProblem(found)) return found;
    const result = await alerts.ask({ kind: 'dryRun', rules, history: found.history });
    return { document: { from: isoTime(from), to: isoTime(to), read: found.read, ...dryRunShape(result) } };
  }

  routes.serve('/api/v1/alert-rules/dry-run', {
    POST: routes.write({ id: 'dryRunAlertRules', summary: 'What rules would have raised over up to seven days', tag: 'Alerts', access: { roles: OPERATORS, scope: 'everything' }, response: dryRunSchema }, dryRunBody, async ({ body, nowMs }) => {
      if (isRunning) return DRY_RUN_BUSY;
      isRunning = true;
      try {
        return await dryRun(body, nowMs);
      } finally {
        isRunning = false;
      }
    }),
  });
}
