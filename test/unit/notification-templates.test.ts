import { describe, expect, it } from 'vitest';
import type { NoticeReason } from '../../src/model/notice.ts';
import { localFormats } from '../../src/actors/notifications/templates/local-formats.ts';
import { DIGEST_NOTICES_MAX } from '../../src/actors/notifications/templates/message-content.ts';
import { textsFor } from '../../src/actors/notifications/templates/languages.ts';
import type { MessageTexts } from '../../src/actors/notifications/templates/message-texts.ts';
import { renderMessage } from '../../src/actors/notifications/templates/render-message.ts';
import { sampleCurve, sampleNotice, testNotice } from '../../src/actors/notifications/templates/sample-notices.ts';
import { ALERT_TYPES } from '../../src/model/alert.ts';
import { CHANNEL_NAMES } from '../../src/model/contact.ts';
import { SEVERITIES } from '../../src/model/anomaly.ts';
import { aContact, aContext, ANNA, aNotice, aNoticeAlert, anOutage, JOHN, NOTICE_NOW_MS, wordsOfHtml } from '../support/notices.ts';

/** Spaces that do not break are spaces here. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');
const subject = (notices: Parameters<typeof renderMessage>[0], contact = JOHN) => plain(renderMessage(notices, contact, 'email', aContext()).subject);
const outages = (count: number) => Array.from({ length: count }, (_, i) => anOutage(`meter-${i}`));

describe('subjects', () => {
  it('say how bad, what and where', () => {
    expect(subject([aNotice([aNoticeAlert()])])).toBe('CRITICAL: Region region-03 is at 94 % of its capacity');
    expect(subject([aNotice([anOutage('m-7')])])).toBe('WARNING: Meter m-7 is out (region-03)');
    expect(subject([aNotice([aNoticeAlert({ title: 'Region region-03 is dark', affectedMeters: 4_012 })])])).toBe('CRITICAL: Region region-03 is dark (4,012 meters)');
  });

  it('say how many', () => {
    expect(subject([aNotice(outages(12))])).toBe('WARNING: 12 meter outages in region-03');
    expect(subject([aNotice(outages(3), { resolvedCount: 1 })])).toBe('WARNING: 3 meter outages in region-03 (1 resolved)');
    expect(subject([aNotice(outages(2), { regions: ['a', 'b', 'c', 'd'] })])).toBe('WARNING: 2 meter outages in 4 regions');
  });

  it('claim no type of alerts that they do not know', () => {
    expect(subject([aNotice(outages(20), { alertCount: 40 })])).toBe('WARNING: 40 alerts in region-03: Meter meter-0 is out');
    expect(subject([aNotice([aNoticeAlert(), anOutage('m-1')])])).toBe('CRITICAL: 2 alerts in region-03: Region region-03 is at 94 % of its capacity');
  });

  it.each<[NoticeReason, string]>([
    ['changed', 'WARNING (update): Meter m is out (region-03)'],
    ['repeated', 'WARNING (still open): Meter m is out (region-03)'],
    ['escalated', 'WARNING (escalated, level 2): Meter m is out (region-03)'],
  ])('say whether it is news: %s', (reason, expected) => {
    expect(subject([aNotice([anOutage('m')], { reason, level: 1 })])).toBe(expected);
  });

  it('say first that it is over', () => {
    const resolved = anOutage('m', { state: 'resolved', resolvedAt: NOTICE_NOW_MS });
    expect(subject([aNotice([resolved], { reason: 'resolved' })])).toBe('RESOLVED: Meter m is out (region-03)');
    expect(subject([aNotice([resolved], { reason: 'resolved' })], ANNA)).toBe('BEHOBEN: Zähler m ist ausgefallen (region-03)');
  });

  it('of several notices count them, and name the worst that goes on', () => {
    const over = aNotice([aNoticeAlert({ state: 'resolved', resolvedAt: NOTICE_NOW_MS })], { id: 'b/1', group: 'b', reason: 'resolved' });
    expect(subject([over, aNotice(outages(4))])).toBe('WARNING: 2 notices, 5 alerts in region-03 (1 resolved)');
    expect(subject([over, over])).toBe('RESOLVED: 2 notices, 2 alerts in region-03');
  });

  it('are one line of bounded length whatever a title holds', () => {
    const text = subject([aNotice([anOutage('m', { title: `x\r\nBcc: all@example.com\u2028\u202e${'long '.repeat(100)}` })])]);
    expect(text).toMatch(/^WARNING: x Bcc: all@example.com long [a-z …()\d-]*$/);
    expect(Array.from(text).length).toBeLessThanOrEqual(200);
  });
});

describe('an e-mail', () => {
  it('says everything in German, with local times and units', () => {
    const message = renderMessage([aNotice([aNoticeAlert()], { recipients: ['c-anna'] })], ANNA, 'email', aContext({ curve: sampleCurve('CRITICAL', NOTICE_NOW_MS) }));
    expect(plain(message.text)).toBe(`KRITISCH: Region region-03 bei 94,2 % der Kapazität

Gemessen 94,2 %, Grenze 90 %.
  Region:  region-03
  Seit:    Fr., 27. Nov. 2026, 14:32 MEZ, vor 4 Min.
  Zustand: offen
  Alarm öffnen: https://grid.example/#alert=0123456789abcdef-mb2k1x00

Last von region-03
08:36 bis 14:36 MEZ; jetzt 19,7 kW; höchstens 19,9 kW um 14:33; Grenze 18,9 kW

-- 
Sie erhalten dies, weil Sie Bereitschaft haben oder als zu Benachrichtigende eingetragen sind.
Zeiten sind Ortszeit: Europe/Berlin, UTC+01:00.
Zeichen 3F9A
Keine solchen E-Mails mehr: https://grid.example/unsubscribe?token=abc.def
`);
    expect(message.html).toMatch(/^<!doctype html>\n<html lang="de">/);
    expect(message.pictures).toHaveLength(1);
    expect(message.html).toContain(`src="cid:${message.pictures[0].cid}"`);
    expect(plain(message.pictures[0].text)).toBe('Last von region-03: 08:36 bis 14:36 MEZ; jetzt 19,7 kW; höchstens 19,9 kW um 14:33; Grenze 18,9 kW');
  });

  it('says everything in English, and names alerts of several', () => {
    const resolved = anOutage('m-2', { state: 'resolved', resolvedAt: NOTICE_NOW_MS - 60_000 });
    const message = renderMessage([aNotice([anOutage('m-1'), resolved], { alertCount: 30 })], JOHN, 'email', aContext({ unsubscribeLink: null }));
    expect(plain(message.text)).toBe(`WARNING: 30 alerts in region-03 (1 resolved): Meter m-1 is out

[WARNING] Meter m-1 is out
Silent for 12 min, three times its cadence.
  Region: region-03
  Meter:  m-1
  Since:  Fri, Nov 27, 2026, 8:32 AM EST, 4 min ago
  State:  open
  Open the alert: https://grid.example/#alert=outage-m-1

[RESOLVED] Meter m-2 is out
Silent for 12 min, three times its cadence.
  Region:   region-03
  Meter:    m-2
  Since:    Fri, Nov 27, 2026, 8:32 AM EST
  Resolved: Fri, Nov 27, 2026, 8:35 AM EST, after 3 min
  Open the alert: https://grid.example/#alert=outage-m-2

and 28 more alerts

-- 
You get this because you subscribed to such alerts.
Times are local: America/New_York, UTC-05:00.
Reference 3F9A
`);
    expect(wordsOfHtml(message.html!)).toContain('and 28 more alerts');
  });

  it('of a test says that nothing is wrong', () => {
    const { text, html, link, document } = renderMessage([testNotice(JOHN, 'email', NOTICE_NOW_MS)], JOHN, 'email', aContext());
    expect(text).toMatch(/^TEST: Smart Energy Grid\n\nThis is a test of e-mail\. Nothing is wrong/);
    expect(html).toContain('Nothing is wrong');
    expect(link).toBeNull();
    expect(document).toMatchObject({ type: 'alerts.notice', data: { reason: 'test', alerts: [] } });
  });

  it('does without a picture where there is no curve', () => {
    const empty = { ...sampleCurve('CRITICAL', NOTICE_NOW_MS), points: [] };
    expect(renderMessage([aNotice([aNoticeAlert()])], JOHN, 'email', aContext({ curve: empty }))).toMatchObject({ pictures: [], html: expect.not.stringContaining('<img') });
  });

  it('of very many notices counts those that it does not tell', () => {
    const { text, html } = renderMessage(Array.from({ length: DIGEST_NOTICES_MAX + 7 }, (_, i) => aNotice([anOutage(`m-${i}`)], { id: `g-${i}/1`, group: `g-${i}` })), JOHN, 'email', aContext());
    expect(text).toContain(`WARNING: ${DIGEST_NOTICES_MAX + 7} notices, ${DIGEST_NOTICES_MAX + 7} alerts in region-03`);
    expect(text).toContain('\n\nand 7 more notices\n\n-- \n');
    expect(wordsOfHtml(html!)).toContain(' and 7 more notices ');
  });

  it('says who is at which level of the escalation', () => {
    const text = (level: number, recipients: string[]) => renderMessage([aNotice([aNoticeAlert()], { level, recipients })], JOHN, 'email', aContext()).text;
    expect(text(1, ['c-john'])).toContain('you are at level 2 of its escalation');
    expect(text(1, ['c-anna'])).toContain('you subscribed');
  });
});

describe('short messages', () => {
  const sms = (notices: Parameters<typeof renderMessage>[0], contact = JOHN) => renderMessage(notices, contact, 'sms', aContext()).text;

  it('say what, since when, where to look, and end with the reference', () => {
    expect(sms([aNotice([aNoticeAlert()])])).toBe(
      'CRITICAL: Region region-03 is at 94 % of its capacity. Since 8:32 AM EST. Load was 19.7 MW of 21 MW in the last two minutes; the limit is 90 %. https://grid.example/#alert=0123456789abcdef-mb2k1x00 Ref 3F9A',
    );
    expect(sms([aNotice([aNoticeAlert()])], ANNA)).toBe('KRITISCH: Region region-03 bei 94,2 % der Kapazität. Seit 14:32 MEZ. Gemessen 94,2 %, Grenze 90 %. https://grid.example/#alert=0123456789abcdef-mb2k1x00 Z. 3F9A');
  });

  it('name the worst of many and count all', () => {
    expect(sms([aNotice(outages(12))])).toBe('WARNING: 12 meter outages in region-03. Since 8:32 AM EST. Meter meter-0 is out. Meter meter-1 is out. Meter meter-2 is out. https://grid.example/#alert=outage-meter-0 Ref 3F9A');
  });

  it('give the date of what is not of today', () => {
    expect(sms([aNotice([anOutage('m', { startedAt: NOTICE_NOW_MS - 86_400_000 })])])).toContain('Since Thu, Nov 26, 2026, 8:36 AM EST.');
  });

  it('as push are a title and a few words', () => {
    const { subject: title, text, html } = renderMessage([aNotice([aNoticeAlert()])], ANNA, 'push', aContext());
    expect([title, text, html].map((part) => (part === null ? null : plain(part)))).toEqual(['KRITISCH: Region region-03 bei 94,2 % der Kapazität', 'Seit 14:32 MEZ. Gemessen 94,2 %, Grenze 90 %.', null]);
  });
});

describe('what a program reads', () => {
  it('is the notice with ISO times, the engine’s own texts and links', () => {
    const alert = aNoticeAlert({ title: '<b>' });
    const message = renderMessage([aNotice([alert])], ANNA, 'webhook', aContext());
    expect(JSON.parse(JSON.stringify(message.document))).toEqual({
      type: 'alerts.notice',
      timestamp: '2026-11-27T13:36:00.000Z',
      data: {
        contactId: 'c-anna',
        reference: '3F9A',
        id: 'group-1/1',
        at: '2026-11-27T13:36:00.000Z',
        reason: 'new',
        group: 'group-1',
        severity: 'CRITICAL',
        regions: ['region-03'],
        level: 0,
        alertCount: 1,
        resolvedCount: 0,
        alerts: [
          {
            id: alert.id, type: 'REGIONAL_OVERLOAD', severity: 'CRITICAL', state: 'open', title: '<b>', description: alert.description, region: 'region-03', meterId: null, affectedMeters: 1,
            startedAt: '2026-11-27T13:32:00.000Z', resolvedAt: null, kind: 'regional_load', component: null, value: 94.2, threshold: 90, unit: '%', link: `https://grid.example/#alert=${alert.id}`,
          },
        ],
      },
    });
  });

  it('of a digest has each notice', () => {
    const { document } = renderMessage([aNotice([anOutage('a')]), aNotice([aNoticeAlert()], { id: 'g/2' })], ANNA, 'live', aContext());
    expect(document).toMatchObject({ type: 'alerts.digest', data: { noticeCount: 2, notices: [{ id: 'g/2' }, { id: 'group-1/1' }] } });
  });
});

describe('what a message replaces', () => {
  it('is an older one of its group; a digest replaces nothing and is replaced by nothing', () => {
    const key = (ids: string[]) => renderMessage(ids.map((id) => aNotice([anOutage(id)], { id, group: id[0] })), ANNA, 'push', aContext()).collapseKey;
    expect(key(['a/1'])).toBe(key(['a/2']));
    expect(key(['a/1', 'b/1'])).not.toBe(key(['a/2', 'b/1']));
    expect(key(['a/1', 'b/1'])).not.toBe(key(['a/1']));
  });
});

describe('times and numbers', () => {
  const formats = (locale: string, zone: string) => localFormats({ locale, zone });
  const at = Date.UTC(2026, 6, 1, 23, 5);

  it.each([
    ['en-GB', 'Europe/London', '00:05', 'Thu, 2 Jul 2026, 00:05 BST', 'Europe/London, UTC+01:00'],
    ['en-US', 'America/New_York', '7:05 PM', 'Wed, Jul 1, 2026, 7:05 PM EDT', 'America/New_York, UTC-04:00'],
    ['de-CH', 'Europe/Zurich', '01:05', 'Do., 2. Juli 2026, 01:05 MESZ', 'Europe/Zurich, UTC+02:00'],
    ['en-IN', 'Asia/Kolkata', '4:35 am', 'Thu, 2 Jul, 2026, 4:35 am IST', 'Asia/Kolkata, UTC+05:30'],
    ['fr-FR', 'UTC', '23:05', 'mer. 1 juil. 2026, 23:05 UTC', 'UTC, UTC+00:00'],
  ])('are written the way of %s in %s', (locale, zone, time, dateTime, named) => {
    const local = formats(locale, zone);
    expect([local.time(at), local.dateTime(at), local.zoneAt(at)].map(plain)).toEqual([time, dateTime, named]);
  });

  it('fall back to English and UTC, which is named, where the contact’s are not known', () => {
    expect(formats('xx-not-a-locale-at-all', 'Mars/Olympus').zoneAt(at)).toBe('UTC, UTC+00:00');
  });

  it('have units of their size', () => {
    const { figure } = { figure: (value: number, unit: 'kW' | 'V' | '%' | 'meters') => plain(formats('de-DE', 'UTC').figure(value, unit)) };
    expect([figure(0.0421, 'kW'), figure(7.44, 'kW'), figure(3_941, 'kW'), figure(-2_500_000, 'kW'), figure(0, 'kW')]).toEqual(['42,1 W', '7,44 kW', '3,94 MW', '-2,5 GW', '0 kW']);
    expect([figure(206.44, 'V'), figure(94, '%'), figure(4_012, 'meters')]).toEqual(['206,4 V', '94 %', '4.012']);
  });

  it('durations have their two largest units', () => {
    const { locale } = formats('en-GB', 'UTC');
    const duration = (ms: number) => formats(locale, 'UTC').duration(ms);
    expect([0, 59_000, 3_600_000, 7_380_000, 90_061_000].map(duration)).toEqual(['0 secs', '59 secs', '1 hr', '2 hrs 3 mins', '1 day 1 hr']);
  });
});

describe('the catalogue', () => {
  it('is chosen by language; English for what it has not', () => {
    expect(['de', 'de-CH', 'DE-at', 'en-GB', 'fr', 'sv-SE'].map((locale) => textsFor(locale).language)).toEqual(['de', 'de', 'de', 'en', 'en', 'en']);
  });

  it('has everything in German', () => {
    const same = Object.entries(said(textsFor('en'))).filter(([key, text]) => said(textsFor('de'))[key] === text);
    // Words that are the same.
    expect(same.map(([key]) => key).sort()).toEqual(['channel.sms', 'inRegions', 'region', 'reason.new', 'reason.resolved', 'reason.test', 'severity.INFO', 'test'].sort());
  });
});

/** All that a catalogue says, by key, with the same figures put in. */
function said(texts: MessageTexts): Record<string, string | null> {
  const { severity, state, channel, language: _, title, description, reason, alerts, whyRecipient, curveTitle, ...others } = texts;
  const all: Record<string, string | null> = {};
  for (const [name, of] of Object.entries({ severity, state, channel })) for (const [key, text] of Object.entries(of)) all[`${name}.${key}`] = text;
  for (const each of ['new', 'changed', 'repeated', 'escalated', 'resolved', 'test'] as const) all[`reason.${each}`] = reason(each, 1);
  for (const type of [...ALERT_TYPES, null]) for (const count of ['1', '2']) all[`alerts.${type}.${count}`] = alerts(count, type);
  for (const level of [0, 1]) all[`whyRecipient.${level}`] = whyRecipient(level);
  for (const what of ['load', 'power', 'voltage'] as const) all[`curveTitle.${what}`] = curveTitle(what, 'r');
  for (const [key, text] of Object.entries(others)) all[key] = typeof text === 'string' ? text : (text as (...parts: string[]) => string)('2', '3');
  return all;
}

describe('samples', () => {
  it('can be rendered for every severity and channel', () => {
    for (const severity of SEVERITIES) {
      for (const channel of CHANNEL_NAMES) {
        const message = renderMessage([sampleNotice(severity, ANNA, NOTICE_NOW_MS)], aContact(), channel, aContext({ curve: sampleCurve(severity, NOTICE_NOW_MS) }));
        expect(message).toMatchObject({ severity, reason: 'new' });
        expect(message.text).not.toBe('');
      }
    }
  });
});
