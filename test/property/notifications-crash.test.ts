import { describe, expect, test } from 'vitest';
import type { ChannelName } from '../../src/model/contact.ts';
import type { Notice } from '../../src/model/notice.ts';
import { accepted, contactOf, noticeOf, NotificationsWorld, rejected, retry, unknown, type Step } from '../support/notifications-world.ts';

/**
 * One scenario, cut at every step that there is: in each commit, lost or kept, before each call of a provider and after it. Each time the engine starts again, and what people got is compared with what they were
 * to get.
 */

const MINUTE = 60_000;

/** Notices of the scenario, and when they are told, minutes after the start. */
const TOLD: { atMinute: number; notices: Notice[] }[] = [
  { atMinute: 0, notices: [noticeOf('a', 1, ['safe', 'lookup', 'blind']), noticeOf('b', 1, ['fails'])] },
  { atMinute: 1, notices: [noticeOf('c', 1, ['digest'], { severity: 'INFO' }), noticeOf('d', 1, ['digest'], { severity: 'INFO' }), noticeOf('e', 1, ['lookup', 'limited'])] },
  { atMinute: 2, notices: [noticeOf('f', 1, ['limited']), noticeOf('g', 1, ['limited'])] },
  { atMinute: 30, notices: [noticeOf('a', 2, ['safe'], { reason: 'resolved' })] },
];

/** What people are to get of it: notice and person. */
const WANTED = [...['safe', 'lookup', 'blind'].map((id) => `a/1/${id}`), 'b/1/fails', 'c/1/digest', 'd/1/digest', 'e/1/lookup', 'e/1/limited', 'f/1/limited', 'g/1/limited', ...['safe', 'lookup', 'blind'].map((id) => `a/2/${id}`)];

interface Life {
  world: NotificationsWorld;
  steps: number;
}

/** Runs it; dies at the step of that number in that way. */
async function live(cutAt: number, kind: Step['kind'] | null): Promise<Life> {
  const world = new NotificationsWorld();
  let steps = 0;
  world.onStep = (kinds) => (steps++ === cutAt && kind !== null && kinds.includes(kind) ? kind : null);
  await world.addContact(contactOf('safe', ['push']));
  await world.addContact(contactOf('lookup', ['sms']));
  await world.addContact(contactOf('blind', ['live']));
  await world.addContact(contactOf('fails', ['sms', 'email']));
  await world.addContact(contactOf('digest', ['push'], { digest: { severityMax: 'INFO', everyMs: 10 * MINUTE } }));
  await world.addContact(contactOf('limited', ['email'], { perHourMax: 1 }));
  const calls = new Map<ChannelName, number>();
  const callOf = (channel: ChannelName): number => {
    calls.set(channel, (calls.get(channel) ?? 0) + 1);
    return calls.get(channel)!;
  };
  world.scripts.push = () => (callOf('push') === 1 ? unknown(true) : accepted);
  world.scripts.sms = ({ contactId }) => (contactId === 'fails' ? rejected() : callOf('sms') === 1 ? unknown(true) : accepted);
  world.scripts.live = () => (callOf('live') === 1 ? retry({ isProvider: false }) : accepted);
  world.start();
  let minute = 0;
  for (const { atMinute, notices } of TOLD) {
    await world.run((atMinute - minute) * MINUTE);
    minute = atMinute;
    await world.tell(...notices);
  }
  await world.run(180 * MINUTE);
  return { world, steps };
}

