import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Channel, SendOutcome } from '../../src/actors/notifications/channels/channel.ts';
import { emailChannel, emailFaults, type EmailOptions } from '../../src/actors/notifications/channels/email.ts';
import { GREYLIST_RETRY_MS } from '../../src/actors/notifications/channels/smtp-outcome.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { LOCAL_CERTIFICATE } from '../support/contract-server.ts';
import { Deadlines } from '../support/deadlines.ts';
import { MAIL_PASSWORD, MAIL_USER, MailServer, type MailServerOptions } from '../support/mail-server.ts';
import { outgoingMessage } from '../support/outgoing-message.ts';
import { SilentServer, closedPort } from '../support/silent-server.ts';

const deadlines = new Deadlines();
const modules = { clock: systemClock, timers: deadlines };
const LOGIN = `${encodeURIComponent(MAIL_USER)}:${encodeURIComponent(MAIL_PASSWORD)}@`;
/** nodemailer has timers of its own, so that a server that says nothing has to be waited for; all others are given time. */
const SILENCE_MS = 500;
/** A picture of one point. */
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const message = outgoingMessage();
const closing: { close(): Promise<void> }[] = [];

async function mailServer(options: MailServerOptions = {}): Promise<MailServer> {
  const server = await MailServer.start(options);
  closing.push(server);
  return server;
}

function open(url: string, options: Partial<EmailOptions> = {}): Channel {
  const channel = emailChannel({ url, from: 'Smart Energy Grid <grid@example.com>', ...options }, modules);
  closing.unshift(channel);
  return channel;
}

function plain(server: MailServer, options: Partial<EmailOptions> = {}): Channel {
  return open(`smtp://127.0.0.1:${server.port}`, options);
}

afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

describe('an e-mail', () => {
  it('has text, HTML and the picture that the HTML shows', async () => {
    const server = await mailServer();
    const rich = outgoingMessage({ text: 'Zürich – 94 %\n.\nend', html: '<p>Zürich</p><img src="cid:curve">', pictures: [{ cid: 'curve', png: PNG, text: 'The load of the day' }] });
    expect(await plain(server).send(rich)).toMatchObject({ kind: 'accepted', text: expect.stringContaining('250') });
    const [{ from, to, parsed }] = server.mails;
    expect({ from, to }).toEqual({ from: 'grid@example.com', to: ['anna@example.org'] });
    expect(parsed).toMatchObject({ subject: rich.subject, text: 'Zürich – 94 %\n.\nend', from: { value: [{ name: 'Smart Energy Grid', address: 'grid@example.com' }] } });
    expect(parsed.attachments).toMatchObject([{ cid: 'curve', contentType: 'image/png', contentDisposition: 'inline', related: true }]);
    expect(parsed.attachments[0].content.equals(PNG)).toBe(true);
    expect(parsed.html).toContain(`<img src="data:image/png;base64,${PNG.toString('base64')}"`);
  });

  it('can be unsubscribed from by one click, and is marked as written by no person', async () => {
    const server = await mailServer();
    await plain(server).send(message);
    const { headers, headerLines } = server.mails[0].parsed;
    const raw = (key: string): string | undefined => headerLines.find((line) => line.key === key)?.line;
    expect(raw('list-unsubscribe')).toBe('List-Unsubscribe: <https://grid.example/unsubscribe/abc.def>');
    expect(raw('list-unsubscribe-post')).toBe('List-Unsubscribe-Post: List-Unsubscribe=One-Click');
    expect(headers.get('auto-submitted')).toBe('auto-generated');
    expect(headers.get('priority')).toBe('high');
    await plain(server).send(outgoingMessage({ unsubscribeLink: 'http://grid.local/u/1', severity: 'WARN' }));
    const other = server.mails[1].parsed.headerLines.map(({ key }) => key);
    expect(server.mails[1].parsed.headers.get('priority')).toBeUndefined();
    expect(other).toContain('list-unsubscribe');
    expect(other).not.toContain('list-unsubscribe-post');
    await plain(server).send(outgoingMessage({ unsubscribeLink: null }));
    expect(server.mails[2].parsed.headerLines.map(({ key }) => key)).not.toContain('list-unsubscribe');
  });

  it('has the same Message-ID at every attempt, and stands with others of its group', async () => {
    const server = await mailServer();
    const channel = plain(server);
    const outcome = await channel.send(message);
    await channel.send({ ...message, attempt: 2 });
    await channel.send({ ...message, deliveryId: 'other/8/anna' });
    const [first, again, other] = server.mails.map(({ parsed }) => parsed);
    expect(first.messageId).toMatch(/^<[0-9a-z]{26}@example\.com>$/);
    expect(again.messageId).toBe(first.messageId);
    expect(other.messageId).not.toBe(first.messageId);
    expect(other.references).toBe(first.references);
    expect(outcome).toMatchObject({ providerId: first.messageId });
  });

  it('goes to the one address, whatever stands in it and in the texts', async () => {
    const server = await mailServer();
    const channel = plain(server);
    await channel.send(outgoingMessage({ subject: 'One\r\nBcc: eve@example.org', link: null }));
    expect(server.mails[0]).toMatchObject({ to: ['anna@example.org'] });
    expect(server.mails[0].parsed.headerLines.map(({ key }) => key)).not.toContain('bcc');
    for (const email of ['anna@example.org, eve@example.org', 'anna@example.org>\r\nRCPT TO:<eve@example.org', 'anna', '<>']) {
      const outcome = await channel.send(outgoingMessage({ addresses: { email } }));
      expect([outcome.kind, server.mails.flatMap(({ to }) => to).filter((to) => to.startsWith('eve'))]).toEqual(['rejected', []]);
    }
  });

  it('many go over few connections', async () => {
    const server = await mailServer();
    const channel = plain(server, { connections: 2 });
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => channel.send({ ...message, deliveryId: `d/${n}` })));
    expect(outcomes.every(({ kind }) => kind === 'accepted')).toBe(true);
    expect(server.mails).toHaveLength(20);
    expect(server.connectionsEver).toBe(2);
  });
});

