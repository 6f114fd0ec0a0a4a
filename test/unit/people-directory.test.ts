import { describe, expect, test } from 'vitest';
import { checkDocument, contactChangeSchema, newContactSchema, newOverrideSchema, newScheduleSchema, type DocumentFault } from '../../src/actors/people/contact-rules.ts';
import { PeopleDirectory } from '../../src/actors/people/people-directory.ts';
import { answerPeople, isPeopleQuestion } from '../../src/actors/people/people-questions.ts';
import { SEVERITIES, type Severity } from '../../src/model/anomaly.ts';
import type { Contact } from '../../src/model/contact.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { OperationalError } from '../../src/runtime/errors.ts';

const NOW_MS = Date.parse('2026-06-01T12:00:00Z');
const DAY_MS = 86_400_000;
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

const contact = (document: object = {}) => newContactSchema.parse({ name: 'Ada', ...document });
const schedule = (people: string[], of: object = {}) =>
  newScheduleSchema.parse({ name: 'grid', zone: 'Europe/Berlin', layers: [{ name: 'all', people, startsOn: '2026-01-05', handoffAt: '08:00', turnDays: 7 }], ...of });
const faultsOf = (schema: Parameters<typeof checkDocument>[0], document: unknown) => checkDocument(schema, document).faults?.map(({ path }: DocumentFault) => path);

function directory(store = new MemoryStore()) {
  const people = new PeopleDirectory(store);
  people.load();
  let made = 0;
  return { store, people, make: (document: object = {}, id?: string) => people.makeContact(contact(document), NOW_MS, () => id ?? `c${made++}`) };
}

const codeOf = (does: () => unknown): string | null => {
  try {
    does();
    return null;
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return error.code;
  }
};

