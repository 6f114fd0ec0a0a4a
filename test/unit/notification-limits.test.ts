import { describe, expect, test } from 'vitest';
import { ChannelSlots, destinationOf, SLOTS } from '../../src/actors/notifications/channel-slots.ts';
import { addReceipt, makeDelivery, plainDelivery, RECEIPTS_MAX } from '../../src/actors/notifications/deliveries.ts';
import { digestAt } from '../../src/actors/notifications/digests.ts';
import { quietUntil } from '../../src/actors/notifications/quiet-hours.ts';
import { RATE_SPAN_MS, RATE_TIMES_MAX, RateLimits } from '../../src/actors/notifications/rate-limits.ts';
import { contactOf, noticeOf } from '../support/notifications-world.ts';

const NOW = Date.UTC(2026, 6, 15, 12);

describe('limits of an hour', () => {
  test('a message counts for an hour, by person and channel', () => {
    const rates = new RateLimits();
    for (const at of [NOW, NOW + 1_000, NOW + 2_000]) rates.add('ann', 'sms', at);
    expect(rates.freeAt('ann', 'sms', 'WARN', 4, NOW + 3_000)).toBe(NOW + 3_000);
    expect(rates.freeAt('ann', 'sms', 'WARN', 3, NOW + 3_000)).toBe(NOW + RATE_SPAN_MS);
    expect(rates.freeAt('ann', 'sms', 'WARN', 2, NOW + 3_000)).toBe(NOW + 1_000 + RATE_SPAN_MS);
    expect(rates.freeAt('ann', 'sms', 'WARN', 3, NOW + RATE_SPAN_MS)).toBe(NOW + RATE_SPAN_MS);
    expect(rates.freeAt('ann', 'sms', 'CRITICAL', 1, NOW + 3_000)).toBe(NOW + 3_000);
    expect(rates.freeAt('ann', 'email', 'WARN', 1, NOW + 3_000)).toBe(NOW + 3_000);
    expect(rates.freeAt('bob', 'sms', 'WARN', 1, NOW + 3_000)).toBe(NOW + 3_000);
  });

  test('one that did not go is taken back; one of the future does not count; memory is bounded', () => {
    const rates = new RateLimits();
    rates.add('ann', 'sms', NOW);
    rates.takeBack('ann', 'sms', NOW);
    rates.takeBack('bob', 'sms', NOW);
    expect(rates.count('ann', 'sms', NOW)).toBe(0);
    rates.add('ann', 'sms', NOW + 60_000);
    expect(rates.count('ann', 'sms', NOW)).toBe(0);
    for (let i = 0; i < 2 * RATE_TIMES_MAX; i++) rates.add('cid', 'live', NOW + i);
    expect(rates.count('cid', 'live', NOW + 2 * RATE_TIMES_MAX)).toBe(RATE_TIMES_MAX);
  });

  test('what changed is given once, and what is past is forgotten', () => {
    const rates = new RateLimits();
    rates.add('ann', 'sms', NOW);
    rates.add('bob', 'sms', NOW + 10);
    expect([...rates.drain()]).toEqual([['ann/sms', [NOW]], ['bob/sms', [NOW + 10]]]);
    expect([...rates.drain()]).toEqual([]);
    rates.sweep(NOW + RATE_SPAN_MS);
    expect([...rates.drain()]).toEqual([['ann/sms', null]]);
    const restored = new RateLimits();
    restored.restore('ann/sms', [NOW]);
    expect(restored.count('ann', 'sms', NOW)).toBe(1);
  });
});

