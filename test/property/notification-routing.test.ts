import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isDueBefore, isMoreUrgent, OpenDelivery, TicketHeap } from '../../src/actors/notifications/delivery-queue.ts';
import { makeDelivery } from '../../src/actors/notifications/deliveries.ts';
import { DeliveryStore } from '../../src/actors/notifications/delivery-store.ts';
import { NotificationsState } from '../../src/actors/notifications/notifications-state.ts';
import type { ChannelTraits } from '../../src/actors/notifications/routing.ts';
import { PeopleDirectory } from '../../src/actors/people/people-directory.ts';
import { SEVERITIES, type Severity } from '../../src/model/anomaly.ts';
import { CHANNEL_NAMES, WEEKDAYS, type ChannelName, type Contact } from '../../src/model/contact.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { contactOf, noticeOf } from '../support/notifications-world.ts';

/** Where one notice goes, against an oracle that reads the preferences as a person would, minute by minute. */

const MINUTE = 60_000;
const YEAR_2026 = Date.UTC(2026, 0, 1);
const ZONES = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kolkata'];

interface Case {
  contact: Contact;
  configured: ChannelName[];
  severity: Severity;
  nowMs: number;
  /** Messages of the last hour by channel, minutes ago. */
  sent: Record<ChannelName, number[]>;
}

const channelList = fc.uniqueArray(fc.constantFrom(...CHANNEL_NAMES), { maxLength: 4 });
const severity = fc.constantFrom(...SEVERITIES);
const time = fc.integer({ min: 0, max: 24 * 12 - 1 }).map((i) => `${String(Math.floor(i / 12)).padStart(2, '0')}:${String((i % 12) * 5).padStart(2, '0')}`);
const span = fc.record({ days: fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { maxLength: 3 }), from: time, to: time }).filter(({ from, to }) => from !== to);

const cases: fc.Arbitrary<Case> = fc
  .record({
    channels: fc.record({ INFO: channelList, WARN: channelList, CRITICAL: channelList }),
    quietHours: fc.option(fc.record({ spans: fc.array(span, { minLength: 1, maxLength: 3 }), exceptFrom: severity })),
    digest: fc.option(fc.record({ severityMax: severity, everyMs: fc.integer({ min: 1, max: 24 * 60 }).map((minutes) => minutes * MINUTE) })),
    perHourMax: fc.integer({ min: 1, max: 4 }),
    zone: fc.constantFrom(...ZONES),
    unsubscribed: fc.uniqueArray(fc.constantFrom(...CHANNEL_NAMES), { maxLength: 2 }),
    noAddress: fc.uniqueArray(fc.constantFrom('email', 'sms', 'webhook', 'push'), { maxLength: 2 }),
    configured: fc.subarray([...CHANNEL_NAMES], { minLength: 3 }),
    severity,
    nowMinute: fc.integer({ min: 0, max: 365 * 24 * 60 }),
    sent: fc.record(Object.fromEntries(CHANNEL_NAMES.map((name) => [name, fc.array(fc.integer({ min: 1, max: 59 }), { maxLength: 5 })])) as unknown as Record<ChannelName, fc.Arbitrary<number[]>>),
  })
  .map(({ channels, quietHours, digest, perHourMax, zone, unsubscribed, noAddress, configured, severity: asked, nowMinute, sent }) => {
    const nowMs = YEAR_2026 + nowMinute * MINUTE;
    const contact = contactOf('ann', channels, { quietHours, digest, perHourMax }, { zone, unsubscribed: Object.fromEntries(unsubscribed.map((name) => [name, 1])) });
    const addresses = { ...contact.addresses };
    for (const name of noAddress) {
      if (name === 'push') addresses.push = [];
      else addresses[name] = null;
    }
    return { contact: { ...contact, addresses }, configured, severity: asked, nowMs, sent };
  });

const rank = (of: Severity): number => SEVERITIES.indexOf(of);

