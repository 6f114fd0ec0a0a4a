import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SendOutcome } from '../../src/actors/notifications/channels/channel.ts';
import { baseUrlFaults, timeFaults } from '../../src/actors/notifications/channels/channel-settings.ts';
import { SMS_REFERENCE_LENGTH, lettersOf, messageIdOf, smsReference, webhookIdOf } from '../../src/actors/notifications/channels/delivery-reference.ts';
import { liveChannel } from '../../src/actors/notifications/channels/live.ts';
import { OUTCOME_TEXT_MAX, OutcomeText } from '../../src/actors/notifications/channels/outcome-text.ts';
import { RETRY_AFTER_MS_MAX, retryAfterMs } from '../../src/actors/notifications/channels/retry-after.ts';
import { smtpOutcome, type SmtpFault } from '../../src/actors/notifications/channels/smtp-outcome.ts';
import { systemTimers } from '../../src/runtime/clock.ts';
import { outgoingMessage } from '../support/outgoing-message.ts';

describe('the names of a delivery', () => {
  it('are the same for the same, differ for others, and have letters that every protocol takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        expect(lettersOf(one)).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
        expect(messageIdOf(one, 'a.example')).toMatch(/^[0-9a-z]{26}@a\.example$/);
        expect(webhookIdOf(one)).toMatch(/^msg_[0-9A-Z]{26}$/);
        expect(smsReference(one)).toHaveLength(SMS_REFERENCE_LENGTH);
        expect(lettersOf(one) === lettersOf(other)).toBe(one === other);
      }),
    );
    // As kept by Twilio and in mailboxes from before a restart.
    expect(smsReference('group/1/anna')).toBe(` (ref ${lettersOf('group/1/anna').slice(0, 6)})`);
  });

  it('use every letter', () => {
    const letters = new Set(Array.from({ length: 100 }, (_, n) => [...lettersOf(String(n))]).flat());
    expect(letters.size).toBe(32);
  });
});

describe('the text of an outcome', () => {
  it('has none of the secrets in any form, one line, and an end', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4, maxLength: 40 }), fc.string(), fc.string(), (secret, before, after) => {
        const text = new OutcomeText([secret]);
        const clean = text.clean(`${before}${secret}${after} ${Buffer.from(secret).toString('base64')} ${encodeURIComponent(secret)}`);
        expect(clean).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
        expect(clean).not.toMatch(/[\r\n\u2028]/);
        expect(clean.length).toBeLessThanOrEqual(OUTCOME_TEXT_MAX);
        expect(Buffer.from(clean).toString()).toBe(clean);
      }),
    );
  });

  it('hides the longer of two secrets whole', () => {
    expect(new OutcomeText(['abcd', 'abcdefgh']).clean('abcdefgh abcd')).toBe('••• •••');
    expect(new OutcomeText([]).clean('of this call alone: token', ['token'])).toBe('of this call alone: •••');
    expect(new OutcomeText(['']).clean('nothing')).toBe('nothing');
    expect(new OutcomeText([]).clean('half a character: abc\ud800', ['abc\ud800'])).toBe('half a character: •••');
  });

  it('is cut between characters', () => {
    expect(new OutcomeText([]).clean(`${'x'.repeat(OUTCOME_TEXT_MAX - 2)}👩👩`)).toBe(`${'x'.repeat(OUTCOME_TEXT_MAX - 2)}…`);
  });
});

describe('Retry-After', () => {
  const NOW = Date.UTC(2026, 10, 27, 4, 0, 0);
  it.each([
    [{}, null], [{ 'retry-after': '' }, null], [{ 'retry-after': 'soon' }, null], [{ 'retry-after': '-1' }, null], [{ 'retry-after': '1.5' }, null], [{ 'retry-after': 'Fri, 99 Nov 2026 04:00:00 GMT' }, null],
    [{ 'retry-after': '0' }, 0], [{ 'retry-after': ' 120 ' }, 120_000], [{ 'retry-after': '99999999999999999999' }, RETRY_AFTER_MS_MAX],
    [{ 'retry-after': 'Fri, 27 Nov 2026 04:01:00 GMT' }, 60_000], [{ 'retry-after': 'Fri, 27 Nov 2026 03:00:00 GMT' }, 0], [{ 'retry-after': 'Fri, 27 Nov 2027 04:00:00 GMT' }, RETRY_AFTER_MS_MAX],
    [{ 'retry-after': 'Fri, 27 Nov 2026 04:01:00 GMT', date: 'Fri, 27 Nov 2026 04:00:50 GMT' }, 10_000],
  ])('%j is %s', (headers, ms) => {
    expect(retryAfterMs(headers, NOW)).toBe(ms);
  });
});