describe('digests and quiet hours', () => {
  test('what is not above the digest is gathered, and joins the one that is open', () => {
    const { preferences } = contactOf('ann', ['email'], { digest: { severityMax: 'WARN', everyMs: 60_000 } });
    expect((['INFO', 'WARN', 'CRITICAL'] as const).map((severity) => digestAt(preferences, severity, null, NOW))).toEqual([NOW + 60_000, NOW + 60_000, null]);
    expect(digestAt(preferences, 'INFO', NOW + 5, NOW)).toBe(NOW + 5);
    expect(digestAt({ ...preferences, digest: null }, 'INFO', NOW + 5, NOW)).toBe(null);
  });

  test('quiet hours keep back what is below, until they end, in the zone of the person', () => {
    const contact = contactOf('ann', ['email'], { quietHours: { spans: [{ days: ['wed'], from: '13:30', to: '15:00' }], exceptFrom: 'WARN' } }, { zone: 'Europe/Berlin' });
    expect(quietUntil(contact, 'INFO', NOW)).toBe(NOW + 3_600_000);
    expect(quietUntil(contact, 'WARN', NOW)).toBe(null);
    expect(quietUntil(contact, 'INFO', NOW - 1_800_001)).toBe(null);
    expect(quietUntil(contact, 'INFO', NOW + 3_600_000)).toBe(null);
    expect(quietUntil(contact, 'INFO', NOW + 86_400_000)).toBe(null);
  });

  test('hours that never end are looked at again', () => {
    const contact = contactOf('ann', ['email'], { quietHours: { spans: [{ days: [], from: '00:00', to: '00:00' }], exceptFrom: 'CRITICAL' } });
    const until = quietUntil(contact, 'INFO', NOW)!;
    expect(until).toBeGreaterThan(NOW);
    expect(until).toBeLessThanOrEqual(NOW + 86_400_000);
  });
});

describe('slots', () => {
  const webhook = (contactId: string, destination: string, isSuspect = false) => ({ channel: 'webhook' as const, destination, isSuspect, contactId });

  test('a channel has so many, a person one, a webhook server few, and those that failed half of all', () => {
    const slots = new ChannelSlots();
    for (let i = 0; i < 4; i++) slots.take(webhook(`p${i}`, 'webhook https://a'));
    expect(slots.isCrowded(webhook('x', 'webhook https://a'))).toBe(true);
    expect(slots.isCrowded(webhook('x', 'webhook https://b'))).toBe(false);
    expect([slots.isBusy('p0', 'webhook'), slots.isBusy('p0', 'email'), slots.isBusy('x', 'webhook')]).toEqual([true, false, false]);
    for (let i = 0; i < SLOTS.webhook / 2; i++) slots.take(webhook(`s${i}`, `webhook https://s${i}`, true));
    expect(slots.isCrowded(webhook('y', 'webhook https://y', true))).toBe(true);
    expect(slots.isCrowded(webhook('y', 'webhook https://y'))).toBe(false);
    for (let i = 0; i < SLOTS.webhook / 2 - 4; i++) slots.take(webhook(`w${i}`, `webhook https://w${i}`));
    expect([slots.hasRoom('webhook'), slots.hasRoom('email'), slots.underWay('webhook')]).toEqual([false, true, SLOTS.webhook]);
    slots.free(webhook('p0', 'webhook https://a'));
    expect([slots.isBusy('p0', 'webhook'), slots.hasRoom('webhook'), slots.isCrowded(webhook('x', 'webhook https://a'))]).toEqual([false, true, false]);
  });

  test('webhooks answer for themselves, other channels as one', () => {
    const contact = contactOf('ann', []);
    expect([destinationOf('webhook', contact), destinationOf('email', contact)]).toEqual(['webhook https://ann.example.org', 'email']);
    expect(destinationOf('webhook', contactOf('ann', [], {}, { addresses: { email: null, sms: null, push: [], webhook: null } }))).toBe('webhook');
  });
});

describe('a delivery', () => {
  test('shows others its own fields alone, as a copy, and keeps first and newest receipts', () => {
    const record = makeDelivery(noticeOf('g', 1, ['ann']), 'ann', { channels: ['sms'], end: null, receipts: [] }, NOW);
    for (let i = 0; i < 200; i++) addReceipt(record, 'retry', null, `${i}`, NOW + i);
    const plain = plainDelivery(record);
    expect(Object.keys(plain)).not.toContain('messageId');
    expect(plain.receipts.length).toBe(RECEIPTS_MAX);
    expect([plain.receipts[0].text, plain.receipts[9].text, plain.receipts[10].text, plain.receipts.at(-1)!.text]).toEqual(['0', '9', '150', '199']);
    record.receipts.length = 0;
    expect(plain.receipts.length).toBe(RECEIPTS_MAX);
  });
});
