import { describe, expect, test } from 'vitest';
import { SLOTS } from '../../src/actors/notifications/channel-slots.ts';
import { CIRCUIT_FAILURES } from '../../src/actors/notifications/circuit.ts';
import { ATTEMPT_LIMIT_MS } from '../../src/actors/notifications/actor.ts';
import { ATTEMPTS_LAST_MAX, ATTEMPTS_MAX, LOOKUPS_MAX } from '../../src/actors/notifications/attempt-outcomes.ts';
import type { Delivery, DeliveryListQuery } from '../../src/model/notice.ts';
import type { Page } from '../../src/model/queries.ts';
import { accepted, contactOf, hangs, NOON, noticeOf, NotificationsWorld, rejected, retry, unknown } from '../support/notifications-world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

async function worldWith(...contacts: ReturnType<typeof contactOf>[]): Promise<NotificationsWorld> {
  const world = new NotificationsWorld();
  for (const contact of contacts) await world.addContact(contact);
  world.start();
  await world.run();
  return world;
}

const steps = (delivery: Delivery): string[] => delivery.receipts.map(({ step }) => step);
const everything: DeliveryListQuery = { contactId: null, alertId: null, channel: null, state: null, from: 0, to: Number.MAX_SAFE_INTEGER, limit: 100, cursor: null };

describe('outcomes', () => {
  test('a notice goes by the first channel of its severity, once, and says so in receipts', async () => {
    const world = await worldWith(contactOf('ann', { INFO: ['email'], WARN: ['push', 'sms'], CRITICAL: ['sms'] }));
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(HOUR);
    expect(world.handed.map(({ channel, messageId, attempt }) => [channel, messageId, attempt])).toEqual([['push', 'g/1/ann', 1]]);
    const delivery = world.delivery('g/1', 'ann');
    expect(delivery).toMatchObject({ state: 'sent', dueAt: null, attempts: 1, position: 0 });
    expect(steps(delivery)).toEqual(['queued', 'attempt', 'accepted']);
    expect(delivery.receipts[2].providerId).toBe('p');
  });

  test('recipients and subscribers are told once each', async () => {
    const subscription = { severityMin: 'WARN' as const, regions: ['region-0*'] };
    const world = await worldWith(
      contactOf('ann', ['email'], { subscription }),
      contactOf('bob', ['email'], { subscription: { severityMin: 'CRITICAL', regions: [] } }),
      contactOf('cid', ['email'], { subscription: { severityMin: 'INFO', regions: ['region-02'] } }),
      contactOf('dan', ['email'], { subscription }),
    );
    await world.tell(noticeOf('g', 1, ['ann'], { subscribers: true }), noticeOf('h', 1, ['bob', 'nobody']));
    expect(world.handed.map(({ messageId }) => messageId).sort()).toEqual(['g/1/ann', 'g/1/dan', 'h/1/bob']);
  });

  test('rejected goes on to the next channel, and fails without one', async () => {
    const world = await worldWith(contactOf('ann', ['sms', 'email', 'push']));
    world.scripts.sms = () => rejected();
    world.scripts.email = () => rejected();
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(HOUR);
    expect(world.handed.map(({ channel }) => channel)).toEqual(['sms', 'email', 'push']);
    expect(steps(world.delivery('g/1', 'ann'))).toEqual(['queued', 'attempt', 'rejected', 'failover', 'attempt', 'rejected', 'failover', 'attempt', 'accepted']);
    world.scripts.push = () => rejected();
    await world.tell(noticeOf('h', 1, ['ann']));
    expect(world.delivery('h/1', 'ann')).toMatchObject({ state: 'failed', dueAt: null });
    expect(world.handed.length).toBe(6);
  });

  test('retry backs off, not before Retry-After, and fails over after its attempts', async () => {
    const world = await worldWith(contactOf('ann', ['sms', 'email']));
    world.scripts.sms = () => retry({ isProvider: false, retryAfterMs: 7_000 });
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(HOUR);
    const at = world.handed.map((handed) => handed.at - NOON);
    expect(world.handed.map(({ channel }) => channel)).toEqual(['sms', 'sms', 'sms', 'sms', 'email']);
    expect(at.slice(0, ATTEMPTS_MAX)).toEqual([0, 7_000, 14_000, 14_000 + Math.floor(0.999 * 8_000)]);
    expect(world.delivery('g/1', 'ann')).toMatchObject({ state: 'sent', position: 1, attempts: 1 });
  });

  test('a provider that wants a long rest loses the message to the next channel', async () => {
    const world = await worldWith(contactOf('ann', ['sms', 'email']));
    world.scripts.sms = () => retry({ isProvider: false, retryAfterMs: 10 * MINUTE });
    await world.tell(noticeOf('g', 1, ['ann']));
    expect(world.handed.map(({ channel }) => channel)).toEqual(['sms', 'email']);
  });

  test('on the last channel it is tried for long, as the provider wants, and then fails', async () => {
    const world = await worldWith(contactOf('ann', ['sms']));
    world.scripts.sms = () => retry({ isProvider: false, retryAfterMs: 10 * MINUTE });
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(24 * HOUR);
    expect(world.handed.length).toBe(ATTEMPTS_LAST_MAX);
    expect(world.handed[1].at - world.handed[0].at).toBe(10 * MINUTE);
    expect(world.delivery('g/1', 'ann').state).toBe('failed');
  });

  test('unknown: a safe channel repeats the same message, a lookup one asks, a blind one repeats once', async () => {
    const world = await worldWith(contactOf('ann', ['push']), contactOf('bob', ['sms']), contactOf('cid', ['live']), contactOf('dan', ['sms']));
    world.scripts.push = ({ attempt }) => (attempt === 1 ? unknown(true) : accepted);
    world.scripts.sms = ({ attempt, contactId }) => (attempt === 1 ? unknown(contactId === 'bob') : accepted);
    world.scripts.live = () => unknown(true);
    await world.tell(noticeOf('g', 1, ['ann', 'bob', 'cid', 'dan']));
    await world.run(HOUR);
    expect(world.to('ann').map(({ messageId }) => messageId)).toEqual(['g/1/ann', 'g/1/ann']);
    expect(world.to('bob').length).toBe(1);
    expect(world.delivery('g/1', 'bob').receipts.at(-1)!.providerId).toBe('looked-up');
    expect(world.to('cid').length).toBe(2);
    expect(world.delivery('g/1', 'cid').state).toBe('failed');
    expect(world.to('dan').map(({ went }) => went)).toEqual([false, true]);
  });

  test('a provider that took it or not, and wants to be left alone, is', async () => {
    const world = await worldWith(contactOf('ann', ['webhook']));
    world.scripts.webhook = ({ attempt }) => (attempt === 1 ? { outcome: { kind: 'unknown', code: '503', text: 'Perhaps.', retryAfterMs: 45_000 }, went: true } : accepted);
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(MINUTE);
    expect(world.handed.map(({ at }) => at - NOON)).toEqual([0, 45_000]);
  });

  test('a provider that does not say whether it went is asked a few times, and then another channel tells it', async () => {
    const world = await worldWith(contactOf('ann', ['sms', 'email']));
    world.scripts.sms = () => unknown(true);
    let asked = 0;
    world.lookups.sms = () => {
      asked++;
      return 'unknown';
    };
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(HOUR);
    expect(world.handed.map(({ channel }) => channel)).toEqual(['sms', 'email']);
    expect(asked).toBe(LOOKUPS_MAX);
  });

  test('a channel that throws, and a message that cannot be made, harm no other', async () => {
    const world = await worldWith(contactOf('ann', ['live', 'email']));
    world.scripts.live = () => Promise.reject(new Error('a bug'));
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(HOUR);
    expect(world.handed.map(({ channel }) => channel)).toEqual(['live', 'live', 'email']);
    world.renderFails = true;
    await world.tell(noticeOf('h', 1, ['ann']));
    await world.run(MINUTE);
    world.renderFails = false;
    await world.run(24 * HOUR);
    expect(world.delivery('h/1', 'ann').state).toBe('sent');
    expect(world.actor.figures().channels.email.circuit).toBe('closed');
    expect(world.failures).toEqual([]);
  });
});