describe('documents', () => {
  test('have defaults for what may be left out', () => {
    expect(newContactSchema.parse({ name: 'Ada' })).toMatchObject({
      zone: 'UTC',
      locale: 'en',
      addresses: { email: null, sms: null, push: [], webhook: null },
      preferences: { subscription: null, quietHours: null, digest: null, perHourMax: 30, channels: { CRITICAL: ['push', 'sms', 'email', 'webhook'] } },
    });
  });

  test('are refused with each fault at its path', () => {
    const ofLocalPart = (characters: number) => faultsOf(newContactSchema, { name: 'Ada', addresses: { email: `${'a'.repeat(characters)}@example.org` } });
    expect([ofLocalPart(64), ofLocalPart(65)]).toEqual([undefined, ['addresses.email']]);
    expect(
      faultsOf(newContactSchema, {
        name: 'Ada\nBcc: all',
        zone: 'Mars/Olympus',
        locale: 'not_a_language',
        addresses: { email: 'ada', sms: '0791234567', push: ['a b', 'x'], webhook: { url: 'http://example.com/', secret: 'whsec_short' } },
        preferences: {
          channels: { INFO: ['pigeon'] },
          quietHours: { spans: [{ days: ['mon', 'day'], from: '25:00', to: '07:00' }] },
          subscription: { severityMin: 'BAD', regions: ['north', 'no rth'] },
          digest: { severityMax: 'WARN', everyMs: 5 },
          perHourMax: 0,
        },
        admin: true,
      })?.sort(),
    ).toEqual(
      [
        '',
        'addresses.email',
        'addresses.push[0]',
        'addresses.sms',
        'addresses.webhook.secret',
        'addresses.webhook.url',
        'locale',
        'name',
        'preferences.channels.INFO[0]',
        'preferences.digest.everyMs',
        'preferences.perHourMax',
        'preferences.quietHours.spans[0].days[1]',
        'preferences.quietHours.spans[0].from',
        'preferences.subscription.regions[1]',
        'preferences.subscription.severityMin',
        'zone',
      ].sort(),
    );
    expect(faultsOf(newScheduleSchema, { name: 'grid', zone: '+01:00', layers: [{ name: 'all', people: [], startsOn: '2026-02-30', handoffAt: '8:00', turnDays: 0 }] })?.sort()).toEqual(
      ['layers[0].handoffAt', 'layers[0].people', 'layers[0].startsOn', 'layers[0].turnDays', 'zone'].sort(),
    );
    expect(faultsOf(newOverrideSchema, { contactId: 'ada', from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z', by: 'ben' })).toEqual(['to']);
    expect(faultsOf(newOverrideSchema, { contactId: 'ada', from: '2026-01-02T00:00:00Z', to: '2028-01-01T00:00:00Z', by: 'ben' })).toEqual(['to']);
  });

  test.each(['https://example.com/hook?a=1', 'http://localhost:8080/', 'http://127.0.0.1/x', 'http://[::1]:9/'])('a webhook may be %s', (url) => {
    expect(faultsOf(newContactSchema, { name: 'Ada', addresses: { webhook: { url, secret: SECRET } } })).toBeUndefined();
  });

  test.each([[23, false], [24, true], [25, true], [26, true], [27, true], [62, true], [63, true], [64, true], [65, false], [66, false]])('a secret of a webhook of %i bytes: %s', (bytes, isTaken) => {
    const secret = `whsec_${Buffer.alloc(bytes, 251).toString('base64')}`;
    const taken = (given: string) => faultsOf(newContactSchema, { name: 'Ada', addresses: { webhook: { url: 'https://example.com/', secret: given } } }) === undefined;
    expect(taken(secret)).toBe(isTaken);
    expect(taken(secret.replace('whsec_', 'whsec-'))).toBe(false);
    expect(taken(`${secret}=`)).toBe(false);
  });

  test.each(['http://10.0.0.1/', 'https://user:pass@example.com/', 'https://example.com/#x', 'ftp://example.com/', 'http://localhost.example.com/', 'http://127.0.0.1.example.com/', '/hook', ' https://example.com/', 'https://%/'])('a webhook may not be %s', (url) => {
    expect(faultsOf(newContactSchema, { name: 'Ada', addresses: { webhook: { url, secret: SECRET } } })).toEqual(['addresses.webhook.url']);
  });

  test('of a change have no defaults, so that what is absent stays', () => {
    expect(contactChangeSchema.parse({ zone: 'Europe/Zurich' })).toEqual({ zone: 'Europe/Zurich' });
    expect(newContactSchema.parse({ name: ' Ada ', locale: 'DE-ch' })).toMatchObject({ name: 'Ada', locale: 'de-CH' });
  });
});

describe('contacts', () => {
  test('rise in version with each change, and older ones are refused', () => {
    const { people, make } = directory();
    const { id } = make();
    expect(people.changeContact(id, 1, { name: 'Ada L.' }, NOW_MS + 1)).toMatchObject({ version: 2, name: 'Ada L.', zone: 'UTC', createdAt: NOW_MS, changedAt: NOW_MS + 1 });
    expect(codeOf(() => people.changeContact(id, 1, { name: 'x' }, NOW_MS))).toBe('stale_version');
    expect(people.changeContact(id, null, {}, NOW_MS).version).toBe(3);
    expect(codeOf(() => people.changeContact('none', null, {}, NOW_MS))).toBe('unknown_contact');
    expect(codeOf(() => people.removeContact(id, 2, NOW_MS))).toBe('stale_version');
    people.removeContact(id, 3, NOW_MS);
    expect(people.contact(id)).toBeNull();
  });

  test('are removed only when no schedule needs them', () => {
    const { people, make } = directory();
    for (const id of ['ada', 'ben', 'cleo']) make({ name: id }, id);
    const made = people.makeSchedule(schedule(['ada']), NOW_MS, () => 's');
    expect(codeOf(() => people.removeContact('ada', null, NOW_MS))).toBe('in_use');
    people.override('s', made.version, { contactId: 'ben', from: NOW_MS, to: NOW_MS + DAY_MS, by: 'ada', why: '' }, NOW_MS, () => 'o1');
    expect(codeOf(() => people.removeContact('ben', null, NOW_MS))).toBe('in_use');
    people.removeContact('ben', null, NOW_MS + DAY_MS);
    people.removeContact('cleo', null, NOW_MS);
    people.removeSchedule('s', null);
    people.removeContact('ada', null, NOW_MS);
    expect(people.contactCount).toBe(0);
  });

  test('stop a channel for the address of then', () => {
    const { people, make } = directory();
    const { id } = make({ addresses: { email: 'ada@example.com', sms: '+41791234567', push: ['t1'] } });
    people.unsubscribe(id, 'sms', NOW_MS);
    people.unsubscribe(id, 'email', NOW_MS + 1);
    expect(people.unsubscribe(id, 'email', NOW_MS + 2)).toMatchObject({ version: 3, unsubscribed: { sms: NOW_MS, email: NOW_MS + 1 } });
    const addresses = people.contact(id)!.addresses;
    expect(people.changeContact(id, null, { addresses: { ...addresses, email: 'ada@example.org' } }, NOW_MS).unsubscribed).toEqual({ sms: NOW_MS });
    expect(people.changeContact(id, null, { name: 'Ada L.' }, NOW_MS).unsubscribed).toEqual({ sms: NOW_MS });
  });

  test('lose addresses that are no good, and no others', () => {
    const { people, make } = directory();
    const { id } = make({ addresses: { email: 'ada@example.com', push: ['t1', 't2', 't3'] } });
    expect(people.removeAddresses(id, 'push', ['t1', 't3', 'other'], NOW_MS)).toMatchObject({ version: 2, addresses: { push: ['t2'], email: 'ada@example.com' } });
    expect(people.removeAddresses(id, 'push', ['t1'], NOW_MS).version).toBe(2);
    // A number that is no good says nothing of an e-mail address that happens to read the same.
    expect(people.removeAddresses(id, 'sms', ['ada@example.com'], NOW_MS).version).toBe(2);
    expect(people.removeAddresses(id, 'email', ['ada@example.com'], NOW_MS).addresses.email).toBeNull();
  });

  test('come in pages in order of id, also when the one at the cursor is gone', () => {
    const { people, make } = directory();
    for (const id of ['e', 'a', 'd', 'b', 'c']) make({}, id);
    const first = people.contactsPage(2, null);
    expect(first.data.map(({ id }) => id)).toEqual(['a', 'b']);
    people.removeContact('b', null, NOW_MS);
    const second = people.contactsPage(3, first.nextCursor);
    expect([second.data.map(({ id }) => id), second.nextCursor]).toEqual([['c', 'd', 'e'], null]);
  });

  test('are listed by the cursors of their own list alone', () => {
    const { people, make } = directory();
    for (const id of ['a', 'b', 'c']) make({}, id);
    const { nextCursor } = people.contactsPage(1, null);
    expect(people.contactsPage(1, nextCursor).data.map(({ id }) => id)).toEqual(['b']);
    for (const cursor of ['a', 'junk', 'ju nk', `${nextCursor}=`, Buffer.from('contacts/').toString('base64url'), Buffer.from('schedules/a').toString('base64url')]) {
      expect(() => people.contactsPage(1, cursor), cursor).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
    }
    expect(() => people.schedulesPage(1, nextCursor)).toThrow(expect.objectContaining({ code: 'bad_cursor' }));
  });

  test('get an id that nobody has', () => {
    const { people } = directory();
    const ids = ['x', 'x', 'y'];
    const newId = () => ids.shift()!;
    expect([people.makeContact(contact(), NOW_MS, newId).id, people.makeContact(contact(), NOW_MS, newId).id]).toEqual(['x', 'y']);
  });
});

describe('schedules', () => {
  test('name only people who are there', () => {
    const { people, make } = directory();
    make({}, 'ada');
    expect(codeOf(() => people.makeSchedule(schedule(['ada', 'ben']), NOW_MS, () => 's'))).toBe('unknown_contact');
    people.makeSchedule(schedule(['ada']), NOW_MS, () => 's');
    expect(codeOf(() => people.changeSchedule('s', null, schedule(['ben']), NOW_MS))).toBe('unknown_contact');
    expect(codeOf(() => people.override('s', null, { contactId: 'ben', from: 0, to: 1, by: 'ada', why: '' }, NOW_MS, () => 'o'))).toBe('unknown_contact');
    expect(people.schedule('s')!.version).toBe(1);
    expect(codeOf(() => people.changeSchedule('none', null, {}, NOW_MS))).toBe('unknown_schedule');
  });

  test('say who is on call, with who stands in', () => {
    const { people, make } = directory();
    for (const id of ['ada', 'ben']) make({}, id);
    people.makeSchedule(schedule(['ada', 'ben']), NOW_MS, () => 's');
    const [turn] = people.onCallTurns('s', NOW_MS, NOW_MS + 1);
    const other = turn.contactId === 'ada' ? 'ben' : 'ada';
    people.override('s', 1, { contactId: other, from: NOW_MS + 10, to: NOW_MS + 20, by: 'ada', why: '' }, NOW_MS, () => 'o1');
    expect(codeOf(() => people.override('s', 1, { contactId: other, from: 0, to: 1, by: 'ada', why: '' }, NOW_MS, () => 'o2'))).toBe('stale_version');
    expect([9, 10, 19, 20].map((ms) => people.onCall('s', NOW_MS + ms))).toEqual([turn.contactId, other, other, turn.contactId]);
    expect(people.onCallTurns('s', NOW_MS, NOW_MS + 30).map(({ source }) => source)).toEqual(['all', 'o1', 'all']);
    expect(codeOf(() => people.removeOverride('s', 'none', null, NOW_MS))).toBe('unknown_override');
    people.removeOverride('s', 'o1', 2, NOW_MS);
    expect(people.onCall('s', NOW_MS + 10)).toBe(turn.contactId);
    expect(people.onCall('none', NOW_MS)).toBeNull();
  });

  test('have room for new overrides when old ones are long over', () => {
    const { people, make } = directory();
    make({}, 'ada');
    people.makeSchedule(schedule(['ada']), NOW_MS, () => 's');
    let made = 0;
    const override = (atMs: number) => people.override('s', null, { contactId: 'ada', from: atMs, to: atMs + 1, by: 'ada', why: '' }, atMs, () => `o${made++}`);
    for (let i = 0; i < 500; i++) override(NOW_MS);
    expect(codeOf(() => override(NOW_MS))).toBe('too_many');
    expect(override(NOW_MS + 93 * DAY_MS).overrides).toHaveLength(1);
  });
});

describe('subscribers', () => {
  test('are found as by asking each', () => {
    const { people, make } = directory();
    const lists = [[], ['north'], ['south', 'north'], ['n*'], ['*th', 'east'], ['west']];
    const severities: (Severity | null)[] = [...SEVERITIES, null];
    for (let i = 0; i < 200; i++) {
      const severityMin = severities[i % 4];
      make({ preferences: { subscription: severityMin === null ? null : { severityMin, regions: lists[(i * 7) % lists.length] } } });
    }
    // Changes and removals leave nothing behind.
    for (const { id } of [...people.contacts()].filter((_, i) => i % 3 === 0)) people.changeContact(id, null, { preferences: contact({ preferences: { subscription: { severityMin: 'WARN', regions: ['east'] } } }).preferences }, NOW_MS);
    for (const { id } of [...people.contacts()].filter((_, i) => i % 5 === 0)) people.removeContact(id, null, NOW_MS);
    const wants = ({ preferences: { subscription } }: Contact, severity: Severity, regions: string[]) =>
      subscription !== null &&
      SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(subscription.severityMin) &&
      (subscription.regions.length === 0 || subscription.regions.some((pattern) => regions.some((region) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(region))));
    for (const severity of SEVERITIES) {
      for (const regions of [[], ['north'], ['south'], ['east', 'west'], ['nowhere'], ['north', 'south', 'east', 'west']]) {
        const expected = [...people.contacts()].filter((one) => wants(one, severity, regions)).map(({ id }) => id).sort();
        expect(people.subscribersFor(severity, regions).map(({ id }) => id)).toEqual(expected);
      }
    }
  });
});

test('what was committed is there after a restart, and nothing else', async () => {
  const { store, people, make } = directory();
  for (const id of ['ada', 'ben']) make({ preferences: { subscription: { severityMin: 'INFO', regions: [] } } }, id);
  people.makeSchedule(schedule(['ada']), NOW_MS, () => 's');
  expect(people.flush()).toBe(true);
  expect(people.flush()).toBe(false);
  await store.commit();
  people.removeContact('ben', null, NOW_MS);
  people.flush();
  const { people: before } = directory(store.crash());
  expect([...before.contacts()]).toEqual([people.contact('ada'), expect.objectContaining({ id: 'ben' })]);
  before.removeContact('ben', null, NOW_MS);
  before.changeSchedule('s', null, { name: 'nights' }, NOW_MS);
  before.flush();
});

test('questions are answered by the directory where it alone can', async () => {
  const { people } = directory();
  const ask = (question: Parameters<typeof answerPeople>[1]) => answerPeople(people, question, NOW_MS, () => 'ada');
  expect(ask({ kind: 'makeContact', contact: contact() })).toMatchObject({ id: 'ada' });
  expect(ask({ kind: 'contacts', limit: 10, cursor: null })).toMatchObject({ data: [{ id: 'ada' }], nextCursor: null });
  expect(ask({ kind: 'removeContact', id: 'ada', version: 1 })).toBeNull();
  expect(isPeopleQuestion({ kind: 'onCall', scheduleId: 's', from: 0, to: 1 })).toBe(true);
  expect(isPeopleQuestion({ kind: 'unsubscribe', token: 'x' })).toBe(false);
});