/** What is wrong with what people got; empty when nothing is. */
function faults({ world }: Life, blindMax: number): string[] {
  const found: string[] = [];
  if (world.failures.length > 0) found.push(`it failed: ${String(world.failures[0])}`);
  if (world.actor.figures().open > 0) found.push(`${world.actor.figures().open} deliveries are not finished`);
  for (const wanted of WANTED) {
    const [group, number, contactId] = wanted.split('/');
    const got = world.to(contactId).filter(({ went, noticeIds }) => went && noticeIds.includes(`${group}/${number}`));
    if (got.length === 0) found.push(`${wanted} never came`);
    // A repetition of the same message is seen once where the channel is safe.
    const seen = new Set(got.map(({ channel, messageId }, i) => (world.repeats[channel] === 'safe' ? `${channel} ${messageId}` : `${channel} ${i}`))).size;
    if (seen > (contactId === 'blind' ? blindMax : 1)) found.push(`${wanted} came ${seen} times`);
  }
  const unwanted = world.handed.flatMap(({ contactId, noticeIds }) => noticeIds.map((id) => `${id}/${contactId}`)).filter((id) => !WANTED.includes(id));
  if (unwanted.length > 0) found.push(`nobody wanted ${unwanted.join(', ')}`);
  return found;
}

describe('a killed engine', () => {
  test('the scenario as it goes by itself', async () => {
    const life = await live(-1, null);
    expect(faults(life, 1)).toEqual([]);
    expect(life.world.to('limited').map(({ noticeIds }) => noticeIds)).toEqual([['e/1'], ['f/1', 'g/1']]);
    expect(life.steps).toBeGreaterThan(40);
  });

  test.each(['lost', 'kept', 'call', 'answer'] as const)('cut at any step (%s), everything goes out, and at most once more where nobody can know', async (kind) => {
    const { steps } = await live(-1, null);
    const wrong: Record<number, string[]> = {};
    let repeated = 0;
    for (let cutAt = 0; cutAt < steps; cutAt++) {
      const life = await live(cutAt, kind);
      const found = faults(life, 2);
      if (found.length > 0) wrong[cutAt] = found;
      if (life.world.to('blind').filter(({ went, noticeIds }) => went && noticeIds.includes('a/1')).length === 2) repeated++;
    }
    expect(wrong).toEqual({});
    // The check could find something: a blind channel was told twice, once, where its answer was lost.
    if (kind === 'answer') expect(repeated).toBeGreaterThan(0);
  });

  test('a disk that is full at any commit stops it, and after a restart nothing is lost', async () => {
    const wrong: Record<number, string[]> = {};
    let failed = 0;
    for (let cutAt = 0; cutAt < 100; cutAt++) {
      const life = await fillDisk(cutAt);
      if (life === null) break;
      failed++;
      const found = faults(life, 2);
      if (found.length > 0) wrong[cutAt] = found;
    }
    expect(wrong).toEqual({});
    expect(failed).toBeGreaterThan(15);
  });
});

/** As `live`, but the commit of that number fails, and the supervisor starts the actor again. null: there was none. */
async function fillDisk(commit: number): Promise<Life | null> {
  const world = new NotificationsWorld();
  let commits = 0;
  let hasFailed = false;
  world.onStep = (kinds) => {
    if (kinds.includes('lost') && commits++ === commit) {
      hasFailed = true;
      world.store.failNext('storage_full');
    }
    return null;
  };
  for (const contact of [contactOf('safe', ['push']), contactOf('lookup', ['sms']), contactOf('blind', ['live']), contactOf('fails', ['sms', 'email']), contactOf('digest', ['push'], { digest: { severityMax: 'INFO', everyMs: 10 * MINUTE } }), contactOf('limited', ['email'], { perHourMax: 1 })]) await world.addContact(contact);
  world.scripts.sms = ({ contactId }) => (contactId === 'fails' ? rejected() : accepted);
  const onFailure = (error: unknown): void => {
    expect(error).toMatchObject({ code: 'storage_full' });
    queueMicrotask(() => {
      world.kill();
      world.start({ onFailure });
    });
  };
  world.start({ onFailure });
  let minute = 0;
  for (const { atMinute, notices } of TOLD) {
    await world.run((atMinute - minute) * MINUTE);
    minute = atMinute;
    await world.tell(...notices);
  }
  await world.run(180 * MINUTE);
  return hasFailed ? { world, steps: 0 } : null;
}