describe('what SMTP leaves of a message', () => {
  const kindOf = (fault: Partial<SmtpFault>, isWritten: boolean): SendOutcome['kind'] => smtpOutcome({ message: 'x', ...fault }, isWritten).kind;

  it('is unknown exactly when its end was written and no refusal came', () => {
    fc.assert(
      fc.property(fc.constantFrom('ECONNECTION', 'ETIMEDOUT', 'ESOCKET', 'EPROTOCOL', 'ETLS', undefined), fc.constantFrom('CONN', 'DATA', undefined), fc.option(fc.integer({ min: 200, max: 699 }), { nil: undefined }), fc.boolean(), (code, command, responseCode, isWritten) => {
        const isRefused = responseCode !== undefined && responseCode >= 400 && responseCode < 600;
        expect(kindOf({ code, command, responseCode }, isWritten) === 'unknown').toBe(isWritten && !isRefused);
      }),
    );
  });

  it.each([
    ['RCPT TO', 550, 'rejected'], ['RCPT TO', 451, 'retry'], ['DATA', 554, 'rejected'], ['DATA', 452, 'retry'], ['MAIL FROM', 552, 'rejected'], ['MAIL FROM', 550, 'retry'], ['AUTH PLAIN', 535, 'retry'], ['CONN', 554, 'retry'], ['RCPT TO', 421, 'retry'],
  ] as const)('%s %i is %s', (command, responseCode, kind) => {
    expect(kindOf({ command, responseCode }, true)).toBe(kind);
    const isOfMailbox = responseCode !== 421 && (command === 'RCPT TO' || command === 'DATA' || responseCode === 552);
    expect(smtpOutcome({ message: 'x', command, responseCode }, false)).toMatchObject(kind === 'retry' ? { isProvider: !isOfMailbox } : { code: String(responseCode) });
  });
});

describe('the live stream', () => {
  const message = outgoingMessage();

  it('takes a message once somebody is there for the person', async () => {
    const published: unknown[] = [];
    const channel = liveChannel({ publish: (contactId, notification) => published.push([contactId, notification]) }, { timers: systemTimers });
    expect(await channel.send(message)).toEqual({ kind: 'accepted', providerId: null, text: '1 open connection took it.' });
    expect(published).toEqual([['anna', { id: message.deliveryId, replaces: message.collapseKey, document: message.document }]]);
    expect(channel.unreachable(message.addresses)).toBeNull();
    await channel.close();
  });

  it('passes on to the next channel a message for somebody who is not there', async () => {
    expect(await liveChannel({ publish: () => 0 }, { timers: systemTimers }).send(message)).toMatchObject({ kind: 'rejected', code: 'not_connected' });
  });

  it('that fails has taken nothing, and that says nothing may have', async () => {
    const failing = [() => { throw new Error('closed'); }, () => Promise.reject(new Error('closed'))];
    for (const publish of failing) expect(await liveChannel({ publish }, { timers: systemTimers }).send(message)).toMatchObject({ kind: 'retry', code: 'stream', isProvider: true, text: 'The live stream did not take it: closed.' });
    const timers = { ...systemTimers, after: (_ms: number, fn: () => void) => systemTimers.after(0, fn) };
    expect(await liveChannel({ publish: () => new Promise(() => {}) }, { timers }).send(message)).toMatchObject({ kind: 'unknown', code: 'timeout' });
    expect(() => liveChannel({ publish: () => 0, publishTimeoutMs: 0 }, { timers })).toThrow(expect.objectContaining({ code: 'invalid_settings' }));
  });
});

describe('settings of channels', () => {
  it('are addresses without a secret in them, and times that end', () => {
    for (const url of ['https://api.example.com', 'http://127.0.0.1:8080/base/']) expect(baseUrlFaults('baseUrl', url)).toEqual([]);
    for (const url of ['', 'api.example.com', 'ftp://a', 'https://u:p@a', 'https://a/?x=1', 'https://a/#x']) expect(baseUrlFaults('baseUrl', url)).toHaveLength(1);
    expect(timeFaults({ a: 1, b: 3_600_000 })).toEqual([]);
    expect(timeFaults({ a: 0, b: 3_600_001, c: 1.5, d: NaN, e: Infinity }).map(({ setting }) => setting)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});
