import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { smsSize } from '../../src/actors/notifications/templates/gsm7.ts';
import { DIGEST_NOTICES_MAX } from '../../src/actors/notifications/templates/message-content.ts';
import { renderMessage } from '../../src/actors/notifications/templates/render-message.ts';
import { SMS_SEGMENTS_MAX } from '../../src/actors/notifications/templates/sms-text.ts';
import { sampleCurve } from '../../src/actors/notifications/templates/sample-notices.ts';
import { ALERT_STATES, ALERT_TYPES, type AlertKind } from '../../src/model/alert.ts';
import { ANOMALY_KINDS, SEVERITIES } from '../../src/model/anomaly.ts';
import { CHANNEL_NAMES, type Contact } from '../../src/model/contact.ts';
import { NOTICE_ALERTS_MAX, type Notice, type NoticeAlert } from '../../src/model/notice.ts';
import { aContact, aContext, NOTICE_NOW_MS, wordsOfHtml } from '../support/notices.ts';

/** Whatever alerts are called and however many there are. */

/** Gmail cuts off what is longer. */
const HTML_BYTES_MAX = 102_400;
const RUNS = 60;
const OWN_TAGS = ['!doctype', 'html', 'head', 'meta', 'title', 'style', 'body', 'table', 'tr', 'td', 'div', 'span', 'h1', 'h2', 'a', 'img'];

const hostile = fc.constantFrom('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "' onload='x", '&lt;b&gt;', '{{x}}', '\r\nBcc: a@b.example', '\u202egpj', '\ud800', '😀', '€^|', 'Ж', '字', '${x}', '%s', '');
const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.array(fc.oneof(hostile, fc.string({ maxLength: 10 })), { maxLength: 40 }).map((parts) => parts.join('')), fc.lorem());
const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const kinds: AlertKind[] = [...ANOMALY_KINDS, 'regional_load', 'region_dark', 'system'];
const figure = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }));

const alert: fc.Arbitrary<NoticeAlert> = fc.record(
  {
    id: name,
    type: fc.constantFrom(...ALERT_TYPES),
    severity: fc.constantFrom(...SEVERITIES),
    state: fc.constantFrom(...ALERT_STATES),
    title: anyText,
    description: anyText,
    region: fc.option(name),
    meterId: fc.option(name),
    affectedMeters: fc.nat(1_000_000),
    startedAt: fc.integer({ min: NOTICE_NOW_MS - 1e9, max: NOTICE_NOW_MS + 1e6 }),
    resolvedAt: fc.option(fc.integer({ min: NOTICE_NOW_MS - 1e9, max: NOTICE_NOW_MS })),
    facts: fc.record({ kind: fc.constantFrom(...kinds), component: fc.option(anyText), value: figure, threshold: figure, unit: fc.option(fc.constantFrom('kW', 'V', '%', 'meters')) }),
  },
  { requiredKeys: ['id', 'type', 'severity', 'state', 'title', 'description', 'region', 'meterId', 'affectedMeters', 'startedAt', 'resolvedAt'] },
);

const notice: fc.Arbitrary<Notice> = fc
  .record({
    id: name,
    at: fc.integer({ min: NOTICE_NOW_MS - 1e8, max: NOTICE_NOW_MS }),
    reason: fc.constantFrom('new', 'changed', 'repeated', 'escalated', 'resolved'),
    group: name,
    severity: fc.constantFrom(...SEVERITIES),
    regions: fc.uniqueArray(name, { maxLength: 6 }),
    alerts: fc.array(alert, { minLength: 1, maxLength: NOTICE_ALERTS_MAX }),
    level: fc.nat(9),
    recipients: fc.subarray(['c-anna', 'c-john']),
    unnamed: fc.nat(5_000),
    resolvedShare: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ unnamed, resolvedShare, ...rest }) => {
    const alertCount = rest.alerts.length + unnamed;
    return { ...rest, alertCount, resolvedCount: Math.round(alertCount * resolvedShare), subscribers: true } as Notice;
  });

const contact: fc.Arbitrary<Contact> = fc
  .record({ locale: fc.constantFrom('en-GB', 'en-US', 'de-DE', 'de-CH', 'fr-FR', 'ar-EG', 'zh-Hans-CN', 'nonsense!'), zone: fc.constantFrom('Europe/Berlin', 'America/St_Johns', 'Pacific/Apia', 'UTC', 'Nowhere/At_All') })
  .map((overrides) => aContact(overrides));

const notices = fc.oneof(
  notice.map((one) => [one]),
  fc.array(notice, { minLength: 2, maxLength: DIGEST_NOTICES_MAX + 3 }),
);