describe('addresses and wishes', () => {
  test('tokens that are gone are taken out, and a person who stopped a channel stays stopped', async () => {
    const world = await worldWith(contactOf('ann', ['push', 'sms', 'email']));
    world.scripts.push = () => ({ outcome: { kind: 'accepted', providerId: null, text: 'One of two.', removeAddresses: ['token-ann-1'] }, went: true });
    await world.tell(noticeOf('g', 1, ['ann']));
    world.scripts.push = () => rejected({ code: 'UNREGISTERED', removeAddresses: ['token-ann-2'] });
    world.scripts.sms = () => rejected({ code: '21610', unsubscribed: true });
    await world.tell(noticeOf('h', 1, ['ann']));
    world.restart();
    await world.run();
    expect(world.people.contact('ann')).toMatchObject({ addresses: { push: [] }, unsubscribed: { sms: NOON } });
    await world.tell(noticeOf('i', 1, ['ann']));
    expect(world.to('ann').map(({ channel }) => channel)).toEqual(['push', 'push', 'sms', 'email', 'email']);
    expect(world.delivery('i/1', 'ann').receipts.slice(0, 2).map(({ channel, code }) => [channel, code])).toEqual([['push', 'no_address'], ['sms', 'unsubscribed']]);
  });

  test('who wants nothing gets nothing, and who cannot be reached has failed', async () => {
    const world = await worldWith(contactOf('ann', { INFO: [], WARN: [], CRITICAL: ['sms'] }), contactOf('bob', ['sms'], {}, { unsubscribed: { sms: NOON } }), contactOf('cid', ['sms'], {}, { addresses: { email: null, sms: null, push: [], webhook: null } }));
    await world.tell(noticeOf('g', 1, ['ann', 'bob', 'cid']));
    expect(['ann', 'bob', 'cid'].map((id) => world.delivery('g/1', id).state)).toEqual(['suppressed', 'suppressed', 'failed']);
    expect(world.handed).toEqual([]);
  });

  test('a channel that is no longer set up, and a contact who was removed, are found when the message is due', async () => {
    const world = await worldWith(contactOf('ann', ['sms', 'email']), contactOf('bob', ['sms']));
    world.scripts.sms = () => retry({ isProvider: false, retryAfterMs: 20_000 });
    await world.tell(noticeOf('g', 1, ['ann', 'bob']));
    await world.actor.ask({ kind: 'removeContact', id: 'bob', version: null });
    world.configured = ['email'];
    world.restart();
    await world.run(MINUTE);
    expect(world.to('ann').map(({ channel }) => channel)).toEqual(['sms', 'email']);
    expect(world.delivery('g/1', 'bob')).toMatchObject({ state: 'suppressed' });
  });
});

