import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, OutgoingMessage, SendOutcome } from '../../src/actors/notifications/channels/channel.ts';
import { FCM_PAYLOAD_BYTES_MAX } from '../../src/actors/notifications/channels/fcm-message.ts';
import { fcmChannel, fcmFaults, type FcmOptions } from '../../src/actors/notifications/channels/push-fcm.ts';
import { OffsetClock } from '../../src/runtime/clock.ts';
import { LOCAL_CERTIFICATE } from '../support/contract-server.ts';
import { Deadlines } from '../support/deadlines.ts';
import { FcmServer } from '../support/fcm-server.ts';
import { outgoingMessage } from '../support/outgoing-message.ts';
import { SilentServer, closedPort } from '../support/silent-server.ts';

const PHONE = 'phone-token-0123456789abcdef';
const TABLET = 'tablet-token-0123456789abcdef';
const SHORT_KEY = generateKeyPairSync('rsa', { modulusLength: 1_024 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const QUOTA = FcmServer.error(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded', { fcm: 'QUOTA_EXCEEDED' });
let fcm: FcmServer;
let channel: Channel;
let clock: OffsetClock;
let deadlines: Deadlines;

function open(options: Partial<FcmOptions> = {}): Channel {
  return fcmChannel({ serviceAccount: fcm.serviceAccount(), baseUrl: fcm.url, ...options }, { clock, timers: deadlines });
}

/** What becomes of it when deadlines pass at a server that answers no more. */
function late(sending: Promise<SendOutcome>): Promise<SendOutcome> {
  const before = fcm.silences;
  return deadlines.passOnce(() => fcm.silences > before, sending);
}

function to(push: string[], change: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return outgoingMessage({ ...change, addresses: { push } });
}

beforeEach(async () => {
  fcm = await FcmServer.start();
  fcm.devices.set(PHONE, 'registered').set(TABLET, 'registered');
  clock = new OffsetClock();
  deadlines = new Deadlines();
  channel = open();
});
afterEach(async () => {
  await channel.close();
  await fcm.close();
});

describe('push by FCM', () => {
  it('goes as documented, under one key for everything that it replaces', async () => {
    expect(await channel.send(to([PHONE]))).toEqual({ kind: 'accepted', providerId: expect.stringMatching(/^projects\/grid-test-1\/messages\//), text: 'FCM took it.' });
    const sent = fcm.messages[0] as { android: { collapse_key: string } };
    const key = sent.android.collapse_key;
    expect(sent).toMatchObject({
      token: PHONE,
      notification: { title: 'Region region-03 is at 94 % of its capacity' },
      data: { severity: 'CRITICAL', link: 'https://grid.example/alerts/1' },
      android: { priority: 'HIGH', ttl: '14400s', notification: { tag: key } },
      apns: { headers: { 'apns-collapse-id': key, 'apns-priority': '10' } },
      webpush: { headers: { Topic: key, Urgency: 'high' }, notification: { tag: key }, fcm_options: { link: 'https://grid.example/alerts/1' } },
    });
    await channel.send(to([PHONE], { deliveryId: 'other/8/anna', attempt: 2, severity: 'INFO', link: 'http://grid.local/alerts/1' }));
    expect(fcm.messages[1]).toMatchObject({ android: { collapse_key: key, priority: 'NORMAL' }, data: { link: 'http://grid.local/alerts/1' } });
    await channel.send(to([PHONE], { collapseKey: 'another' }));
    expect(fcm.messages[2]).not.toMatchObject({ android: { collapse_key: key } });
  });

  it.each([['é'.repeat(9_000)], ['"\\\n'.repeat(4_000)], ['👩‍🔧'.repeat(3_000)]])('is cut to 4,096 bytes, between characters', async (text) => {
    expect(await channel.send(to([PHONE], { text, subject: 'T'.repeat(900), link: `https://grid.example/${'x'.repeat(1_000)}` }))).toMatchObject({ kind: 'accepted' });
    const { token: _token, ...payload } = fcm.messages[0] as { token: string; notification: { body: string } };
    const bytes = Buffer.byteLength(JSON.stringify(payload));
    expect(bytes).toBeLessThanOrEqual(FCM_PAYLOAD_BYTES_MAX);
    expect(bytes).toBeGreaterThan(FCM_PAYLOAD_BYTES_MAX - 20);
    expect(payload.notification.body).toMatch(/…$/);
    expect(Buffer.from(payload.notification.body).toString()).toBe(payload.notification.body);
  });

  it('goes without its link where that alone is too long', async () => {
    expect(await channel.send(to([PHONE], { link: `https://grid.example/${'x'.repeat(5_000)}` }))).toMatchObject({ kind: 'accepted' });
    expect(fcm.messages[0]).toMatchObject({ notification: { body: outgoingMessage().text } });
    expect(fcm.messages[0].data).not.toHaveProperty('link');
  });

  it('a device that is unregistered, or whose token is none, is to be taken out', async () => {
    fcm.devices.set(PHONE, 'unregistered');
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'rejected', code: 'UNREGISTERED', removeAddresses: [PHONE] });
    expect(await channel.send(to(['no token at all']))).toMatchObject({ kind: 'rejected', code: 'INVALID_ARGUMENT', removeAddresses: ['no token at all'] });
  });

  it('a message that FCM does not take costs nobody a device', async () => {
    fcm.failSend(FcmServer.error(400, 'INVALID_ARGUMENT', "Invalid value at 'message.data[0].value' (TYPE_STRING), 12", { badRequest: true }));
    expect(await channel.send(to([PHONE]))).toEqual({ kind: 'rejected', code: 'INVALID_ARGUMENT', text: expect.stringContaining('FCM answers 400') });
    fcm.failSend(FcmServer.error(400, 'INVALID_ARGUMENT', 'The registration token field is not at its place', { fcm: 'INVALID_ARGUMENT', badRequest: true }));
    expect(await channel.send(to([PHONE]))).not.toHaveProperty('removeAddresses');
  });

  it('nor does a key file of another project, or a key for APNs that is missing', async () => {
    fcm.devices.set(PHONE, 'otherSender').set(TABLET, 'withoutApnsKey');
    expect(await channel.send(to([PHONE]))).toEqual({ kind: 'rejected', code: 'SENDER_ID_MISMATCH', text: 'FCM answers 403 SENDER_ID_MISMATCH: SenderId mismatch' });
    expect(await channel.send(to([TABLET]))).toMatchObject({ kind: 'rejected', code: 'THIRD_PARTY_AUTH_ERROR' });
    // Which is a 401, but not of the access token.
    expect(fcm.tokenRequests).toHaveLength(1);
  });

  it('too much at once waits as long as FCM says, a minute where it says nothing', async () => {
    fcm.failSend(QUOTA);
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'QUOTA_EXCEEDED', retryAfterMs: 60_000, isProvider: true });
    fcm.failSend({ ...QUOTA, headers: { 'retry-after': '90' } });
    expect(await channel.send(to([PHONE]))).toMatchObject({ retryAfterMs: 90_000 });
    fcm.failSend({ kind: 'reply', status: 429, body: 'no JSON' });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: '429', retryAfterMs: 60_000 });
  });

  it.each([[500, 'INTERNAL', 'INTERNAL'], [503, 'UNAVAILABLE', 'UNAVAILABLE'], [502, 'UNKNOWN', undefined], [504, 'DEADLINE_EXCEEDED', undefined]])('after %i %s it may have been delivered', async (status, label, own) => {
    fcm.failSend(FcmServer.error(status, label, 'as documented', { fcm: own, headers: { 'retry-after': '11' } }));
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'unknown', code: label, retryAfterMs: 11_000 });
  });

  it('no permission, no such project and a redirect are of our settings', async () => {
    fcm.failSend(FcmServer.error(403, 'PERMISSION_DENIED', 'Permission denied on resource project'));
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'PERMISSION_DENIED', isProvider: true });
    expect(await open({ serviceAccount: { ...fcm.serviceAccount(), project_id: 'another' } }).send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'NOT_FOUND', isProvider: true });
    fcm.failSend({ kind: 'reply', status: 308, headers: { location: fcm.url } });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: '308', isProvider: true });
    expect(fcm.messages).toEqual([]);
  });

  it('before the message is written it did not go, after it may have', async () => {
    await channel.send(to([PHONE]));
    fcm.failSend({ kind: 'hang' });
    expect(await late(channel.send(to([PHONE])))).toMatchObject({ kind: 'unknown', code: 'timeout' });
    fcm.failSend({ kind: 'reset' });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'unknown', code: 'ECONNRESET' });
    fcm.failSend({ kind: 'half', status: 200, body: '{"name"', afterwards: true });
    expect(await late(channel.send(to([PHONE])))).toMatchObject({ kind: 'accepted', providerId: null });
    fcm.failSend({ kind: 'reply', status: 200, body: '<html>' });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'unknown', code: 'bad_reply' });
    const away = open({ baseUrl: `http://127.0.0.1:${await closedPort()}` });
    expect(await away.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED', isProvider: true });
  });

  it('goes to no server whose certificate nobody vouches for', async () => {
    const secure = await FcmServer.start({ tls: true });
    secure.devices.set(PHONE, 'registered');
    const settings = { serviceAccount: secure.serviceAccount(), baseUrl: secure.url };
    expect(await open(settings).send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(secure.tokenRequests).toEqual([]);
    expect(await open({ ...settings, ca: LOCAL_CERTIFICATE }).send(to([PHONE]))).toMatchObject({ kind: 'accepted' });
    await secure.close();
  });
});