describe('the way to a mail server', () => {
  it('with user and password, encrypted by STARTTLS', async () => {
    const server = await mailServer({ tls: 'starttls', login: true });
    expect(await open(`smtp://${LOGIN}localhost:${server.port}`, { ca: LOCAL_CERTIFICATE }).send(message)).toMatchObject({ kind: 'accepted' });
    expect(server.mails[0]).toMatchObject({ isSecure: true, user: MAIL_USER });
  });

  it('and by TLS from the start', async () => {
    const server = await mailServer({ tls: 'implicit', login: true });
    expect(await open(`smtps://${LOGIN}127.0.0.1:${server.port}`, { ca: LOCAL_CERTIFICATE }).send(message)).toMatchObject({ kind: 'accepted' });
    expect(server.mails[0]).toMatchObject({ isSecure: true, user: MAIL_USER });
  });

  it('not to one without TLS where it is required, nor to a certificate that nobody vouches for', async () => {
    const bare = await mailServer();
    expect(await plain(bare, { startTls: 'required' }).send(message)).toMatchObject({ kind: 'retry', isProvider: true, text: expect.stringContaining('STARTTLS') });
    const startTls = await mailServer({ tls: 'starttls' });
    expect(await plain(startTls).send(message)).toMatchObject({ kind: 'retry', code: 'DEPTH_ZERO_SELF_SIGNED_CERT', isProvider: true });
    expect(await plain(startTls, { startTls: 'never' }).send(message)).toMatchObject({ kind: 'accepted' });
    const implicit = await mailServer({ tls: 'implicit' });
    expect(await open(`smtps://127.0.0.1:${implicit.port}`).send(message)).toMatchObject({ kind: 'retry', code: 'DEPTH_ZERO_SELF_SIGNED_CERT', isProvider: true });
    expect([bare.mails, implicit.mails]).toEqual([[], []]);
  });

  it('a wrong password is of our settings', async () => {
    const server = await mailServer({ tls: 'implicit', login: true });
    const url = `smtps://${encodeURIComponent(MAIL_USER)}:wrong-pass@127.0.0.1:${server.port}`;
    expect(await open(url, { ca: LOCAL_CERTIFICATE }).send(message)).toMatchObject({ kind: 'retry', code: '535', isProvider: true, text: expect.stringContaining('AUTH') });
    server.failures.auth.push({ code: 454, text: '4.7.0 Temporary authentication failure' });
    expect(await open(`smtps://${LOGIN}127.0.0.1:${server.port}`, { ca: LOCAL_CERTIFICATE }).send(message)).toMatchObject({ kind: 'retry', code: '454', isProvider: true });
  });

  it('a server that is away, says nothing or closes its doors', async () => {
    expect(await open(`smtp://127.0.0.1:${await closedPort()}`).send(message)).toMatchObject({ kind: 'retry', code: 'ECONNREFUSED', isProvider: true });
    expect(await open('smtp://no-such-host.invalid').send(message)).toMatchObject({ kind: 'retry', isProvider: true });
    const silent = await SilentServer.start();
    closing.push(silent);
    expect(await open(`smtp://127.0.0.1:${silent.port}`, { connectTimeoutMs: SILENCE_MS }).send(message)).toMatchObject({ kind: 'retry', code: 'ETIMEDOUT', isProvider: true });
    expect(await open(`smtps://127.0.0.1:${silent.port}`, { connectTimeoutMs: SILENCE_MS }).send(message)).toMatchObject({ kind: 'retry', code: 'ETIMEDOUT', isProvider: true });
    const server = await mailServer();
    server.failures.connect.push({ code: 421, text: '4.3.2 Try later' }, { code: 554, text: '5.7.1 Go away' }, 'drop');
    for (const code of ['421', '554', 'ECONNRESET']) expect(await plain(server).send(message)).toMatchObject({ kind: 'retry', code, isProvider: true });
  });
});