describe('newer, and over', () => {
  test('a newer notice of the group replaces the one that waits', async () => {
    const world = await worldWith(contactOf('ann', ['sms']));
    world.scripts.sms = ({ deliveryId }) => (deliveryId === 'g/1/ann' ? retry({ isProvider: false, retryAfterMs: MINUTE }) : accepted);
    await world.tell(noticeOf('g', 1, ['ann']), noticeOf('x', 1, ['ann'], { severity: 'INFO' }));
    await world.tell(noticeOf('g', 2, ['ann'], { reason: 'changed' }));
    await world.run(HOUR);
    expect(world.to('ann').map(({ messageId }) => messageId)).toEqual(['g/1/ann', 'x/1/ann', 'g/2/ann']);
    expect(world.delivery('g/1', 'ann')).toMatchObject({ state: 'suppressed' });
    expect(world.delivery('g/1', 'ann').receipts.at(-1)).toMatchObject({ code: 'replaced', text: expect.stringContaining('g/2') });
  });

  test('one that is under way when a newer comes is not tried again', async () => {
    const world = await worldWith(contactOf('ann', ['push']));
    let answer!: (value: ReturnType<typeof retry>) => void;
    world.scripts.push = ({ deliveryId }) => (deliveryId === 'g/9/ann' ? new Promise((resolve) => (answer = resolve)) : accepted);
    await world.tell(noticeOf('g', 9, ['ann']));
    await world.tell(noticeOf('g', 10, ['ann']));
    expect(world.handed.length).toBe(1);
    answer(retry());
    await world.run(HOUR);
    expect(world.handed.map(({ messageId }) => messageId)).toEqual(['g/9/ann', 'g/10/ann']);
    expect(world.delivery('g/9', 'ann').state).toBe('suppressed');
  });

  test('that it is over is told to who was told that it began, also by somebody who is not on call any more', async () => {
    const world = await worldWith(contactOf('ann', ['email']), contactOf('bob', ['email']));
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.tell(noticeOf('g', 2, ['bob'], { reason: 'resolved' }));
    await world.tell(noticeOf('g', 3, ['ann', 'bob'], { reason: 'resolved' }));
    expect(world.handed.map(({ messageId }) => messageId)).toEqual(['g/1/ann', 'g/2/ann']);
  });

  test('who may have heard that it began hears that it is over', async () => {
    const world = await worldWith(contactOf('ann', ['live']));
    world.scripts.live = ({ deliveryId }) => (deliveryId === 'g/1/ann' ? unknown(true) : accepted);
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(MINUTE);
    expect(world.delivery('g/1', 'ann').state).toBe('failed');
    await world.tell(noticeOf('g', 2, [], { reason: 'resolved' }));
    expect(world.delivery('g/2', 'ann').state).toBe('sent');
    await world.tell(noticeOf('g', 3, [], { reason: 'resolved' }));
    expect(world.to('ann').length).toBe(3);
  });

  test('who had not been told hears neither, and who is being told hears both', async () => {
    const world = await worldWith(contactOf('ann', ['sms']), contactOf('bob', ['push']), contactOf('cid', ['live', 'email']));
    const answers: ((value: typeof accepted) => void)[] = [];
    world.scripts.sms = () => retry({ isProvider: false, retryAfterMs: MINUTE });
    world.scripts.push = ({ deliveryId }) => (deliveryId === 'g/1/bob' ? new Promise((resolve) => answers.push(resolve)) : accepted);
    world.scripts.live = ({ deliveryId }) => (deliveryId === 'g/1/cid' ? new Promise((resolve) => answers.push(resolve)) : accepted);
    await world.tell(noticeOf('g', 1, ['ann', 'bob', 'cid']));
    await world.tell(noticeOf('g', 2, ['ann', 'bob', 'cid'], { reason: 'resolved' }));
    expect(world.delivery('g/1', 'ann').state).toBe('suppressed');
    answers[0](accepted);
    answers[1](rejected());
    await world.run(HOUR);
    expect(world.to('ann').length).toBe(1);
    expect(world.to('bob').map(({ messageId }) => messageId)).toEqual(['g/1/bob', 'g/2/bob']);
    expect(world.to('cid').map(({ messageId }) => messageId)).toEqual(['g/1/cid']);
    expect(world.delivery('g/2', 'cid')).toMatchObject({ state: 'suppressed' });
    expect(world.actor.figures().open).toBe(0);
  });
});