describe("a person's devices", () => {
  it('are told together; one is enough, and those that are gone are taken out', async () => {
    fcm.devices.set(TABLET, 'unregistered');
    expect(await channel.send(to([PHONE, TABLET]))).toMatchObject({ kind: 'accepted', text: '1 of 2 devices: FCM took it. Others: UNREGISTERED.', removeAddresses: [TABLET] });
    expect(fcm.tokenRequests).toHaveLength(1);
  });

  it('with none that took it, what is not known counts before what may be tried again, and that before a refusal', async () => {
    fcm.devices.set(TABLET, 'unregistered');
    fcm.failSend({ kind: 'hang' });
    fcm.failSend(QUOTA);
    expect(await deadlines.passOnce(() => fcm.sendRequests.length === 2, channel.send(to([PHONE, PHONE])))).toMatchObject({ kind: 'unknown', code: 'timeout', text: expect.stringContaining('Others: QUOTA_EXCEEDED') });
    fcm.failSend(QUOTA);
    fcm.failSend({ ...QUOTA, headers: { 'retry-after': '90' } });
    expect(await channel.send(to([PHONE, PHONE]))).toMatchObject({ kind: 'retry', code: 'QUOTA_EXCEEDED', retryAfterMs: 90_000 });
    expect(await channel.send(to([TABLET, 'none']))).toMatchObject({ kind: 'rejected', removeAddresses: [TABLET, 'none'] });
    expect(channel.unreachable(to([]).addresses)).toMatch(/no device/);
  });
});

