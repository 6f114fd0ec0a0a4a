import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, SendOutcome } from '../../src/actors/notifications/channels/channel.ts';
import { smsReference } from '../../src/actors/notifications/channels/delivery-reference.ts';
import { twilioChannel, twilioFaults, type TwilioOptions } from '../../src/actors/notifications/channels/sms-twilio.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { LOCAL_CERTIFICATE } from '../support/contract-server.ts';
import { Deadlines } from '../support/deadlines.ts';
import { outgoingMessage } from '../support/outgoing-message.ts';
import { closedPort } from '../support/silent-server.ts';
import { TWILIO_ACCOUNT, TWILIO_NUMBER, TWILIO_SERVICE, TWILIO_TOKEN, TwilioServer } from '../support/twilio-server.ts';

/** An answer is waited for so long where no deadline is let pass. */
const ANSWER_MS = 20_000;
const message = outgoingMessage();
const NUMBER = message.addresses.sms as string;
const REFERENCE = smsReference(message.deliveryId);
const DAY_MS = 86_400_000;
let twilio: TwilioServer;
let deadlines: Deadlines;
let channel: Channel & Required<Pick<Channel, 'lookup'>>;

function open(options: Partial<TwilioOptions> = {}): typeof channel {
  const settings = { accountSid: TWILIO_ACCOUNT, authToken: TWILIO_TOKEN, from: TWILIO_NUMBER, messagingServiceSid: null, baseUrl: twilio.url, settleMs: 1, ...options };
  return twilioChannel(settings, { clock: systemClock, timers: deadlines }) as typeof channel;
}

/** What becomes of it when deadlines pass at a server that answers no more. */
function late<T>(waiting: Promise<T>): Promise<T> {
  const before = twilio.silences;
  return deadlines.passOnce(() => twilio.silences > before, waiting);
}

beforeEach(async () => {
  twilio = await TwilioServer.start();
  deadlines = new Deadlines();
  channel = open();
});
afterEach(async () => {
  await channel.close();
  await twilio.close();
});