describe('quiet hours, digest, limits', () => {
  const night = { spans: [{ days: [], from: '22:00', to: '07:00' }], exceptFrom: 'CRITICAL' as const };

  test('what comes in quiet hours goes when they end, together; what is worse goes at once', async () => {
    const world = new NotificationsWorld(Date.UTC(2026, 6, 15, 21));
    await world.addContact(contactOf('ann', ['push'], { quietHours: night }, { zone: 'Europe/Berlin' }));
    world.start();
    await world.tell(noticeOf('g', 1, ['ann']), noticeOf('h', 1, ['ann'], { severity: 'INFO' }), noticeOf('i', 1, ['ann'], { severity: 'CRITICAL' }));
    expect(world.handed.map(({ noticeIds }) => noticeIds)).toEqual([['i/1']]);
    expect(world.delivery('g/1', 'ann')).toMatchObject({ state: 'digest', dueAt: Date.UTC(2026, 6, 16, 5) });
    world.restart();
    await world.run(24 * HOUR);
    expect(world.handed.slice(1).map(({ noticeIds, at }) => [noticeIds, at])).toEqual([[['g/1', 'h/1'], Date.UTC(2026, 6, 16, 5)]]);
    expect(['g/1', 'h/1'].map((id) => world.delivery(id, 'ann').state)).toEqual(['sent', 'sent']);
  });

  test('the night of a clock change is an hour longer or shorter', async () => {
    for (const [start, end] of [
      [Date.UTC(2026, 2, 28, 22), Date.UTC(2026, 2, 29, 5)],
      [Date.UTC(2026, 9, 24, 21), Date.UTC(2026, 9, 25, 6)],
    ]) {
      const world = new NotificationsWorld(start);
      await world.addContact(contactOf('ann', ['push'], { quietHours: night }, { zone: 'Europe/Berlin' }));
      world.start();
      await world.tell(noticeOf('g', 1, ['ann']));
      await world.run(24 * HOUR);
      expect(world.handed.map(({ at }) => at)).toEqual([end]);
    }
  });

  test('a retry that falls into quiet hours waits for their end', async () => {
    const world = new NotificationsWorld(Date.UTC(2026, 6, 15, 21, 59, 50));
    await world.addContact(contactOf('ann', ['push'], { quietHours: night }));
    world.scripts.push = ({ deliveryId }) => (world.handed.filter(({ messageId }) => messageId === deliveryId).length === 1 ? retry({ isProvider: false, retryAfterMs: 20_000 }) : accepted);
    world.start();
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(24 * HOUR);
    expect(world.handed.map(({ at }) => at)).toEqual([Date.UTC(2026, 6, 15, 21, 59, 50), Date.UTC(2026, 6, 16, 7)]);
  });

  test('a digest gathers for its time from its first notice on', async () => {
    const world = await worldWith(contactOf('ann', ['email'], { digest: { severityMax: 'INFO', everyMs: 30 * MINUTE } }));
    await world.tell(noticeOf('g', 1, ['ann'], { severity: 'INFO' }));
    await world.run(10 * MINUTE);
    await world.tell(noticeOf('h', 1, ['ann'], { severity: 'INFO' }), noticeOf('w', 1, ['ann']));
    expect(world.handed.map(({ noticeIds }) => noticeIds)).toEqual([['w/1']]);
    await world.run(10 * MINUTE);
    await world.tell(noticeOf('g', 2, ['ann'], { severity: 'INFO', reason: 'changed' }));
    world.restart();
    await world.run(HOUR);
    expect(world.handed.slice(1).map(({ noticeIds, at }) => [noticeIds, at])).toEqual([[['h/1', 'g/2'], NOON + 30 * MINUTE]]);
    expect(world.delivery('g/1', 'ann').state).toBe('suppressed');
  });

  test('a digest that failed for sure takes along what has come since; one that may have gone is repeated as it was', async () => {
    const world = await worldWith(contactOf('ann', ['push'], { digest: { severityMax: 'INFO', everyMs: 30 * MINUTE } }));
    let calls = 0;
    world.scripts.push = () => [retry({ isProvider: false, retryAfterMs: 40 * MINUTE }), unknown(true), accepted][calls++] ?? accepted;
    await world.tell(noticeOf('a', 1, ['ann'], { severity: 'INFO' }), noticeOf('b', 1, ['ann'], { severity: 'INFO' }));
    await world.run(45 * MINUTE);
    await world.tell(noticeOf('c', 1, ['ann'], { severity: 'INFO' }));
    await world.run(25 * MINUTE);
    await world.tell(noticeOf('a', 2, ['ann'], { severity: 'INFO', reason: 'changed' }));
    world.restart();
    await world.run(2 * HOUR);
    expect(world.handed.map(({ noticeIds, messageId }) => [messageId, noticeIds])).toEqual([
      ['a/1/ann', ['a/1', 'b/1']],
      ['a/1/ann', ['a/1', 'b/1', 'c/1']],
      ['a/1/ann', ['a/1', 'b/1', 'c/1']],
      ['a/2/ann', ['a/2']],
    ]);
  });

  test('past the limit of an hour messages are gathered, and CRITICAL ones count and go', async () => {
    const world = await worldWith(contactOf('ann', ['sms'], { perHourMax: 3 }));
    for (let i = 0; i < 5; i++) {
      await world.tell(noticeOf(`g${i}`, 1, ['ann'], { severity: i === 1 ? 'CRITICAL' : 'WARN' }));
      await world.run(MINUTE);
      if (i === 3) world.restart();
    }
    await world.tell(noticeOf('c', 1, ['ann'], { severity: 'CRITICAL' }));
    expect(world.handed.map(({ noticeIds }) => noticeIds)).toEqual([['g0/1'], ['g1/1'], ['g2/1'], ['c/1']]);
    expect(world.delivery('g3/1', 'ann')).toMatchObject({ state: 'digest', dueAt: NOON + HOUR });
    await world.run(2 * HOUR);
    // At 13:00 the CRITICAL one still counts; at 13:01 there is room.
    expect(world.handed.slice(4).map(({ noticeIds, at }) => [noticeIds, at])).toEqual([[['g3/1', 'g4/1'], NOON + HOUR + MINUTE]]);
  });

  test('a message that did not go does not count', async () => {
    const world = await worldWith(contactOf('ann', ['sms', 'email'], { perHourMax: 1 }));
    world.scripts.sms = ({ deliveryId }) => (deliveryId === 'g/1/ann' ? rejected() : accepted);
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.tell(noticeOf('h', 1, ['ann']));
    expect(world.handed.map(({ channel, messageId }) => [channel, messageId])).toEqual([
      ['sms', 'g/1/ann'],
      ['email', 'g/1/ann'],
      ['sms', 'h/1/ann'],
    ]);
  });
});

