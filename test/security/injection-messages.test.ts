import { afterAll, beforeAll, expect, test } from 'vitest';
import { emailChannel } from '../../src/actors/notifications/channels/email.ts';
import { fcmChannel } from '../../src/actors/notifications/channels/push-fcm.ts';
import { twilioChannel } from '../../src/actors/notifications/channels/sms-twilio.ts';
import { webhookChannel } from '../../src/actors/notifications/channels/webhook.ts';
import type { Channel } from '../../src/actors/notifications/channels/channel.ts';
import { renderMessage } from '../../src/actors/notifications/templates/render-message.ts';
import type { ChannelName } from '../../src/model/contact.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { FcmServer } from '../support/fcm-server.ts';
import { MailServer } from '../support/mail-server.ts';
import { aContact, aContext, aNotice, aNoticeAlert } from '../support/notices.ts';
import { outgoingMessage } from '../support/outgoing-message.ts';
import { TWILIO_ACCOUNT, TWILIO_NUMBER, TWILIO_TOKEN, TwilioServer } from '../support/twilio-server.ts';
import { WEBHOOK_SECRET, WebhookServer } from '../support/webhook-server.ts';
import { HOSTILE_TEXTS, MARKED } from './hostile-texts.ts';

/** Every hostile text as title, description and name of what an alert is about, and of whom it goes to, in a message on each way, as the server at the other end has it. */

const PHONE = 'phone-token-0123456789abcdef';
const TEXTS = [...HOSTILE_TEXTS.map(({ text }) => text).filter((text) => text.length < 1_000), MARKED];
const modules = { clock: systemClock, timers: systemTimers };
/** Of texts of a line: what a terminal or a phone would obey. A line ends where the message has one. */
const PLAIN = /^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ud800-\udfff]*$/u;

let servers: { mail: MailServer; twilio: TwilioServer; fcm: FcmServer; webhook: WebhookServer };
let channels: Record<'email' | 'sms' | 'push' | 'webhook', Channel>;

beforeAll(async () => {
  const [mail, twilio, fcm, webhook] = await Promise.all([MailServer.start(), TwilioServer.start(), FcmServer.start(), WebhookServer.start()]);
  servers = { mail, twilio, fcm, webhook };
  fcm.devices.set(PHONE, 'registered');
  channels = {
    email: emailChannel({ url: `smtp://127.0.0.1:${mail.port}`, from: 'Grid <grid@example.org>' }, modules),
    sms: twilioChannel({ accountSid: TWILIO_ACCOUNT, authToken: TWILIO_TOKEN, from: TWILIO_NUMBER, messagingServiceSid: null, baseUrl: twilio.url }, modules),
    push: fcmChannel({ serviceAccount: fcm.serviceAccount(), baseUrl: fcm.url }, modules),
    webhook: webhookChannel({}, modules),
  };
});
afterAll(async () => {
  await Promise.all(Object.values(channels).map((channel) => channel.close()));
  await Promise.all(Object.values(servers).map((server) => server.close()));
});

async function send(channel: ChannelName & keyof typeof channels, text: string, i: number): Promise<void> {
  const contact = aContact({ name: text, locale: i % 2 === 0 ? 'en' : 'de' });
  const notice = aNotice([aNoticeAlert({ title: text, description: text, region: text, meterId: text })], { regions: [text] });
  const message = renderMessage([notice], contact, channel, aContext());
  const outgoing = outgoingMessage({ ...message, deliveryId: `hostile/${i}`, addresses: { push: [PHONE], webhook: { url: `${servers.webhook.url}/alerts`, secret: WEBHOOK_SECRET } } });
  expect(await channels[channel].send(outgoing), `${channel} ${text}`).toMatchObject({ kind: 'accepted' });
}

test('a mail has the fields of any other, one receiver, and no element of a stranger', async () => {
  await send('email', 'plain', 0);
  const fields = servers.mail.mails[0].parsed.headerLines.map(({ key }) => key).sort();
  for (const [i, text] of TEXTS.entries()) await send('email', text, i + 1);
  expect(servers.mail.mails).toHaveLength(TEXTS.length + 1);
  for (const { to, parsed } of servers.mail.mails) {
    expect([to, parsed.headerLines.map(({ key }) => key).sort()]).toEqual([['anna@example.org'], fields]);
    expect(parsed.subject).toMatch(PLAIN);
    const elements = [...(parsed.html || '').matchAll(/<([a-z!][a-z0-9]*)/gi)].map(([, name]) => name.toLowerCase());
    expect(elements.filter((name) => ['img', 'script', 'svg', 'iframe', 'base', 'textarea', 'input', 'form', 'link', 'object'].includes(name))).toEqual([]);
    expect(parsed.html || '').not.toMatch(/<[^>]*\son[a-z]+=|href="(?!https:\/\/grid\.example\/)/);
  }
});

test('an SMS is plain text', async () => {
  for (const [i, text] of TEXTS.entries()) await send('sms', text, i);
  for (const { body } of servers.twilio.messages) expect(body).toMatch(PLAIN);
  expect(servers.twilio.messages).toHaveLength(TEXTS.length);
  // A form has a field for each thing, and none more.
  for (const { body } of servers.twilio.requests) expect([...new URLSearchParams(body).keys()].sort()).toEqual([...new URLSearchParams(servers.twilio.requests[0].body).keys()].sort());
});

test('a push is JSON in which the text is text', async () => {
  for (const [i, text] of TEXTS.entries()) await send('push', text, i);
  expect(servers.fcm.messages).toHaveLength(TEXTS.length);
  for (const message of servers.fcm.messages) {
    expect(Object.keys(message).sort()).toEqual(Object.keys(servers.fcm.messages[0]).sort());
    const { title, body } = message.notification as { title: string; body: string };
    for (const line of [title, body]) expect(line).toMatch(PLAIN);
  }
});

test('a webhook is JSON that has the text as it is', async () => {
  for (const [i, text] of TEXTS.entries()) await send('webhook', text, i);
  const { requests } = servers.webhook;
  expect(requests).toHaveLength(TEXTS.length);
  for (const [i, { body, headers }] of requests.entries()) {
    expect(headers['content-type']).toMatch(/^application\/json/);
    const { data } = JSON.parse(body);
    expect([data.alerts[0].title, data.alerts[0].meterId, data.regions]).toEqual([TEXTS[i], TEXTS[i], [TEXTS[i]]]);
  }
});