describe('the access token', () => {
  it('is asked for once by all who need it, and used until shortly before it ends', async () => {
    await Promise.all([1, 2, 3].map((n) => channel.send(to([PHONE, TABLET], { deliveryId: `d/${n}` }))));
    expect(fcm.messages).toHaveLength(6);
    expect(fcm.tokenRequests).toHaveLength(1);
    fcm.tokenLifeS = 100;
    const brief = open();
    await brief.send(to([PHONE]));
    await brief.send(to([PHONE]));
    expect(fcm.tokenRequests).toHaveLength(3);
  });

  it('that FCM takes no longer is replaced once', async () => {
    await channel.send(to([PHONE]));
    fcm.revokeTokens();
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'accepted' });
    expect(fcm.tokenRequests).toHaveLength(2);
    fcm.revokeTokens();
    fcm.failSend(FcmServer.error(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.'));
    fcm.failSend(FcmServer.error(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.'));
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'UNAUTHENTICATED', isProvider: true });
    expect(fcm.sendRequests).toHaveLength(5);
  });

  it('is not to be had for an account that was revoked, or from an endpoint in trouble: then nothing went', async () => {
    fcm.isAccountRevoked = true;
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'invalid_grant', isProvider: true, text: 'no access token: status 400, invalid_grant: Invalid grant: account not found.' });
    expect(fcm.tokenRequests).toHaveLength(1);
    fcm.isAccountRevoked = false;
    fcm.failToken({ kind: 'hang' });
    expect(await late(channel.send(to([PHONE])))).toMatchObject({ kind: 'retry', code: 'timeout' });
    fcm.failToken({ kind: 'reset' });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'ECONNRESET' });
    fcm.failToken({ kind: 'reply', status: 503, headers: { 'retry-after': '3' }, body: { error: 'temporarily_unavailable' } });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: 'temporarily_unavailable', retryAfterMs: 3_000 });
    fcm.failToken({ kind: 'reply', status: 200, body: { access_token: 'two\r\nlines' } });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry', code: '200' });
    fcm.failToken({ kind: 'endless', status: 200 });
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'retry' });
    const silent = await SilentServer.start();
    expect(await deadlines.passOnce(() => silent.connections === 1, open({ tokenUrl: `https://127.0.0.1:${silent.port}/token` }).send(to([PHONE])))).toMatchObject({ kind: 'retry', code: 'timeout' });
    await silent.close();
    expect(fcm.sendRequests).toEqual([]);
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'accepted' });
  });

  it.each([3_600_000, -3_600_000])("comes although this machine's clock is wrong by %i ms", async (offsetMs) => {
    clock.offsetMs = offsetMs;
    expect(await channel.send(to([PHONE]))).toMatchObject({ kind: 'accepted' });
    expect(fcm.tokenRequests).toHaveLength(2);
  });
});