describe('providers in trouble', () => {
  test('the circuit opens, others go by other channels, a probe closes it', async () => {
    const people = Array.from({ length: 12 }, (_, i) => contactOf(`p${String(i).padStart(2, '0')}`, i === 11 ? ['sms'] : ['sms', 'email']));
    const world = await worldWith(...people);
    let isDead = true;
    world.scripts.sms = () => (isDead ? retry() : accepted);
    for (const { id } of people.slice(0, CIRCUIT_FAILURES)) await world.tell(noticeOf(`g-${id}`, 1, [id]));
    expect(world.actor.figures().channels.sms).toMatchObject({ circuit: 'open', circuitsOpened: 1 });
    const before = world.to('p10').length + world.to('p11').length;
    await world.tell(noticeOf('late', 1, ['p10', 'p11']));
    expect(before).toBe(0);
    expect(world.to('p10').map(({ channel }) => channel)).toEqual(['email']);
    expect(world.to('p11')).toEqual([]);
    expect(world.delivery('late/1', 'p11').receipts.at(-1)).toMatchObject({ step: 'held', code: 'circuit_open' });
    await world.run(3 * MINUTE);
    const probes = world.to('p11', 'sms').length;
    expect(probes).toBeGreaterThan(0);
    expect(probes).toBeLessThan(6);
    isDead = false;
    await world.run(6 * MINUTE);
    expect(world.delivery('late/1', 'p11').state).toBe('sent');
    expect(world.actor.figures().channels.sms.circuit).toBe('closed');
    await world.tell(noticeOf('after', 1, ['p10']));
    expect(world.to('p10').map(({ channel }) => channel)).toEqual(['email', 'sms']);
  });

  test('while it is open one probe goes at a time', async () => {
    const people = Array.from({ length: 30 }, (_, i) => contactOf(`p${i}`, ['sms']));
    const world = await worldWith(...people);
    world.scripts.sms = () => retry();
    await world.tell(noticeOf('g', 1, people.map(({ id }) => id)));
    await world.run(10_000);
    const before = world.handed.length;
    await world.run(10 * MINUTE);
    // 15 s, doubling to 5 min.
    expect(world.handed.length - before).toBeLessThan(8);
    world.scripts.sms = () => accepted;
    await world.run(6 * MINUTE);
    expect(world.actor.figures()).toMatchObject({ open: 0, deliveries: { sent: 30 } });
  });

  test('a provider that hangs delays no other channel, and its messages are given up in the end', async () => {
    const people = Array.from({ length: 100 }, (_, i) => contactOf(`p${i}`, i < 50 ? ['push'] : ['email']));
    const world = await worldWith(...people);
    world.scripts.push = () => hangs;
    await world.tell(noticeOf('g', 1, people.map(({ id }) => id)));
    expect(world.handed.filter(({ channel }) => channel === 'email').length).toBe(50);
    expect(world.handed.filter(({ channel }) => channel === 'push').length).toBe(SLOTS.push);
    expect(world.actor.figures().channels.push).toMatchObject({ underWay: SLOTS.push, waiting: 50 - SLOTS.push });
    world.scripts.push = () => accepted;
    await world.run(2 * ATTEMPT_LIMIT_MS);
    expect(world.actor.figures()).toMatchObject({ open: 0, deliveries: { sent: 100 } });
  });

  test('no more are under way than the channel may have, and one to a person', async () => {
    const world = await worldWith(...Array.from({ length: 40 }, (_, i) => contactOf(`p${i}`, ['email'])));
    let underWay = 0;
    let most = 0;
    const busy = new Set<string>();
    world.scripts.email = async ({ contactId }) => {
      expect(busy.has(contactId)).toBe(false);
      busy.add(contactId);
      most = Math.max(most, ++underWay);
      await new Promise<void>((resolve) => world.time.after(100, resolve));
      underWay--;
      busy.delete(contactId);
      return accepted;
    };
    const ids = Array.from({ length: 40 }, (_, i) => `p${i}`);
    await world.tell(noticeOf('g', 1, ids), noticeOf('h', 1, ids), noticeOf('i', 1, ids));
    await world.run(MINUTE);
    expect(most).toBe(SLOTS.email);
    expect(world.handed.length).toBe(120);
  });

  test("somebody's dead webhook holds up nobody else's", async () => {
    const dead = Array.from({ length: 40 }, (_, i) => contactOf(`dead${i}`, ['webhook']));
    const well = Array.from({ length: 10 }, (_, i) => contactOf(`well${i}`, ['webhook']));
    const world = await worldWith(...dead, ...well);
    world.scripts.webhook = async ({ contactId }) => {
      if (!contactId.startsWith('dead')) return accepted;
      await new Promise<void>((resolve) => world.time.after(10_000, resolve));
      return unknown(false);
    };
    await world.tell(noticeOf('g', 1, dead.map(({ id }) => id)));
    await world.run(15_000);
    await world.tell(noticeOf('h', 1, [...dead, ...well].map(({ id }) => id)));
    expect(world.handed.filter(({ contactId }) => contactId.startsWith('well')).length).toBe(10);
  });
});

