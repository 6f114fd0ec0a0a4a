import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, OutgoingMessage, SendOutcome } from '../../src/actors/notifications/channels/channel.ts';
import { REPLY_BYTES_MAX } from '../../src/actors/notifications/channels/http-client.ts';
import { webhookChannel, type WebhookOptions } from '../../src/actors/notifications/channels/webhook.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { LOCAL_CERTIFICATE } from '../support/contract-server.ts';
import { Deadlines } from '../support/deadlines.ts';
import { outgoingMessage } from '../support/outgoing-message.ts';
import { SilentServer, closedPort } from '../support/silent-server.ts';
import { WEBHOOK_SECRET, WebhookServer } from '../support/webhook-server.ts';

let server: WebhookServer;
let channel: Channel;
let deadlines: Deadlines;

function open(options: WebhookOptions = {}): Channel {
  return webhookChannel(options, { clock: systemClock, timers: deadlines });
}

/** What becomes of it when deadlines pass at a server that answers `times` requests no more. */
function late<T>(waiting: Promise<T>, times = 1): Promise<T> {
  const before = server.silences;
  return deadlines.passOnce(() => server.silences === before + times, waiting);
}

function to(url: string, change: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return outgoingMessage({ ...change, addresses: { webhook: { url, secret: WEBHOOK_SECRET } } });
}

beforeEach(async () => {
  server = await WebhookServer.start();
  deadlines = new Deadlines();
  channel = open();
});
afterEach(async () => {
  await channel.close();
  await server.close();
});

