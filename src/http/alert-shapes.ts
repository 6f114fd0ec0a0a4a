import type { z } from 'zod';
import type { DryRunAlert, DryRunResult, RulesInForce } from '../actors/alerts/protocol.ts';
import { rulesDocument } from '../actors/alerts/rules-document.ts';
import type { Alert, AlertDetail, Decision, Deed, Silence } from '../model/alert.ts';
import type { alertDetailSchema, alertSchema, decisionSchema, dryRunResultSchema, silenceSchema } from './alert-schemas.ts';
import { isoTime, isoTimeOrNull } from './wire-shapes.ts';

/** What the alerts supervisor answers, as it goes over the wire (as in wire-shapes.ts: times are ISO 8601). */

function deedShape(deed: Deed | null): z.output<typeof alertSchema>['resolved'] {
  return deed === null ? null : { ...deed, at: isoTime(deed.at) };
}

export function alertShape(alert: Alert): z.output<typeof alertSchema> {
  const { startedAt, openedAt, changedAt, acknowledged, resolved } = alert;
  return { ...alert, startedAt: isoTime(startedAt), openedAt: isoTime(openedAt), changedAt: isoTime(changedAt), acknowledged: deedShape(acknowledged), resolved: deedShape(resolved) };
}

export function alertDetailShape({ alert, history }: AlertDetail): z.output<typeof alertDetailSchema> {
  return { ...alertShape(alert), history: history.map((event) => ({ ...event, at: isoTime(event.at) })) };
}

export function decisionShape(decision: Decision): z.output<typeof decisionSchema> {
  return { ...decision, at: isoTime(decision.at) };
}

/** `state` follows from the times: `planned`, `active` or `ended`. */
export function silenceShape(silence: Silence, nowMs: number): z.output<typeof silenceSchema> {
  const { startsAt, endsAt, createdAt, ended } = silence;
  const state = ended !== null || endsAt <= nowMs ? 'ended' : startsAt <= nowMs ? 'active' : 'planned';
  return { ...silence, state, startsAt: isoTime(startsAt), endsAt: isoTime(endsAt), createdAt: isoTime(createdAt), ended: deedShape(ended) };
}

export function rulesInForceShape({ rules, file, loadedAt, faults }: RulesInForce): object {
  return { rules: rulesDocument(rules), file, loadedAt: isoTime(loadedAt), faults };
}

export function dryRunShape(result: DryRunResult): z.output<typeof dryRunResultSchema> {
  return { ...result, alerts: result.alerts.map(dryRunAlertShape) };
}

function dryRunAlertShape(alert: DryRunAlert): z.output<typeof dryRunResultSchema>['alerts'][number] {
  return { ...alert, startedAt: isoTime(alert.startedAt), openedAt: isoTime(alert.openedAt), clearedAt: isoTimeOrNull(alert.clearedAt) };
}