describe('clocks', () => {
  test('a clock that goes back a day makes nothing wait a day, and repeats nothing', async () => {
    const world = await worldWith(contactOf('ann', ['sms']));
    world.scripts.sms = ({ attempt }) => (attempt === 1 ? retry({ isProvider: false, retryAfterMs: 10 * MINUTE }) : accepted);
    await world.tell(noticeOf('g', 1, ['ann']));
    world.clockOffsetMs = -24 * HOUR;
    await world.run(15 * MINUTE);
    expect(world.handed.length).toBe(2);
    expect(world.delivery('g/1', 'ann').state).toBe('sent');
    await world.run(48 * HOUR);
    expect(world.handed.length).toBe(2);
  });

  test('nor does it when it went back while the engine was down', async () => {
    const world = await worldWith(contactOf('ann', ['sms']));
    world.scripts.sms = ({ attempt }) => (attempt === 1 ? retry({ isProvider: false, retryAfterMs: 10 * MINUTE }) : accepted);
    await world.tell(noticeOf('g', 1, ['ann']));
    world.clockOffsetMs = -24 * HOUR;
    world.restart();
    await world.run(MINUTE);
    expect(world.handed.length).toBe(2);
  });
});

describe('questions', () => {
  test('deliveries by person, alert, channel, state and time, in pages', async () => {
    const world = await worldWith(contactOf('ann', ['email']), contactOf('bob', ['sms']));
    for (let i = 0; i < 5; i++) {
      await world.tell(noticeOf(`g${i}`, 1, ['ann', 'bob']));
      await world.run(1_000);
    }
    const ids = async (more: Partial<DeliveryListQuery>): Promise<string[]> => (await world.actor.ask({ kind: 'deliveries', query: { ...everything, ...more } })).data.map(({ id }) => id);
    const all = ['g4', 'g3', 'g2', 'g1', 'g0'].flatMap((group) => [`${group}/1/bob`, `${group}/1/ann`]);
    expect(await ids({})).toEqual(all);
    expect(await ids({ contactId: 'ann' })).toEqual(all.filter((id) => id.endsWith('ann')));
    expect(await ids({ alertId: 'alert-g2' })).toEqual(['g2/1/bob', 'g2/1/ann']);
    expect(await ids({ alertId: 'alert-g2', contactId: 'ann' })).toEqual(['g2/1/ann']);
    expect(await ids({ channel: 'sms' })).toEqual(all.filter((id) => id.endsWith('bob')));
    expect(await ids({ state: 'failed' })).toEqual([]);
    expect(await ids({ from: NOON + 1_000, to: NOON + 3_000 })).toEqual(['g2/1/bob', 'g2/1/ann', 'g1/1/bob', 'g1/1/ann']);
    for (const more of [{}, { contactId: 'bob' }, { alertId: 'alert-g2' }]) {
      const whole = await ids(more);
      const paged: string[] = [];
      for (let cursor: string | null = null; ; ) {
        const page: Page<Delivery> = await world.actor.ask({ kind: 'deliveries', query: { ...everything, ...more, limit: 1, cursor } });
        paged.push(...page.data.map(({ id }) => id));
        if ((cursor = page.nextCursor) === null) break;
      }
      expect(paged).toEqual(whole);
    }
    for (const cursor of ['junk', 'ju nk', Buffer.from('00000000abc').toString('base64url'), Buffer.from('contacts/ann').toString('base64url')]) {
      await expect(world.actor.ask({ kind: 'deliveries', query: { ...everything, cursor } }), cursor).rejects.toMatchObject({ code: 'bad_cursor' });
    }
    await world.tell({ ...noticeOf('many', 1, ['ann']), others: ['unnamed-1', 'unnamed-2'], alertCount: 3 });
    expect(await ids({ alertId: 'unnamed-2' })).toEqual(['many/1/ann']);
    expect((await world.actor.ask({ kind: 'explainDeliveries', alertId: 'unnamed-2', contactId: null })).at(-1)).toMatchObject({ step: 'delivery', outcome: 'passed', contactId: 'ann' });
    expect(await world.actor.ask({ kind: 'delivery', id: 'g1/1/ann' })).toEqual(world.delivery('g1/1', 'ann'));
    expect(await world.actor.ask({ kind: 'delivery', id: 'g1/1/zoe' })).toBe(null);
  });

  test('why somebody was told, and why somebody was not', async () => {
    const world = await worldWith(contactOf('ann', ['sms', 'email']), contactOf('bob', { INFO: [], WARN: [], CRITICAL: ['sms'] }), contactOf('cid', ['sms'], { subscription: { severityMin: 'CRITICAL', regions: [] } }));
    world.scripts.sms = () => rejected();
    await world.tell(noticeOf('g', 1, ['ann', 'bob', 'gone'], { subscribers: true }));
    const explain = (contactId: string | null) => world.actor.ask({ kind: 'explainDeliveries', alertId: 'alert-g', contactId });
    expect((await explain('ann')).map(({ step, outcome }) => [step, outcome])).toEqual([
      ['preference', 'passed'],
      ['channel', 'passed'],
      ['delivery', 'stopped'],
      ['channel', 'passed'],
      ['channel', 'passed'],
      ['delivery', 'passed'],
    ]);
    expect(await explain('bob')).toMatchObject([{ step: 'preference', outcome: 'stopped', reason: expect.stringContaining('wants no messages of severity WARN') }]);
    expect(await explain('cid')).toMatchObject([{ step: 'preference', outcome: 'stopped', reason: expect.stringContaining('did not ask for WARN') }]);
    expect((await explain(null)).some(({ contactId, reason }) => contactId === 'gone' && reason.includes('no contact gone'))).toBe(true);
  });

  test('a test goes past quiet hours, digest and limits, by the one channel, and says what happened', async () => {
    const always = { spans: [{ days: [], from: '00:00', to: '00:00' }], exceptFrom: 'CRITICAL' as const };
    const world = await worldWith(contactOf('ann', ['sms', 'email'], { quietHours: always, digest: { severityMax: 'WARN', everyMs: HOUR }, perHourMax: 1 }, { unsubscribed: { push: NOON } }));
    const sent = [await world.actor.ask({ kind: 'sendTest', contactId: 'ann', channel: 'email' }), await world.actor.ask({ kind: 'sendTest', contactId: 'ann', channel: 'email' })];
    expect(sent.map(({ state }) => state)).toEqual(['sent', 'sent']);
    world.scripts.email = () => retry();
    expect(await world.actor.ask({ kind: 'sendTest', contactId: 'ann', channel: 'email' })).toMatchObject({ state: 'failed', attempts: 1, reason: 'test' });
    world.scripts.email = () => unknown(true);
    expect(steps(await world.actor.ask({ kind: 'sendTest', contactId: 'ann', channel: 'email' }))).toEqual(['queued', 'attempt', 'unknown', 'failed']);
    world.scripts.email = () => rejected();
    expect(steps(await world.actor.ask({ kind: 'sendTest', contactId: 'ann', channel: 'email' }))).toEqual(['queued', 'attempt', 'rejected', 'failed']);
    await world.run(HOUR);
    expect(world.handed.length).toBe(5);
    await expect(world.actor.ask({ kind: 'sendTest', contactId: 'zoe', channel: 'email' })).rejects.toMatchObject({ code: 'unknown_contact' });
    await expect(world.actor.ask({ kind: 'sendTest', contactId: 'ann', channel: 'push' })).rejects.toMatchObject({ code: 'channel_off' });
  });

  test('a test whose engine dies has failed, and who asked hears that it is away', async () => {
    const world = await worldWith(contactOf('ann', ['email']));
    world.scripts.email = () => hangs;
    const asked = world.actor.ask({ kind: 'sendTest', contactId: 'ann', channel: 'email' });
    await world.run();
    await Promise.all([expect(asked).rejects.toMatchObject({ code: 'unavailable', retryable: true }), world.actor.stop(0), world.run(1)]);
    world.restart();
    await world.run(HOUR);
    expect(world.handed.length).toBe(1);
    expect([...world.deliveries.values()].map(({ state }) => state)).toEqual(['failed']);
  });

  test('people are asked and changed by the same way, and an unsubscription by its token', async () => {
    const world = await worldWith(contactOf('ann', ['email']));
    const { channels: _, ...rest } = contactOf('x', ['email']).preferences;
    const made = await world.actor.ask({ kind: 'makeContact', contact: { name: 'New', zone: 'UTC', locale: 'en', addresses: contactOf('x', []).addresses, preferences: { ...rest, channels: contactOf('x', ['email']).preferences.channels } } });
    expect(await world.actor.ask({ kind: 'contact', id: made.id })).toEqual(made);
    await expect(world.actor.ask({ kind: 'changeContact', id: made.id, version: 7, change: { name: 'Other' } })).rejects.toMatchObject({ code: 'stale_version' });
    const subscription = { contactId: 'ann', name: 'Person ann', locale: world.people.contact('ann')!.locale, channel: 'email', stoppedAt: null };
    expect(await world.actor.ask({ kind: 'subscription', token: 'ok:ann' })).toEqual(subscription);
    expect(await world.actor.ask({ kind: 'unsubscribe', token: 'ok:ann' })).toEqual({ ...subscription, stoppedAt: NOON });
    for (const kind of ['subscription', 'unsubscribe', 'resubscribe'] as const) await expect(world.actor.ask({ kind, token: 'forged' })).rejects.toMatchObject({ code: 'invalid_token' });
    world.restart();
    expect(world.people.contact('ann')!.unsubscribed.email).toBe(NOON);
    expect(await world.actor.ask({ kind: 'subscription', token: 'ok:ann' })).toEqual({ ...subscription, stoppedAt: NOON });
  });

  test('a channel that was stopped is turned on again by the same link, or by who runs the grid', async () => {
    const world = await worldWith(contactOf('ann', ['email'], {}, { unsubscribed: { email: NOON, sms: NOON } }));
    expect(await world.actor.ask({ kind: 'resubscribe', token: 'ok:ann' })).toMatchObject({ channel: 'email', stoppedAt: null });
    const { version, unsubscribed } = world.people.contact('ann')!;
    expect(unsubscribed).toEqual({ sms: NOON });
    await expect(world.actor.ask({ kind: 'resumeChannel', id: 'ann', version: version - 1, channel: 'sms' })).rejects.toMatchObject({ code: 'stale_version' });
    expect(await world.actor.ask({ kind: 'resumeChannel', id: 'ann', version, channel: 'sms' })).toMatchObject({ version: version + 1, unsubscribed: {} });
    // One that is on stays as it is.
    expect(await world.actor.ask({ kind: 'resumeChannel', id: 'ann', version: null, channel: 'push' })).toMatchObject({ version: version + 1 });
    world.restart();
    await world.tell(noticeOf('g', 1, ['ann']));
    expect(world.delivery('g/1', 'ann').state).toBe('sent');
  });

  test('a preview is a message that is not sent', async () => {
    const world = await worldWith(contactOf('ann', ['email']));
    expect(await world.actor.ask({ kind: 'preview', contactId: 'ann', channel: 'sms', severity: 'CRITICAL' })).toEqual({ subject: '1 notices by sms', text: '', html: null, pictures: [] });
    await expect(world.actor.ask({ kind: 'preview', contactId: 'zoe', channel: 'sms', severity: 'CRITICAL' })).rejects.toMatchObject({ code: 'unknown_contact' });
    world.renderFails = true;
    await expect(world.actor.ask({ kind: 'preview', contactId: 'ann', channel: 'sms', severity: 'CRITICAL' })).rejects.toMatchObject({ code: 'render_failed' });
    expect(world.handed).toEqual([]);
  });
});

describe('bounds', () => {
  test('past the most that may be open notices stay in their table, and go later', async () => {
    const world = new NotificationsWorld();
    for (let i = 0; i < 10; i++) await world.addContact(contactOf(`p${i}`, ['email']));
    world.start({}, 5);
    world.scripts.email = async () => {
      await new Promise<void>((resolve) => world.time.after(1_000, resolve));
      return accepted;
    };
    for (let i = 0; i < 10; i++) await world.tell(noticeOf(`g${i}`, 1, [`p${i}`]));
    expect(world.actor.figures().open).toBe(5);
    await world.run(MINUTE);
    expect(world.handed.length).toBe(10);
  });

  test('receipts of one delivery stay few', async () => {
    const world = await worldWith(contactOf('ann', ['sms']));
    world.scripts.sms = ({ attempt }) => (attempt % 2 === 0 ? retry({ isProvider: false }) : unknown(false));
    await world.tell(noticeOf('g', 1, ['ann']));
    await world.run(48 * HOUR);
    const { receipts } = world.delivery('g/1', 'ann');
    expect(receipts.length).toBeLessThanOrEqual(60);
    expect(receipts[0].step).toBe('queued');
  });
});