describe('what a mail server says of a message', () => {
  it('later, at the recipient: greylisting', async () => {
    const server = await mailServer();
    server.failures.to.push({ code: 450, text: '4.2.0 Greylisted, come back in a minute' });
    const channel = plain(server);
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', code: '450', retryAfterMs: GREYLIST_RETRY_MS, isProvider: false, text: expect.stringContaining('RCPT TO: 450') });
    expect(await channel.send(message)).toMatchObject({ kind: 'accepted' });
    expect(server.connectionsEver).toBe(1);
  });

  it('never, at the recipient', async () => {
    const server = await mailServer();
    server.failures.to.push({ code: 550, text: '5.1.1 No such user here' });
    const channel = plain(server);
    expect(await channel.send(message)).toEqual({ kind: 'rejected', code: '550', text: expect.stringContaining('No such user here') });
    expect(await channel.send(message)).toMatchObject({ kind: 'accepted' });
  });

  it('never and later, after the whole message', async () => {
    const server = await mailServer();
    server.failures.end.push({ code: 554, text: '5.7.1 Spam' }, { code: 451, text: '4.3.0 Local error' }, { code: 421, text: '4.3.2 Closing' });
    const channel = plain(server);
    expect(await channel.send(message)).toMatchObject({ kind: 'rejected', code: '554' });
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', code: '451', isProvider: false });
    expect(await channel.send(message)).toMatchObject({ kind: 'retry', code: '421', isProvider: true });
    expect(server.mails).toEqual([]);
  });

  it('of the sender: that is of our settings', async () => {
    const server = await mailServer();
    server.failures.from.push({ code: 553, text: '5.7.1 Not your address' }, { code: 421, text: '4.7.0 Too many' });
    expect(await plain(server).send(message)).toMatchObject({ kind: 'retry', code: '553', isProvider: true });
    expect(await plain(server).send(message)).toMatchObject({ kind: 'retry', code: '421', isProvider: true });
  });

  it('too large: before a byte of it is sent', async () => {
    const server = await mailServer({ sizeMax: 10_000 });
    expect(await plain(server).send(outgoingMessage({ text: 'x '.repeat(20_000) }))).toMatchObject({ kind: 'rejected', code: 'too_large' });
    expect(server.mails).toEqual([]);
  });
});

