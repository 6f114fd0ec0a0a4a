import type { AlertsPort, SupervisorAnswers, SupervisorQuestion } from '../../src/http/alerts-port.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { Subscription } from '../../src/actors/notifications/protocol.ts';
import type { Contact, Schedule } from '../../src/model/contact.ts';
import type { Delivery } from '../../src/model/notice.ts';
import { exampleAlert, exampleSilence } from './example-alerts.ts';
import { AT } from './fake-engine.ts';

/** Supervisors of one alert, one silence, one contact, one schedule and one delivery, that note what they are asked. Replace an answer to make them fail. */

export const ALERT = exampleAlert({ openedAt: AT, version: 7 });
export const SILENCE = exampleSilence({ startsAt: AT, version: 3 });
export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
export const PUSH_TOKEN = 'cXy12aTokenOfAPhoneThatNobodyElseMayKnow9f3d';

export const CONTACT: Contact = {
  id: 'c-ada', version: 4, name: 'Ada', zone: 'Europe/Zurich', locale: 'de-CH',
  addresses: { email: 'ada@example.org', sms: '+41791234567', push: [PUSH_TOKEN], webhook: { url: 'https://example.org/hook', secret: SECRET } },
  preferences: {
    channels: { INFO: [], WARN: ['email'], CRITICAL: ['push', 'sms'] },
    subscription: { severityMin: 'WARN', regions: ['north*'] },
    quietHours: { spans: [{ days: [], from: '22:00', to: '06:00' }], exceptFrom: 'CRITICAL' },
    digest: null,
    perHourMax: 30,
  },
  unsubscribed: { email: AT }, createdAt: AT, changedAt: AT,
};

export const SUBSCRIPTION: Subscription = { contactId: CONTACT.id, name: 'Ada <b>', locale: 'en', channel: 'email', stoppedAt: AT };

export const SCHEDULE: Schedule = {
  id: 's-night', version: 2, name: 'Night', zone: 'Europe/Zurich',
  layers: [{ name: 'first', people: ['c-ada'], startsOn: '2026-01-05', handoffAt: '08:00', turnDays: 7, restrictions: [] }],
  overrides: [{ id: 'o1', contactId: 'c-ada', from: AT, to: AT + 3_600_000, by: 'Ada', why: '' }],
  createdAt: AT, changedAt: AT,
};

export const DELIVERY: Delivery = {
  id: 'REGIONAL_OVERLOAD,north/3/c-ada', noticeId: 'REGIONAL_OVERLOAD,north/3', group: 'REGIONAL_OVERLOAD,north', contactId: 'c-ada', severity: 'CRITICAL', reason: 'new', state: 'sent',
  channels: ['push', 'sms'], position: 0, attempts: 1, createdAt: AT, changedAt: AT, dueAt: null,
  receipts: [{ at: AT, channel: 'push', step: 'accepted', code: null, text: 'FCM took it.', providerId: 'm1' }],
};

type Answers = { [Kind in SupervisorQuestion['kind']]: (question: Extract<SupervisorQuestion, { kind: Kind }>) => SupervisorAnswers[Kind] };

export interface FakeAlerts extends AlertsPort {
  asked: SupervisorQuestion[];
  answers: Answers;
}

const page = <Row>(row: Row) => ({ data: [row], nextCursor: 'next' });

