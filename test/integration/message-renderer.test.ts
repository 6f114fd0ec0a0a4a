import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { twilioChannel } from '../../src/actors/notifications/channels/sms-twilio.ts';
import { sampleNotice } from '../../src/actors/notifications/templates/sample-notices.ts';
import { readUnsubscribeToken } from '../../src/actors/notifications/unsubscribe-token.ts';
import type { EngineAnswers, EngineQuestion } from '../../src/engine/alert-ports.ts';
import { MessageRenderer } from '../../src/engine/message-renderer.ts';
import type { ChannelName, Contact } from '../../src/model/contact.ts';
import type { Delivery, Notice } from '../../src/model/notice.ts';
import type { MeterWindow, RegionWindow } from '../../src/model/window.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { TWILIO_ACCOUNT, TWILIO_TOKEN, TwilioServer } from '../support/twilio-server.ts';

const NOW = Date.UTC(2026, 10, 27, 12);
const MINUTE = 60_000;
const SECRET = new Uint8Array(32).fill(7);
const ADA: Contact = {
  id: 'ada', version: 1, name: 'Ada', zone: 'UTC', locale: 'en', unsubscribed: {}, createdAt: 0, changedAt: 0,
  addresses: { email: 'ada@example.org', sms: '+41791234567', push: [], webhook: null },
  preferences: { channels: { INFO: [], WARN: [], CRITICAL: [] }, subscription: null, quietHours: null, digest: null, perHourMax: 30 },
};
const delivery = (channel: ChannelName): Delivery => ({ id: 'group-1/1/ada', noticeId: 'group-1/1', group: 'group-1', contactId: 'ada', severity: 'CRITICAL', reason: 'new', state: 'sending', channels: [channel], position: 0, attempts: 2, createdAt: NOW, changedAt: NOW, dueAt: null, receipts: [] });

describe('a message', () => {
  let time: VirtualTime;
  let asked: EngineQuestion[];
  let isAway: boolean;
  let renderer: MessageRenderer;
  const make = (publicUrl: string | null): MessageRenderer =>
    new MessageRenderer({
      clock: time,
      publicUrl,
      linkSecret: SECRET,
      ask: async <K extends EngineQuestion['kind']>(question: Extract<EngineQuestion, { kind: K }>): Promise<EngineAnswers[K]> => {
        asked.push(question);
        if (isAway) throw new OperationalError('unavailable', 'away', { retryable: true });
        const starts = [...Array(30).keys()].map((i) => NOW - (40 - i) * MINUTE);
        const windows = starts.map((windowStart, i) => ({ windowStart, loadPercent: 80 + i, sumPowerKw: 8, avgPowerKw: 1 + i, voltageAvg: 230 }) as unknown as RegionWindow & MeterWindow);
        return windows as unknown as EngineAnswers[K];
      },
    });
  const sample = sampleNotice('CRITICAL', ADA, NOW);
  const notice = (): Notice => ({ ...sample, alerts: [{ ...sample.alerts[0], id: 'alert-1' }] });

  beforeEach(() => {
    time = new VirtualTime(NOW);
    asked = [];
    isAway = false;
    renderer = make('https://grid.example.org');
  });

  test('has a picture of the curve when it is a mail, asked for once for all who are told', async () => {
    const messages = await Promise.all([1, 2, 3].map(() => renderer.render([notice()], ADA, 'email', delivery('email'))));
    for (const { pictures } of messages) expect(pictures.length).toBe(1);
    expect(messages[1].pictures[0].png).toBe(messages[0].pictures[0].png);
    expect(asked.length).toBe(1);
    time.advance(61_000);
    await renderer.render([notice()], ADA, 'email', delivery('email'));
    expect(asked.length).toBe(2);
    await renderer.render([notice()], ADA, 'webhook', delivery('webhook'));
    expect(asked.length).toBe(2);
    expect((await renderer.render([sample], ADA, 'email', delivery('email'))).pictures.length).toBe(1);
    expect(asked.length).toBe(2);
  });

  test('goes without the picture when the engine does not answer', async () => {
    isAway = true;
    const { pictures, html } = await renderer.render([notice()], ADA, 'email', delivery('email'));
    expect([pictures, html === null]).toEqual([[], false]);
  });

  test('links to where people reach the engine, and to a way out that nobody else can take', async () => {
    const { unsubscribeLink, attempt, deliveryId } = await renderer.render([notice()], ADA, 'email', delivery('email'));
    expect([attempt, deliveryId]).toEqual([2, 'group-1/1/ada']);
    const url = new URL(unsubscribeLink!);
    expect(url.origin + url.pathname).toBe('https://grid.example.org/unsubscribe');
    expect(readUnsubscribeToken(SECRET, url.searchParams.get('token')!)).toEqual({ contactId: 'ada', channel: 'email' });
    const without = await make(null).render([notice()], ADA, 'email', delivery('email'));
    expect([without.link, without.unsubscribeLink]).toEqual([null, null]);
  });
});

describe('an SMS', () => {
  let twilio: TwilioServer;
  beforeEach(async () => {
    twilio = await TwilioServer.start();
  });
  afterEach(() => twilio.close());

  test('names itself once, and is found again by that', async () => {
    const channel = twilioChannel({ accountSid: TWILIO_ACCOUNT, authToken: TWILIO_TOKEN, from: '+15005550006', messagingServiceSid: null, baseUrl: twilio.url, settleMs: 1 }, { clock: systemClock, timers: systemTimers });
    const renderer = new MessageRenderer({ clock: systemClock, publicUrl: null, linkSecret: SECRET, ask: () => Promise.reject(new OperationalError('unavailable', 'away')) });
    const message = await renderer.render([sampleNotice('CRITICAL', ADA, NOW)], ADA, 'sms', delivery('sms'));
    const sentAt = Date.now();
    expect(await channel.lookup!(message, sentAt)).toMatchObject({ kind: 'not_sent' });
    expect(await channel.send(message)).toMatchObject({ kind: 'accepted' });
    expect(message.text.match(/ref/gi)).toHaveLength(1);
    expect(await channel.lookup!(message, sentAt)).toMatchObject({ kind: 'sent' });
    await channel.close();
  });
});