describe('a connection that breaks', () => {
  it.each(['from', 'to'] as const)('at the step %s has taken nothing', async (step) => {
    const server = await mailServer();
    server.failures[step].push('drop', 'hang');
    expect(await plain(server).send(message)).toMatchObject({ kind: 'retry', isProvider: true });
    expect(await plain(server, { answerTimeoutMs: SILENCE_MS }).send(message)).toMatchObject({ kind: 'retry', code: 'ETIMEDOUT', isProvider: true });
    expect(server.mails).toEqual([]);
  });

  it('in the middle of a message too large for the buffers of the network has taken nothing', async () => {
    const server = await mailServer();
    server.failures.during.push('hang');
    expect(await plain(server, { answerTimeoutMs: SILENCE_MS }).send(outgoingMessage({ text: 'x '.repeat(5_000_000) }))).toMatchObject({ kind: 'retry', code: 'ETIMEDOUT' });
  });

  it('after the whole message may have taken it, whether it had or not', async () => {
    const server = await mailServer();
    server.failures.kept.push('drop');
    expect(await plain(server).send(message)).toMatchObject({ kind: 'unknown', code: expect.stringMatching(/^E/) });
    expect(server.mails).toHaveLength(1);
    server.failures.end.push('drop');
    expect(await plain(server).send(message)).toMatchObject({ kind: 'unknown' });
    server.failures.kept.push('hang');
    expect(await plain(server, { answerTimeoutMs: SILENCE_MS }).send(message)).toMatchObject({ kind: 'unknown', code: 'ETIMEDOUT' });
    // Nobody sends it again by himself.
    expect(server.mails).toHaveLength(2);
    expect(server.connectionsEver).toBe(3);
  });

  it('before it has greeted is not tried again behind the back of whoever counts the attempts', async () => {
    let connections = 0;
    const server = createServer((socket) => void (connections++, socket.end())).listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(await open(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`).send(message)).toMatchObject({ kind: 'retry', code: 'ECONNECTION', isProvider: true });
    expect(connections).toBe(1);
    server.close();
  });

  it('while nobody uses it costs no message', async () => {
    const server = await mailServer();
    const channel = plain(server);
    expect(await channel.send(message)).toMatchObject({ kind: 'accepted' });
    server.cut();
    await expect.poll(() => server.openConnections).toBe(0);
    await new Promise((resolve) => void setTimeout(resolve, 50));
    expect(await channel.send(message)).toMatchObject({ kind: 'accepted' });
  });

  it('or a server that is slow ends within the time for a message', async () => {
    const server = await mailServer();
    server.failures.to.push('hang');
    const hanging = plain(server);
    expect(await deadlines.passOnce(() => server.silences === 1, hanging.send(message))).toMatchObject({ kind: 'retry', code: 'timeout', isProvider: true });
    server.failures.kept.push('hang');
    expect(await deadlines.passOnce(() => server.silences === 2, hanging.send(message))).toMatchObject({ kind: 'unknown', code: 'timeout' });
    // It stands in nobody's way.
    expect(await hanging.send(message)).toMatchObject({ kind: 'accepted' });
  });

  it('is closed with the channel, and so is what was on its way', async () => {
    const server = await mailServer();
    server.failures.to.push('hang');
    const channel = plain(server);
    const sending = channel.send(message);
    await expect.poll(() => server.connectionsEver).toBe(1);
    await channel.close();
    expect(await sending).toMatchObject({ kind: 'retry' });
    expect(await channel.send(message)).toMatchObject({ kind: 'retry' });
  });
});

describe("e-mail's settings", () => {
  const good = { url: 'smtps://user:p%40ss@mail.example.com', from: 'grid@example.com' };

  it('that are right have no faults', () => {
    for (const url of [good.url, 'smtp://mail.example.com:2525/', 'smtp://[::1]:25']) expect(emailFaults({ ...good, url })).toEqual([]);
    for (const from of ['grid@example.com', 'Grid, Zürich <grid@example.com>']) expect(emailFaults({ ...good, from })).toEqual([]);
  });

  it.each([
    [{ url: 'https://mail.example.com' }, 'url'], [{ url: 'no URL' }, 'url'], [{ url: 'smtp://user@mail.example.com' }, 'url'], [{ url: 'smtp://user:secret%zz@mail.example.com' }, 'url'], [{ url: 'smtp://mail.example.com/?pool=true' }, 'url'],
    [{ from: 'Grid' }, 'from'], [{ from: 'a@b.c, d@e.f' }, 'from'], [{ from: 'Grid\r\n <a@b.c>' }, 'from'], [{ connections: 0 }, 'connections'], [{ sendTimeoutMs: -1 }, 'sendTimeoutMs'],
  ])('%j is a fault of %s', (change, setting) => {
    const faults = emailFaults({ ...good, ...change });
    expect(faults).toEqual([{ setting, problem: expect.stringContaining('expected') }]);
    expect(JSON.stringify(faults)).not.toContain('secret');
    expect(() => emailChannel({ ...good, ...change }, modules)).toThrow(expect.objectContaining({ code: 'invalid_settings' }));
  });
});

it('no outcome of the mail server names the password, whatever it repeats', async () => {
  const server = await mailServer({ tls: 'implicit', login: true });
  const outcomes: SendOutcome[] = [];
  const written: string[] = [];
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, 'write').mockImplementation((chunk) => written.push(String(chunk)) > 0);
  const login = Buffer.from(`\0${MAIL_USER}\0${MAIL_PASSWORD}`).toString('base64');
  const says = `You said ${MAIL_PASSWORD}, ${login} and ${Buffer.from(MAIL_PASSWORD).toString('base64')}`;
  server.failures.auth.push({ code: 535, text: says });
  outcomes.push(await open(`smtps://${LOGIN}127.0.0.1:${server.port}`, { ca: LOCAL_CERTIFICATE }).send(message));
  server.failures.to.push({ code: 550, text: says });
  outcomes.push(await open(`smtps://${LOGIN}127.0.0.1:${server.port}`, { ca: LOCAL_CERTIFICATE }).send(message));
  outcomes.push(await open(`smtps://${LOGIN}127.0.0.1:${await closedPort()}`).send(message));
  expect(outcomes.map(({ kind }) => kind)).toEqual(['retry', 'rejected', 'retry']);
  expect(outcomes[1].text).toContain('You said •••, ••• and •••');
  vi.restoreAllMocks();
  for (const secret of [MAIL_PASSWORD, login, Buffer.from(MAIL_PASSWORD).toString('base64')]) expect(JSON.stringify([outcomes, written])).not.toContain(secret);
});