describe('SMS by Twilio', () => {
  it('goes as documented, with the reference of the delivery at its end', async () => {
    expect(await channel.send(message)).toEqual({ kind: 'accepted', providerId: twilio.messages[0].sid, text: 'Twilio took it as queued.' });
    expect(twilio.messages[0]).toMatchObject({ to: NUMBER, from: TWILIO_NUMBER, body: `${message.text}${REFERENCE}` });
    expect(REFERENCE).toMatch(/^ \(ref [0-9A-Z]{6}\)$/);
    expect(new URLSearchParams(twilio.requests[0].body).get('ValidityPeriod')).toBe('14400');
  });

  it('goes by a messaging service', async () => {
    expect(await open({ from: null, messagingServiceSid: TWILIO_SERVICE }).send(message)).toMatchObject({ kind: 'accepted', text: 'Twilio took it as accepted.' });
  });

  it('is cut to what Twilio takes, reference and all', async () => {
    expect(await channel.send(outgoingMessage({ text: '⚡'.repeat(3_000) }))).toMatchObject({ kind: 'accepted' });
    expect(twilio.messages[0].body).toHaveLength(1_600);
    expect(twilio.messages[0].body).toMatch(/⚡\.\.\. \(ref [0-9A-Z]{6}\)$/);
  });

  it('a number that answered STOP has unsubscribed (21610)', async () => {
    twilio.stopped.add(NUMBER);
    expect(await channel.send(message)).toMatchObject({ kind: 'rejected', code: '21610', unsubscribed: true });
  });

  it('a landline and what is no number are refused for good', async () => {
    twilio.landlines.add(NUMBER);
    expect(await channel.send(message)).toMatchObject({ kind: 'rejected', code: '21614' });
    expect(await channel.send(outgoingMessage({ addresses: { sms: '+0' } }))).toMatchObject({ kind: 'rejected', code: '21211' });
  });

  it.each([[21211], [21214], [21217], [21265], [21408], [21612], [21614], [21617], [21635]])('error %i is of this message', async (code) => {
    twilio.fail(TwilioServer.error(400, code, 'as documented'));
    expect(await channel.send(message)).toMatchObject({ kind: 'rejected', code: String(code) });
  });

  it.each([
    [401, 20003], [403, 20005], [404, 20404], [400, 21606], [400, 21659], [400, 21703], [400, 21705], [403, 30002],
    [429, 20429], [429, 21611], [429, 63038], [400, 30001], [429, 30022],
  ])('status %i with error %i is of the provider or the account', async (status, code) => {
    twilio.fail(TwilioServer.error(status, code, 'as documented'));
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', code: String(code), isProvider: true });
  });

  it('Retry-After of 429 and 503 is passed on', async () => {
    twilio.fail(TwilioServer.error(429, 20429, 'Too Many Requests', { 'retry-after': '7' }));
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', retryAfterMs: 7_000 });
    twilio.fail(TwilioServer.error(503, 20503, 'Service Unavailable', { 'retry-after': '30' }));
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', retryAfterMs: 30_000, isProvider: true });
    twilio.fail({ kind: 'reply', status: 429, body: 'no JSON' });
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', code: '429', retryAfterMs: null });
  });

  it.each([500, 502, 504])('of a message whose request ended in %i nobody knows', async (status) => {
    twilio.fail(TwilioServer.error(status, 20500, 'Internal Server Error'));
    expect(await channel.send(message)).toMatchObject({ kind: 'unknown', code: '20500' });
  });

  it('wrong credentials and a wrong account are of our settings', async () => {
    expect(await open({ authToken: 'wrong-token' }).send(message)).toMatchObject({ kind: 'retry', code: '20003', isProvider: true });
    expect(await open({ from: '+15005550001' }).send(message)).toMatchObject({ kind: 'retry', code: '21659', isProvider: true });
  });

  it('an address that is not Twilio is no success, whatever its status, and no redirect is followed', async () => {
    twilio.fail({ kind: 'reply', status: 200, body: '<html>Welcome to this hotel</html>' });
    expect(await channel.send(message)).toMatchObject({ kind: 'unknown', code: 'bad_reply' });
    twilio.fail({ kind: 'reply', status: 307, headers: { location: `${twilio.url}/2010-04-01/Accounts/${TWILIO_ACCOUNT}/Messages.json` } });
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', code: 'redirect', isProvider: true });
    expect(twilio.messages).toEqual([]);
  });

  it('before the request is written it did not go, after it may have', async () => {
    expect(await open({ baseUrl: `http://127.0.0.1:${await closedPort()}` }).send(message)).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED', isProvider: true });
    twilio.fail({ kind: 'hang' });
    expect(await late(channel.send(message))).toMatchObject({ kind: 'unknown', code: 'timeout' });
    twilio.fail({ kind: 'reset' });
    expect(await channel.send(message)).toMatchObject({ kind: 'unknown', code: 'ECONNRESET' });
  });

  it('an answer of which only the status came is a success', async () => {
    twilio.fail({ kind: 'half', status: 201, body: '{"sid":', afterwards: true });
    expect(await late(channel.send(message))).toMatchObject({ kind: 'accepted', providerId: null });
  });

  it('a certificate that nobody vouches for gets nothing', async () => {
    const secure = await TwilioServer.start({ tls: true });
    expect(await open({ baseUrl: secure.url }).send(message)).toMatchObject({ kind: 'retry', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(secure.requests).toEqual([]);
    expect(await open({ baseUrl: secure.url, ca: LOCAL_CERTIFICATE }).send(message)).toMatchObject({ kind: 'accepted' });
    await secure.close();
  });
});

describe("looking up whether an SMS went", () => {
  it.each(['hang', 'reset'] as const)('finds one whose answer was lost (%s), while it waits in the queue and after it went', async (kind) => {
    const sinceMs = Date.now();
    twilio.fail({ kind, afterwards: true });
    expect(await late(channel.send(message))).toMatchObject({ kind: 'unknown' });
    expect(await channel.lookup(message, sinceMs)).toEqual({ kind: 'sent', providerId: twilio.messages[0].sid });
    Object.assign(twilio.messages[0], { sentAt: Date.now(), status: 'sent' });
    expect(await channel.lookup(message, sinceMs)).toEqual({ kind: 'sent', providerId: twilio.messages[0].sid });
  });

  it('does not find one whose request never arrived, nor another delivery to the same number', async () => {
    const sinceMs = Date.now();
    twilio.fail({ kind: 'hang' });
    expect(await late(channel.send(message))).toMatchObject({ kind: 'unknown' });
    await channel.send(outgoingMessage({ deliveryId: 'another/1/anna' }));
    twilio.put('+41790000000', `of somebody else${REFERENCE}`, Date.now());
    expect(await channel.lookup(message, sinceMs)).toEqual({ kind: 'not_sent' });
  });

  it('finds it whatever Twilio put in front of the text', async () => {
    twilio.prefix = 'Sent from your Twilio trial account - ';
    await channel.send(message);
    expect(await channel.lookup(message, Date.now())).toMatchObject({ kind: 'sent' });
  });

  it('finds one that was sent around midnight in GMT, and reads page after page', async () => {
    const sinceMs = Date.UTC(2026, 10, 27, 0, 0, 5);
    const sid = twilio.put(NUMBER, `Late${REFERENCE}`, sinceMs - 10_000);
    for (let n = 0; n < 250; n++) twilio.put(NUMBER, `Other ${n}`, sinceMs + n * 1_000);
    expect(await channel.lookup(message, sinceMs)).toEqual({ kind: 'sent', providerId: sid });
    expect(twilio.requests).toHaveLength(3);
    expect(twilio.requests[0].query.get('DateSent>')).toBe('2026-11-26');
  });

  it('one that Twilio itself gave up did not go', async () => {
    twilio.put(NUMBER, `Text${REFERENCE}`, Date.now(), 'failed');
    expect(await channel.lookup(message, Date.now())).toEqual({ kind: 'not_sent' });
    twilio.put(NUMBER, `Text${REFERENCE}`, Date.now(), 'undelivered');
    expect(await channel.lookup(message, Date.now())).toMatchObject({ kind: 'sent' });
  });

  it('does not know when the list cannot be read, or is longer than anybody reads', async () => {
    for (const failure of [{ kind: 'hang' } as const, { kind: 'reset' } as const, TwilioServer.error(500, 20500, 'Internal Server Error'), TwilioServer.error(401, 20003, 'Authenticate'), { kind: 'reply', status: 200, body: 'no JSON' } as const, { kind: 'half', status: 200, body: '{"messages":[]}' } as const]) {
      twilio.fail(failure);
      expect(await late(channel.lookup(message, Date.now()))).toMatchObject({ kind: 'unknown' });
    }
    for (let n = 0; n < 1_001; n++) twilio.put(NUMBER, `Other ${n}`, Date.now());
    expect(await channel.lookup(message, Date.now())).toMatchObject({ kind: 'unknown', text: expect.stringContaining('1000') });
    expect(await channel.lookup(message, Date.now() + 3 * DAY_MS)).toEqual({ kind: 'not_sent' });
  });

  it('sends the credentials to no other host, whatever the list says of its next page', async () => {
    const other = await TwilioServer.start();
    twilio.fail({ kind: 'reply', status: 200, body: { messages: [], next_page_uri: `${other.url}/2010-04-01/Accounts/${TWILIO_ACCOUNT}/Messages.json` } });
    await channel.lookup(message, Date.now());
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it('waits until a request under way has arrived or never will', async () => {
    const waits: number[] = [];
    const timers = { ...systemTimers, after: (ms: number, fn: () => void) => systemTimers.after(ms === ANSWER_MS ? ms : (waits.push(ms), 0), fn) };
    const clock = { ...systemClock, now: () => 1_000_000 };
    const patient = twilioChannel({ accountSid: TWILIO_ACCOUNT, authToken: TWILIO_TOKEN, from: TWILIO_NUMBER, messagingServiceSid: null, baseUrl: twilio.url, connectTimeoutMs: ANSWER_MS, answerTimeoutMs: ANSWER_MS }, { clock, timers }) as typeof channel;
    await patient.lookup(message, 997_000);
    await patient.lookup(message, 900_000);
    // The wall clock went back: no longer than that all the same.
    await patient.lookup(message, 5_000_000);
    expect(waits).toEqual([7_000, 10_000]);
    await patient.close();
  });
});

describe("Twilio's settings", () => {
  const good = { accountSid: TWILIO_ACCOUNT, authToken: TWILIO_TOKEN, from: TWILIO_NUMBER, messagingServiceSid: null };

  it('that are right have no faults', () => {
    expect(twilioFaults(good)).toEqual([]);
    for (const from of ['+41791234567', '12345', 'Smart Grid']) expect(twilioFaults({ ...good, from })).toEqual([]);
  });

  it.each([
    [{ accountSid: 'AC1' }, 'accountSid'], [{ authToken: '' }, 'authToken'], [{ from: null }, 'from'], [{ messagingServiceSid: TWILIO_SERVICE }, 'from'], [{ from: 'a name too long' }, 'from'],
    [{ from: null, messagingServiceSid: 'MG1' }, 'messagingServiceSid'], [{ baseUrl: 'ftp://x' }, 'baseUrl'], [{ baseUrl: 'https://u:p@x' }, 'baseUrl'], [{ validityPeriodS: 0 }, 'validityPeriodS'], [{ answerTimeoutMs: 0 }, 'answerTimeoutMs'],
  ])('%j is a fault of %s', (change, setting) => {
    expect(twilioFaults({ ...good, ...change })).toEqual([{ setting, problem: expect.stringContaining('expected') }]);
    expect(() => twilioChannel({ ...good, ...change }, { clock: systemClock, timers: systemTimers })).toThrow(expect.objectContaining({ code: 'invalid_settings' }));
  });
});

it('no outcome of Twilio names the token, whatever the answer repeats', async () => {
  const basic = Buffer.from(`${TWILIO_ACCOUNT}:${TWILIO_TOKEN}`).toString('base64');
  const outcomes: unknown[] = [];
  for (const status of [200, 302, 400, 401, 429, 500, 503]) {
    twilio.fail(TwilioServer.error(status, 20003, `You said ${TWILIO_TOKEN}, or ${basic}\r\nand more`));
    outcomes.push(await channel.send(message));
  }
  twilio.fail(TwilioServer.error(500, 20003, `You said ${TWILIO_TOKEN}`));
  outcomes.push(await channel.lookup(message, Date.now()));
  expect(JSON.stringify(outcomes)).not.toContain(TWILIO_TOKEN);
  expect(JSON.stringify(outcomes)).not.toContain(basic.replace(/=+$/, ''));
  expect((outcomes[2] as SendOutcome).text).toBe('Twilio answers 400 with error 20003: You said •••, or ••• and more');
});