describe('webhooks', () => {
  it('are signed so that the package standardwebhooks takes them', async () => {
    const message = to(`${server.url}/hook?key=1`, { document: { type: 'alert.new', data: { title: 'Zürich – 94 %' } } });
    expect(await channel.send(message)).toMatchObject({ kind: 'accepted', providerId: null });
    expect([...server.received.values()]).toEqual([message.document]);
    expect(server.requests[0]).toMatchObject({ method: 'POST', path: '/hook' });
    expect(server.requests[0].headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': expect.stringMatching(/^msg_[0-9A-Z]{26}$/) });
  });

  it('have the same id at every attempt, so that the receiver does its work once, and another for another delivery', async () => {
    await channel.send(to(server.url));
    await channel.send(to(server.url, { attempt: 2 }));
    expect(server.received.size).toBe(1);
    await channel.send(to(server.url, { deliveryId: 'another/1/anna' }));
    expect(server.received.size).toBe(2);
  });

  it('a secret that the receiver does not have is a refusal', async () => {
    const other = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    expect(await channel.send(outgoingMessage({ addresses: { webhook: { url: server.url, secret: other } } }))).toMatchObject({ kind: 'rejected', code: '401' });
  });

  it.each([
    [200, 'accepted'], [202, 'accepted'],
    [400, 'rejected'], [401, 'rejected'], [403, 'rejected'], [404, 'rejected'], [409, 'rejected'], [413, 'rejected'], [422, 'rejected'],
    [408, 'retry'], [425, 'retry'], [429, 'retry'], [503, 'retry'],
    [500, 'unknown'], [502, 'unknown'], [504, 'unknown'],
  ])('status %i is %s', async (status, kind) => {
    server.fail({ kind: 'reply', status });
    expect((await channel.send(to(server.url))).kind).toBe(kind);
  });

  it('410 Gone ends the webhook for this person', async () => {
    server.fail({ kind: 'reply', status: 410 });
    expect(await channel.send(to(server.url))).toMatchObject({ kind: 'rejected', code: '410', unsubscribed: true });
  });

  it('Retry-After counts in seconds and as a date, by the clock of the server', async () => {
    server.fail({ kind: 'reply', status: 429, headers: { 'retry-after': '120' } });
    expect(await channel.send(to(server.url))).toMatchObject({ retryAfterMs: 120_000, isProvider: false });
    server.fail({ kind: 'reply', status: 503, headers: { date: 'Sun, 06 Nov 1994 08:49:37 GMT', 'retry-after': 'Sun, 06 Nov 1994 08:50:37 GMT' } });
    expect(await channel.send(to(server.url))).toMatchObject({ retryAfterMs: 60_000 });
    server.fail({ kind: 'reply', status: 504, headers: { 'retry-after': '5' } });
    expect(await channel.send(to(server.url))).toMatchObject({ kind: 'unknown', retryAfterMs: 5_000 });
  });

  it.each([301, 302, 303, 307, 308])('a redirect (%i) is refused', async (status) => {
    const elsewhere = await WebhookServer.start();
    server.fail({ kind: 'reply', status, headers: { location: elsewhere.url } });
    expect(await channel.send(to(server.url))).toMatchObject({ kind: 'rejected', code: 'redirect' });
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.close();
  });

  it('one that hangs, resets the connection or speaks no HTTP after the request may have taken it', async () => {
    server.fail({ kind: 'hang' });
    expect(await late(channel.send(to(server.url)))).toMatchObject({ kind: 'unknown', code: 'timeout' });
    server.fail({ kind: 'reset' });
    expect(await channel.send(to(server.url))).toMatchObject({ kind: 'unknown', code: 'ECONNRESET' });
    server.fail({ kind: 'garbage' });
    expect(await channel.send(to(server.url))).toMatchObject({ kind: 'unknown' });
    expect(server.requests).toHaveLength(3);
  });

  it('a status counts when the rest of the answer never comes', async () => {
    server.fail({ kind: 'half', status: 200, body: '{' });
    expect(await late(channel.send(to(server.url)))).toMatchObject({ kind: 'accepted' });
  });

  it('of a reply without end a bounded part is read', async () => {
    server.fail({ kind: 'endless', status: 500 });
    const outcome = await channel.send(to(server.url));
    expect(outcome).toMatchObject({ kind: 'unknown', code: '500' });
    expect(REPLY_BYTES_MAX).toBeLessThan(2 ** 21);
    await expect.poll(() => server.connections).toBe(0);
  });

  it('where nobody listens, no name is known or no connection comes about it certainly did not go', async () => {
    expect(await channel.send(to(`http://127.0.0.1:${await closedPort()}/`))).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED', isProvider: false });
    expect(await channel.send(to('https://no-such-host.invalid/'))).toMatchObject({ kind: 'retry', isProvider: false });
    const silent = await SilentServer.start();
    expect(await deadlines.passOnce(() => silent.connections === 1, channel.send(to(`https://127.0.0.1:${silent.port}/`)))).toMatchObject({ kind: 'retry', code: 'timeout' });
    await silent.close();
  });

  it('nor did it where no request can be made of the URL', async () => {
    expect(await channel.send(to(server.url.replace('http://', 'http://user:%zz@')))).toMatchObject({ kind: 'retry', text: expect.stringContaining('no request') });
    expect(server.requests).toEqual([]);
  });

  it('over TLS to a certificate that an authority vouches for, and not a byte to another', async () => {
    const secure = await WebhookServer.start({ tls: true });
    expect(await channel.send(to(secure.url))).toMatchObject({ kind: 'retry', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(secure.requests).toEqual([]);
    const trusting = open({ ca: LOCAL_CERTIFICATE });
    expect(await trusting.send(to(secure.url))).toMatchObject({ kind: 'accepted' });
    // The second goes over the connection that stands.
    expect(await trusting.send(to(secure.url))).toMatchObject({ kind: 'accepted' });
    expect(secure.connections).toBe(1);
    await trusting.close();
    await secure.close();
  });

  it.each([false, true])('a hundred at once share the connections to their host (TLS: %s)', async (tls) => {
    const busy = await WebhookServer.start({ tls });
    const patient = open({ ca: LOCAL_CERTIFICATE });
    const outcomes = await Promise.all(Array.from({ length: 100 }, (_, n) => patient.send(to(busy.url, { deliveryId: `d/${n}` }))));
    expect(outcomes.filter(({ kind }) => kind !== 'accepted')).toEqual([]);
    expect(busy.received.size).toBe(100);
    expect(busy.connections).toBeLessThanOrEqual(16);
    await patient.close();
    await busy.close();
  });

  it('behind sixteen that hang, more to the same host certainly did not go', async () => {
    for (let n = 0; n < 16; n++) server.fail({ kind: 'hang' });
    const outcomes = await late(Promise.all(Array.from({ length: 18 }, (_, n) => channel.send(to(server.url, { deliveryId: `d/${n}` })))), 16);
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual([...Array(2).fill('retry'), ...Array(16).fill('unknown')]);
  });

  it('a connection that the server closed while nobody used it costs no webhook', async () => {
    for (let n = 0; n < 3; n++) {
      expect(await channel.send(to(server.url))).toMatchObject({ kind: 'accepted' });
      server.cut();
      await expect.poll(() => server.connections).toBe(0);
      await new Promise((resolve) => void setTimeout(resolve, 20));
    }
  });

  it('only to http and https, and only with a secret of 24 to 64 bytes', () => {
    const why = (url: string, secret = WEBHOOK_SECRET): string | null => channel.unreachable({ email: null, sms: null, push: [], webhook: { url, secret } });
    expect(why('https://a.example/')).toBeNull();
    expect(why('http://192.168.1.7:8080/hook')).toBeNull();
    for (const url of ['ftp://a.example/', 'file:///etc/passwd', 'javascript:1', 'a.example']) expect(why(url)).toMatch(/http/);
    expect(why('https://a.example/', 'whsec_c2hvcnQ=')).toMatch(/24 to 64/);
    expect(why('https://a.example/', WEBHOOK_SECRET.slice(6))).toMatch(/whsec_/);
    expect(channel.unreachable({ email: null, sms: null, push: [], webhook: null })).toMatch(/no webhook/);
  });

  it('no outcome names the secret, the path, the query or a password of the URL', async () => {
    const secretUrl = server.url.replace('http://', 'http://user:hunter22@') + '/services/T0PSECRETPATH?token=T0PSECRETQUERY';
    const outcomes: SendOutcome[] = [];
    for (const status of [200, 302, 400, 410, 429, 500]) {
      server.fail({ kind: 'reply', status, body: `${WEBHOOK_SECRET} T0PSECRETPATH` });
      outcomes.push(await channel.send(to(secretUrl)));
    }
    server.fail({ kind: 'reset' });
    outcomes.push(await channel.send(to(secretUrl)));
    outcomes.push(await channel.send(to(secretUrl.replace(/:\d+\//, `:${await closedPort()}/`))));
    expect(JSON.stringify(outcomes)).not.toMatch(/T0PSECRET|hunter22|whsec_|MDEyMzQ1/);
  });
});