describe('a message', () => {
  it('as SMS takes three segments at most, and ends with its reference', () => {
    fc.assert(
      fc.property(notices, contact, fc.oneof(fc.webUrl(), anyText), (list, person, link) => {
        const { text } = renderMessage(list, person, 'sms', aContext({ link: () => link }));
        expect(smsSize(text).segments).toBeLessThanOrEqual(SMS_SEGMENTS_MAX);
        expect(text).toMatch(/ 3F9A$/);
        expect(text).not.toMatch(/[\p{Cc}\p{Cs}]/u);
      }),
      { numRuns: RUNS },
    );
  });

  it('has a subject of one line and bounded length', () => {
    fc.assert(
      fc.property(notices, contact, fc.constantFrom(...CHANNEL_NAMES), (list, person, channel) => {
        const { subject } = renderMessage(list, person, channel, aContext());
        expect(subject).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
        expect(Array.from(subject).length).toBeLessThanOrEqual(200);
      }),
      { numRuns: RUNS },
    );
  });

  it('has no markup in it but its own', () => {
    fc.assert(
      fc.property(notices, contact, (list, person) => {
        const { html } = renderMessage(list, person, 'email', aContext({ curve: sampleCurve('WARN', NOTICE_NOW_MS), link: (id) => `https://x.example/?a="><script>${id}` }));
        const tags = [...html!.matchAll(/<\/?([a-z0-9!]+)/gi)].map(([, tag]) => tag.toLowerCase());
        expect(tags.filter((tag) => !OWN_TAGS.includes(tag))).toEqual([]);
        expect(tags.filter((tag) => tag === 'img')).toHaveLength(1);
        // Every quote of an attribute is closed where the template closes it.
        for (const [tag] of html!.matchAll(/<[a-z][^>]*>/gi)) expect(tag).toMatch(/^<[a-z0-9]+( [a-z-]+="[^"<>]*")*>$/i);
      }),
      { numRuns: RUNS },
    );
  });

  it('names every alert or counts it, the same in plain text as in HTML', () => {
    fc.assert(
      fc.property(notices, contact, (list, person) => {
        const { text, html } = renderMessage(list, person, 'email', aContext({ link: (id) => `https://grid.example/${id}` }));
        const named = (of: string) => list.map(({ alerts }) => alerts.filter(({ id }) => of.includes(`https://grid.example/${id}`)).length);
        const inText = named(text);
        expect(named(html!)).toEqual(inText);
        const shown = list.filter((_, i) => inText[i] > 0).length;
        expect(shown).toBe(Math.min(list.length, DIGEST_NOTICES_MAX));
        // What the plain part says, the HTML says: word by word, beside the marks that plain text needs.
        const words = wordsOfHtml(html!);
        for (const line of text.split('\n')) {
          const bare = line.replace(/^(== |\[[A-Z]+\] )/, '').replace(/\s+/g, ' ').trim();
          const [, label, value] = /^\s*(\S[^:]*): +(.*)$/.exec(bare) ?? [null, bare, ''];
          if (bare === '--' || value.startsWith('https://')) continue;
          expect(words.includes(bare) || (words.includes(label) && words.includes(value))).toBe(true);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('counts what it does not name', () => {
    fc.assert(
      fc.property(notice, fc.constantFrom('en-GB', 'de-DE'), (one, locale) => {
        const { text } = renderMessage([one], aContact({ locale }), 'email', aContext());
        const unnamed = one.alertCount - one.alerts.length;
        const more = new Intl.NumberFormat(locale).format(unnamed);
        expect(text.includes(locale === 'en-GB' ? `and ${more} more alert` : `und ${more} weitere`)).toBe(unnamed > 0);
      }),
      { numRuns: RUNS },
    );
  });

  it('is short enough to be shown whole', () => {
    const longest = 'M'.repeat(5_000);
    const worst = (count: number) =>
      Array.from({ length: count }, (_, i) => ({
        id: `${i}`, at: i, reason: 'escalated', group: 'g', severity: 'CRITICAL', regions: ['r'.repeat(64), 's'.repeat(64), 't'.repeat(64)], alertCount: 1_000_000, resolvedCount: 999_999, level: 9, recipients: [], subscribers: true,
        alerts: Array.from({ length: NOTICE_ALERTS_MAX }, (_, j) => ({
          id: `${'a'.repeat(40)}${j}`, type: 'METER_OUTAGE', severity: 'CRITICAL', state: 'open', title: longest, description: longest, region: 'r'.repeat(64), meterId: 'm'.repeat(64), affectedMeters: 1_000_000, startedAt: NOTICE_NOW_MS - 1e9, resolvedAt: NOTICE_NOW_MS,
        })),
      })) as Notice[];
    for (const count of [1, 2, 20, 1_000]) {
      const { html } = renderMessage(worst(count), aContact(), 'email', aContext({ link: (id) => `https://a-long-name-of-a-host.grid.example/dashboard/#alert=${id}` }));
      expect(Buffer.byteLength(html!)).toBeLessThan(HTML_BYTES_MAX);
    }
  });

  it('is the same every time', () => {
    fc.assert(
      fc.property(notices, contact, fc.constantFrom(...CHANNEL_NAMES), (list, person, channel) => {
        expect(renderMessage(list, person, channel, aContext())).toEqual(renderMessage(structuredClone(list), person, channel, aContext()));
      }),
      { numRuns: 30 },
    );
  });
});