export function fakeAlerts(): FakeAlerts {
  const asked: SupervisorQuestion[] = [];
  const answers: Answers = {
    alerts: ({ query }) => (query.region === 'south' || query.region === 'nowhere' ? { data: [], nextCursor: null } : page(ALERT)),
    alert: ({ id }) => (id === ALERT.id ? { alert: ALERT, history: [{ sequence: 1, kind: 'opened', text: 'Opened.', at: AT, by: null, why: null }] } : null),
    alertStatistics: () => ({
      active: { open: 1, acknowledged: 0, suppressed: 0, bySeverity: { INFO: 0, WARN: 0, CRITICAL: 1 }, byType: { METER_OUTAGE: 0, REGIONAL_OVERLOAD: 1, ANOMALY: 0, SYSTEM_FAILURE: 0 } },
      opened: { total: 1, bySeverity: { INFO: 0, WARN: 0, CRITICAL: 1 }, byType: { METER_OUTAGE: 0, REGIONAL_OVERLOAD: 1, ANOMALY: 0, SYSTEM_FAILURE: 0 }, byRegion: { north: 1 } },
      acknowledgedAfterMs: null, resolvedAfterMs: null,
    }),
    acknowledge: ({ by, why }) => ({ ...ALERT, version: 8, state: 'acknowledged', acknowledged: { at: AT, by, why } }),
    resolve: ({ by, why }) => ({ ...ALERT, version: 8, state: 'resolved', resolved: { at: AT, by, why } }),
    resolveAll: ({ ids }) => ids.map((id) => (id === ALERT.id ? { id, alert: { ...ALERT, state: 'resolved' }, error: null } : { id, alert: null, error: { code: 'unknown_alert', message: 'there is no such alert' } })),
    silences: () => page(SILENCE),
    silence: ({ id }) => (id === SILENCE.id ? SILENCE : id === 'm1' ? { ...SILENCE, id, kind: 'maintenance' } : null),
    makeSilence: ({ silence }) => ({ ...SILENCE, ...silence, id: 'new/1', version: 1 }),
    changeSilence: ({ id, endsAt }) => ({ ...SILENCE, id, version: 4, endsAt: endsAt ?? SILENCE.endsAt }),
    endSilence: ({ id, by, why }) => ({ ...SILENCE, id, version: 4, ended: { at: AT, by, why } }),
    rules: () => ({ rules: DEFAULT_RULES, file: null, loadedAt: AT, faults: [] }),
    dryRun: ({ history }) => ({
      alerts: [{ ...ALERT, affectedMeters: history.regionMeters.north, clearedAt: AT + 60_000 }].map(({ type, kind, severity, rule, title, region, meterId, component, startedAt, openedAt, affectedMeters, clearedAt }) => ({ type, kind, severity, rule, title, region, meterId, component, startedAt, openedAt, affectedMeters, clearedAt })),
      total: 1, byRule: { 'regional-overload': 1 },
    }),
    explainAlert: () => ({ alert: ALERT, decisions: [{ at: AT + 5, step: 'route', outcome: 'passed', reason: 'Route all.', contactId: null }] }),
    explainAnomaly: () => ({ alertId: null, decisions: [{ at: AT, step: 'rule', outcome: 'stopped', reason: 'INFO is below WARN.', contactId: null }] }),
    contacts: () => page(CONTACT),
    contact: ({ id }) => (id === CONTACT.id ? CONTACT : null),
    makeContact: ({ contact }) => ({ ...CONTACT, ...contact, id: 'c-new', version: 1, unsubscribed: {} }),
    changeContact: ({ change }) => ({ ...CONTACT, ...change, version: 5 }),
    removeContact: () => null,
    resumeChannel: () => ({ ...CONTACT, version: 5, unsubscribed: {} }),
    subscription: () => ({ ...SUBSCRIPTION, stoppedAt: null }),
    unsubscribe: () => SUBSCRIPTION,
    resubscribe: () => ({ ...SUBSCRIPTION, stoppedAt: null }),
    schedules: () => page(SCHEDULE),
    schedule: ({ id }) => (id === SCHEDULE.id ? SCHEDULE : null),
    makeSchedule: ({ schedule }) => ({ ...SCHEDULE, ...schedule, id: 's-new', version: 1, overrides: [] }),
    changeSchedule: ({ change }) => ({ ...SCHEDULE, ...change, version: 3 }),
    removeSchedule: () => null,
    override: ({ override }) => ({ ...SCHEDULE, version: 3, overrides: [...SCHEDULE.overrides, { ...override, id: 'o2' }] }),
    removeOverride: () => ({ ...SCHEDULE, version: 3, overrides: [] }),
    onCall: ({ from, to }) => [{ from, to, contactId: 'c-ada', source: 'first' }],
    deliveries: () => page(DELIVERY),
    delivery: ({ id }) => (id === DELIVERY.id ? DELIVERY : null),
    explainDeliveries: ({ contactId }) => [
      { at: AT, step: 'preference', outcome: 'passed', reason: 'Wants CRITICAL by push.', contactId: contactId ?? 'c-ada' },
      ...(contactId === null ? [{ at: AT + 9, step: 'quiet_hours' as const, outcome: 'held' as const, reason: 'Sleeps.', contactId: 'c-bob' }] : []),
    ],
    preview: () => ({ subject: 'Region north', text: 'It is full.', html: '<p>', pictures: [{ cid: 'curve', png: new Uint8Array([1, 2, 3]), text: 'A curve.' }] }),
    sendTest: () => DELIVERY,
  };
  return {
    asked,
    answers,
    async ask(question) {
      asked.push(question);
      return (answers[question.kind] as (question: SupervisorQuestion) => never)(question);
    },
  };
}
