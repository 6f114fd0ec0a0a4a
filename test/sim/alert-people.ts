import type { NewContact, NewSchedule } from '../../src/actors/notifications/protocol.ts';
import { newContactSchema } from '../../src/actors/people/contact-rules.ts';

/** People of a simulated run: c1 and c2 are on call in turn, c3, c4 and c5 subscribe, each in another way. */

const SECRET = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;

function person(id: string, preferences: object): NewContact {
  const addresses = { email: `${id}@example.org`, sms: '+41791234567', push: [`token-${id}`], webhook: { url: `https://${id}.example.org/`, secret: SECRET } };
  return newContactSchema.parse({ name: id, addresses, preferences });
}

/** By id c1, c2, …; their version is 1. */
export const PEOPLE: readonly NewContact[] = [
  person('c1', { channels: { CRITICAL: ['sms', 'email'], WARN: ['email', 'push'], INFO: [] } }),
  person('c2', { channels: { CRITICAL: ['push', 'sms'], WARN: ['push'], INFO: ['live'] } }),
  person('c3', { channels: { CRITICAL: ['webhook', 'email'], WARN: ['webhook', 'email'], INFO: ['email'] }, subscription: { severityMin: 'WARN' } }),
  person('c4', { channels: { CRITICAL: ['live', 'sms'], WARN: ['email', 'live'], INFO: ['live'] }, subscription: { severityMin: 'WARN', regions: ['r0'] }, digest: { severityMax: 'WARN', everyMs: 600_000 } }),
  person('c5', {
    ...{ channels: { CRITICAL: ['sms'], WARN: ['sms', 'email'], INFO: ['sms'] }, subscription: { severityMin: 'INFO' }, perHourMax: 3 },
    quietHours: { spans: [{ days: [], from: '10:20', to: '10:50' }], exceptFrom: 'CRITICAL' },
  }),
];

/** c1 and c2, a day each. */
export const SCHEDULE: NewSchedule = { name: 'duty', zone: 'UTC', layers: [{ name: 'days', people: ['c1', 'c2'], startsOn: '2026-01-01', handoffAt: '00:00', turnDays: 1, restrictions: [] }] };

/** What a person may come to want; numbered as a plan does. */
export const PREFERENCE_CHANGES: readonly Partial<NewContact['preferences']>[] = [
  { subscription: null },
  { subscription: { severityMin: 'WARN', regions: [] } },
  { channels: { CRITICAL: ['email'], WARN: [], INFO: [] } },
  { channels: { CRITICAL: ['sms', 'live'], WARN: ['sms', 'live'], INFO: ['live'] } },
  { quietHours: null, digest: null, perHourMax: 1_000 },
];
