import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { overloadOf } from '../support/alert-engine-api.ts';
import { get, post, scrape } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';
import { ProviderProcess } from '../support/provider-process.ts';
import { TWILIO_ACCOUNT, TWILIO_NUMBER, TWILIO_TOKEN } from '../support/twilio-server.ts';

/** Who is told of an alert, when, and by which way: a real engine, and providers that are processes of their own. */

interface WireDelivery {
  severity: string;
  state: string;
  receipts: { channel: string | null; step: string; code: string | null; at: string }[];
}

const MINUTE_MS = 60_000;
const SECOND_LEVEL_MS = 3_000;
const DIGEST_MS = 60_000;
const CALLED = 6;
/** A question makes the supervisor look at a clock that was moved. */
const WAKE_MS = 10_000;

const always = (...channels: string[]) => ({ INFO: channels, WARN: channels, CRITICAL: channels });
const subscribed = (...regions: string[]) => ({ severityMin: 'INFO', regions });
/** A time of day there, so long from now. */
const localTime = (zone: string, inMs: number): string => new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit' }).format(Date.now() + inMs);
const stepsOf = ({ receipts }: WireDelivery): string[] => receipts.map(({ channel, step, code }) => [channel, step, code].filter((part) => part !== null).join(' '));

describe('people who are told', () => {
  let directory: string;
  let engine: EngineProcess;
  let mail: ProviderProcess<'mail'>;
  let twilio: ProviderProcess<'twilio'>;
  let fcm: ProviderProcess<'fcm'>;
  const ids: Record<string, string> = {};
  const called: string[] = [];

  async function send<Body>(path: string, body: object): Promise<Body> {
    const response = await fetch(engine.apiUrl(path), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const answer = (await response.json()) as Body;
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  }
  async function contact(name: string, fields: object): Promise<string> {
    return (ids[name] = (await send<{ id: string }>('/api/v1/contacts', { name, ...fields })).id);
  }
  const deliveriesOf = async (contactId: string): Promise<WireDelivery[]> => (await get<{ data: WireDelivery[] }>(engine, `/api/v1/deliveries?contact=${contactId}`)).body.data;
  const mailsTo = async (name: string) => (await mail.ask('mails')).filter(({ to }) => to[0] === `${name}@example.org`);
  const textsTo = async (number: string) => (await twilio.ask('messages')).filter(({ to }) => to === number);
  const moveClock = async (clockOffsetMs: number): Promise<void> => void (await fetch(engine.opsUrl('/fault'), { method: 'POST', body: JSON.stringify({ clockOffsetMs }) }));
  const alertOf = async (region: string) => (await get<{ data: { id: string; openedAt: string }[] }>(engine, `/api/v1/alerts/active?region=${region}`)).body.data[0];

  beforeAll(async () => {
    directory = temporaryDirectory();
    [mail, twilio, fcm] = await Promise.all([ProviderProcess.start('mail'), ProviderProcess.start('twilio'), ProviderProcess.start('fcm')]);
    writeFileSync(join(directory, 'fcm.json'), JSON.stringify(await fcm.ask('account')));
    const rules = join(directory, 'rules.json');
    writeFileSync(rules, JSON.stringify({ rules: [], routes: [] }));
    engine = await EngineProcess.start({
      dataDir: join(directory, 'data'),
      settings: {
        ...{ SHARDS: '1', LATENESS: '1s', REGION_CAPACITIES: 'north=10,south=10,east=10,west=10', ALERT_RULES_FILE: rules, FAULT_INJECTION: 'on', PUBLIC_URL: 'http://grid.example' },
        ...{ SMTP_URL: mail.url, SMTP_FROM: 'grid@example.com', FCM_SERVICE_ACCOUNT_FILE: join(directory, 'fcm.json'), FCM_BASE_URL: fcm.url },
        ...{ TWILIO_ACCOUNT_SID: TWILIO_ACCOUNT, TWILIO_AUTH_TOKEN: TWILIO_TOKEN, TWILIO_FROM: TWILIO_NUMBER, TWILIO_BASE_URL: twilio.url },
      },
    });
    await contact('ada', { locale: 'de-DE', zone: 'Europe/Berlin', addresses: { email: 'ada@example.org' }, preferences: { channels: always('email') } });
    await contact('chief', { addresses: { sms: '+15005550011' }, preferences: { channels: always('sms') } });
    await contact('reader', { addresses: { email: 'reader@example.org' }, preferences: { channels: always('email'), subscription: subscribed('south', 'east'), digest: { severityMax: 'WARN', everyMs: DIGEST_MS } } });
    const night = { spans: [{ from: localTime('Asia/Kolkata', -2 * MINUTE_MS), to: localTime('Asia/Kolkata', 10 * MINUTE_MS) }], exceptFrom: 'CRITICAL' };
    await contact('sleeper', { zone: 'Asia/Kolkata', addresses: { email: 'sleeper@example.org' }, preferences: { channels: always('email'), subscription: subscribed('south'), quietHours: night } });
    // The same times of day, elsewhere.
    await contact('waker', { zone: 'America/New_York', addresses: { email: 'waker@example.org' }, preferences: { channels: always('email'), subscription: subscribed('south'), quietHours: night } });
    for (let i = 0; i < CALLED; i++) called.push(await contact(`called-${i}`, { addresses: { push: [`phone-${i}`], sms: `+1500555020${i}` }, preferences: { channels: always('push', 'sms'), subscription: subscribed('west') } }));
    const { id } = await send<{ id: string }>('/api/v1/schedules', { name: 'operators', zone: 'Asia/Tokyo', layers: [{ name: 'all', people: [ids.chief], startsOn: '2020-01-01', handoffAt: '08:00', turnDays: 7 }] });
    await send(`/api/v1/schedules/${id}/overrides`, { contactId: ids.ada, from: new Date(Date.now() - MINUTE_MS).toISOString(), to: new Date(Date.now() + 60 * MINUTE_MS).toISOString(), by: 'chief', why: 'asleep' });
    const times = { groupWait: '1s', groupInterval: '1s', repeatInterval: '4h' };
    writeFileSync(
      rules,
      JSON.stringify({
        rules: [
          { name: 'urgent', condition: 'regional_load', regions: ['north', 'west'] },
          { name: 'later', condition: 'regional_load', regions: ['south', 'east'], severity: 'WARN' },
        ],
        routes: [
          { name: 'north', match: { regions: ['north'] }, escalation: 'night', ...times },
          { name: 'rest', ...times },
        ],
        escalations: [{ name: 'night', levels: [{ after: '0s', notify: [`schedule:${id}`] }, { after: `${SECOND_LEVEL_MS}ms`, notify: ['contact:' + ids.chief] }] }],
      }),
    );
    await eventually(() => get<{ rules: { routes: unknown[] } }>(engine, '/api/v1/alert-rules'), ({ body }) => body.rules.routes.length === 2);
    await fcm.kill();
    for (const region of ['north', 'south', 'east', 'west']) await post(engine, overloadOf(region, 12));
  });
  afterAll(async () => {
    await engine.kill9();
    await Promise.all([mail.kill(), twilio.kill(), fcm.kill()]);
    removeDirectory(directory);
  });

  test('who stands in on the schedule is told first, in their language, and the next level when nobody acknowledges', async () => {
    const [first] = await eventually(() => mailsTo('ada'), (mails) => mails.length === 1, 10_000);
    expect(first.subject).toMatch(/^KRITISCH: Region north bei 120\s%\sder Kapazität$/);
    expect(first.text).toContain('Grenze 90');
    expect([first.pictures, first.html.includes('Region north')]).toEqual([1, true]);
    const [second] = await eventually(() => textsTo('+15005550011'), (texts) => texts.length === 1, 10_000);
    expect(second.body).toMatch(/escalated, level 2.*north/);
    const [toldAt, escalatedAt] = (await Promise.all([ids.ada, ids.chief].map(deliveriesOf))).map(([{ receipts }]) => Date.parse(receipts[0].at));
    expect(escalatedAt - toldAt).toBeGreaterThan(SECOND_LEVEL_MS / 2);
    const { id } = await alertOf('north');
    await send(`/api/v1/alerts/${id}/acknowledge`, { by: 'ada' });
    const { body } = await get<{ decisions: { step: string; outcome: string; reason: string }[] }>(engine, `/api/v1/alerts/${id}/explain?contact=${ids.ada}`);
    expect(body.decisions).toContainEqual(expect.objectContaining({ step: 'on_call', outcome: 'passed', reason: 'ada is on call by schedule operators.' }));
  });

  test('a provider that is dead opens its circuit, everybody is told by their next way, and nobody else waits', async () => {
    const deliveries = await eventually(async () => (await Promise.all(called.map(deliveriesOf))).flat(), (all) => all.length === CALLED && all.every(({ state }) => state === 'sent'), 20_000);
    for (const delivery of deliveries) expect(stepsOf(delivery)).toEqual(expect.arrayContaining(['push queued', 'push attempt', 'push retry ECONNREFUSED', 'sms attempt', 'sms accepted']));
    for (let i = 0; i < CALLED; i++) expect(await textsTo(`+1500555020${i}`)).toHaveLength(1);
    const metrics = await scrape(engine);
    expect([metrics.get('seg_notification_circuit_open{channel="push"}'), metrics.get('seg_notification_circuit_open{channel="sms"}')]).toEqual([1, 0]);
    const [awake] = await deliveriesOf(ids.waker);
    const [queued, accepted] = ['queued', 'accepted'].map((step) => Date.parse(awake.receipts.find((receipt) => receipt.step === step)!.at));
    // A circuit that opened stays so for fifteen seconds.
    expect(accepted - queued).toBeLessThan(10_000);
  });

  test('what is for a digest, or comes in quiet hours of somebody\'s own zone, waits and goes as one message', async () => {
    const held = (by: string) => (deliveries: WireDelivery[]) => deliveries.every(({ state, receipts }) => state === 'digest' && receipts.some(({ step, code }) => step === 'held' && code === by));
    await eventually(() => deliveriesOf(ids.reader), (all) => all.length === 2 && held('digest')(all));
    await eventually(() => deliveriesOf(ids.sleeper), (all) => all.length === 1 && held('quiet_hours')(all));
    expect(await mailsTo('reader')).toEqual([]);
    await moveClock(DIGEST_MS + 5_000);
    const sent = (all: WireDelivery[]): boolean => all.every(({ state }) => state === 'sent');
    await eventually(() => deliveriesOf(ids.reader), sent, WAKE_MS);
    const [digest, ...more] = await mailsTo('reader');
    expect([more, ['south', 'east'].every((region) => digest.text.includes(region))]).toEqual([[], true]);
    expect(await mailsTo('sleeper')).toEqual([]);
    await moveClock(12 * MINUTE_MS);
    await eventually(() => deliveriesOf(ids.sleeper), sent, WAKE_MS);
    expect([(await mailsTo('sleeper')).length, (await mailsTo('reader')).length, (await mailsTo('ada')).length, (await textsTo('+15005550011')).length]).toEqual([1, 1, 1, 1]);
  });
});