/** The clock on the wall, by Intl. */
function wall(zone: string, ms: number): { weekday: number; minute: number } {
  const parts = Object.fromEntries(new Intl.DateTimeFormat('en-GB', { timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).formatToParts(ms).map(({ type, value }) => [type, value]));
  return { weekday: WEEKDAYS.indexOf(parts.weekday.toLowerCase() as (typeof WEEKDAYS)[number]), minute: Number(parts.hour) * 60 + Number(parts.minute) };
}

function isQuiet({ contact, severity: asked }: Case, ms: number): boolean {
  const { quietHours } = contact.preferences;
  if (quietHours === null || rank(asked) >= rank(quietHours.exceptFrom)) return false;
  const { weekday, minute } = wall(contact.zone, ms);
  const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  return quietHours.spans.some(({ days, from, to }) => {
    const isOn = (day: number): boolean => days.length === 0 || days.includes(WEEKDAYS[(day + 7) % 7]);
    if (minuteOf(to) > minuteOf(from)) return isOn(weekday) && minute >= minuteOf(from) && minute < minuteOf(to);
    return (isOn(weekday) && minute >= minuteOf(from)) || (isOn(weekday - 1) && minute < minuteOf(to));
  });
}

type Verdict = { state: string; channels: ChannelName[]; dueAt: number | null };

function oracle(one: Case): Verdict {
  const { contact, configured, severity: asked, nowMs, sent } = one;
  const wanted = contact.preferences.channels[asked];
  if (wanted.length === 0) return { state: 'suppressed', channels: [], dueAt: null };
  const hasAddress = (name: ChannelName): boolean => name === 'live' || (name === 'push' ? contact.addresses.push.length > 0 : contact.addresses[name] !== null);
  const channels = wanted.filter((name) => configured.includes(name) && contact.unsubscribed[name] === undefined && hasAddress(name));
  if (channels.length === 0) return { state: wanted.every((name) => configured.includes(name) && contact.unsubscribed[name] !== undefined) ? 'suppressed' : 'failed', channels, dueAt: null };
  if (isQuiet(one, nowMs)) {
    let until = nowMs;
    while (isQuiet(one, until) && until < nowMs + 1_440 * MINUTE) until += MINUTE;
    return { state: 'digest', channels, dueAt: until };
  }
  const { digest, perHourMax } = contact.preferences;
  if (digest !== null && rank(asked) <= rank(digest.severityMax)) return { state: 'digest', channels, dueAt: nowMs + digest.everyMs };
  const ages = [...sent[channels[0]]].sort((a, b) => a - b);
  if (asked !== 'CRITICAL' && ages.length >= perHourMax) return { state: 'digest', channels, dueAt: nowMs + (60 - ages[perHourMax - 1]) * MINUTE };
  return { state: 'sending', channels, dueAt: nowMs };
}

async function verdict({ contact, configured, severity: asked, nowMs, sent }: Case): Promise<Verdict> {
  const memory = new MemoryStore({ takeCommit: async () => {} });
  new RecordTable<Contact>(memory, 'contacts').put(contact.id, contact);
  for (const name of CHANNEL_NAMES) if (sent[name].length > 0) new RecordTable<number[]>(memory, 'rates').put(`ann/${name}`, sent[name].map((minutes) => nowMs - minutes * MINUTE).sort((a, b) => a - b));
  await memory.commit();
  const people = new PeopleDirectory(memory);
  people.load();
  const traits = (name: ChannelName): ChannelTraits => ({ name, repeats: 'safe', unreachable: (addresses) => (name === 'live' || (name === 'push' ? addresses.push.length > 0 : addresses[name] !== null) ? null : 'none') });
  const state = new NotificationsState({ channels: new Map(configured.map((name) => [name, traits(name)])), people, store: new DeliveryStore(memory), random: () => 0.5 });
  state.load(nowMs);
  expect(state.take(noticeOf('g', 1, ['ann'], { severity: asked }), nowMs)).toBe(1);
  const attempts = state.start(nowMs);
  const [{ state: is, channels, dueAt }] = state.flush();
  expect(attempts.map(({ channel }) => channel)).toEqual(is === 'sending' ? [channels[0]] : []);
  return { state: is, channels, dueAt };
}

describe('routing', () => {
  test('a notice goes where and when the preferences say', async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const expected = oracle(one);
        seen.set(expected.state, (seen.get(expected.state) ?? 0) + 1);
        expect(await verdict(one)).toEqual(expected);
      }),
      { numRuns: 600, seed: 5 },
    );
    expect([...seen.keys()].sort()).toEqual(['digest', 'failed', 'sending', 'suppressed']);
  });
});

describe('queues', () => {
  const moves = fc.array(fc.oneof(fc.record({ what: fc.constant('push' as const), which: fc.nat(11), dueAt: fc.nat(50) }), fc.record({ what: fc.constantFrom('pop' as const, 'leave' as const), which: fc.nat(11), dueAt: fc.constant(0) })), { maxLength: 80 });

  test('the first is always the one due first, wherever deliveries went meanwhile', () => {
    fc.assert(
      fc.property(moves, (all) => {
        const heap = new TicketHeap(isDueBefore);
        const open = Array.from({ length: 12 }, (_, i) => new OpenDelivery(makeDelivery(noticeOf('g', i, []), 'ann', { channels: [], end: null, receipts: [] }, 0)));
        const held = new Map<OpenDelivery, number>();
        for (const { what, which, dueAt } of all) {
          const one = open[which];
          if (what === 'push') {
            one.record.dueAt = dueAt;
            held.set(one, dueAt);
            heap.push(one);
          } else if (what === 'leave') {
            one.leave();
            held.delete(one);
          } else {
            const least = Math.min(Infinity, ...held.values());
            const popped = heap.pop();
            expect(popped === undefined ? Infinity : held.get(popped)).toBe(least);
            if (popped !== undefined) held.delete(popped);
          }
        }
      }),
    );
  });

  test('of what is due the worst goes first, then the oldest', () => {
    const heap = new TicketHeap(isMoreUrgent);
    for (const [number, asked, at] of [[1, 'INFO', 1], [2, 'CRITICAL', 9], [3, 'WARN', 4], [4, 'CRITICAL', 2], [5, 'WARN', 4]] as const) {
      heap.push(new OpenDelivery(makeDelivery(noticeOf('g', number, [], { severity: asked }), 'ann', { channels: [], end: null, receipts: [] }, at)));
    }
    expect([1, 2, 3, 4, 5].map(() => heap.pop()!.record.noticeId)).toEqual(['g/4', 'g/2', 'g/3', 'g/5', 'g/1']);
    expect(heap.pop()).toBe(undefined);
  });
});