describe("FCM's settings", () => {
  it('that are right have no faults', () => {
    expect(fcmFaults({ serviceAccount: fcm.serviceAccount() })).toEqual([]);
  });

  it.each([
    [() => null, 'type'], [() => ({ type: 'authorized_user' }), 'type'], [() => ({ ...fcm.serviceAccount(), project_id: '../x' }), 'project_id'], [() => ({ ...fcm.serviceAccount(), client_email: 7 }), 'client_email'],
    [() => ({ ...fcm.serviceAccount(), private_key: '-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----' }), 'private_key'],
    [() => ({ ...fcm.serviceAccount(), private_key: SHORT_KEY }), 'private_key'],
  ])('a key file that is none says what is missing (%#)', (account, part) => {
    const faults = fcmFaults({ serviceAccount: account() });
    expect(faults).toEqual([{ setting: 'serviceAccount', problem: expect.stringContaining(part) }]);
    expect(JSON.stringify(faults)).not.toContain('MII');
    expect(() => open({ serviceAccount: account() })).toThrow(expect.objectContaining({ code: 'invalid_settings' }));
  });

  it('and so do addresses and times', () => {
    const faults = fcmFaults({ serviceAccount: fcm.serviceAccount(), baseUrl: 'x', tokenUrl: 'ftp://x', timeToLiveS: -1, answerTimeoutMs: 0.5 });
    expect(faults.map(({ setting }) => setting)).toEqual(['baseUrl', 'tokenUrl', 'answerTimeoutMs', 'timeToLiveS']);
  });
});

it('no outcome of FCM names the access token, the private key or a device', async () => {
  await channel.send(to([PHONE]));
  const bearer = String(fcm.sendRequests[0].headers.authorization).replace('Bearer ', '');
  const key = fcm.serviceAccount().private_key;
  const outcomes: unknown[] = [];
  for (const status of [302, 400, 403, 404, 429, 500, 503]) {
    fcm.failSend(FcmServer.error(status, 'LABEL', `You said ${bearer} for ${PHONE} with ${key}`));
    outcomes.push(await channel.send(to([PHONE])));
  }
  fcm.tokenLifeS = 1;
  const other = open();
  fcm.failToken({ kind: 'reply', status: 400, body: { error: 'invalid_grant', error_description: key } });
  outcomes.push(await other.send(to([PHONE])));
  const text = JSON.stringify(outcomes);
  expect(text).not.toContain(bearer);
  expect(text).not.toContain(PHONE);
  expect(text).not.toContain(key.split('\n')[1].slice(0, 30));
});
