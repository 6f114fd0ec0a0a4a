import { describe, expect, test } from 'vitest';
import { CHANNEL_NAMES, type ChannelName, type Contact } from '../../src/model/contact.ts';
import type { Delivery, Notice } from '../../src/model/notice.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { Random } from '../sim/random.ts';
import { accepted, contactOf, noticeOf, NotificationsWorld, rejected, retry, unknown, type Answer } from '../support/notifications-world.ts';

/** Providers that fail in every way, an engine that dies several times at any step, people of all habits: what nobody may see, whatever happens. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SEEDS = 150;

interface Outcome {
  faults: string[];
  deaths: number;
  states: string[];
}

async function chaos(seed: number): Promise<Outcome> {
  const random = new Random(seed);
  const world = new NotificationsWorld();
  for (const name of CHANNEL_NAMES) world.repeats[name] = random.pick(['safe', 'lookup', 'blind']);
  let deathsLeft = random.int(0, 4);
  let deaths = 0;
  const perStep = random.pick([0.01, 0.05, 0.2]);
  world.onStep = (kinds) => {
    if (deathsLeft === 0 || !random.chance(perStep)) return null;
    deathsLeft--;
    deaths++;
    return random.pick(kinds);
  };
  let trouble = random.pick([0, 0.2, 0.6]);
  const answer = (): Answer => {
    if (!random.chance(trouble)) return accepted;
    return random.pick([rejected(), retry({ isProvider: random.chance(0.5), retryAfterMs: random.pick([null, 5_000, 5 * MINUTE]) }), unknown(true), unknown(false)]);
  };
  for (const name of CHANNEL_NAMES) {
    const isSlow = random.chance(0.3);
    world.scripts[name] = async (_, handed) => {
      const given = answer();
      handed.went = given.went;
      if (isSlow) await new Promise<void>((resolve) => world.time.after(random.int(1, 20_000), resolve));
      return given;
    };
    world.lookups[name] = () => (random.chance(trouble / 2) ? 'unknown' : null);
  }
  const people: Contact[] = Array.from({ length: 4 }, (_, i) =>
    contactOf(`p${i}`, [random.pick(CHANNEL_NAMES), random.pick(CHANNEL_NAMES)], {
      quietHours: random.chance(0.3) ? { spans: [{ days: [], from: '12:10', to: '13:00' }], exceptFrom: 'CRITICAL' } : null,
      digest: random.chance(0.3) ? { severityMax: 'INFO', everyMs: random.int(1, 20) * MINUTE } : null,
      perHourMax: random.pick([2, 100]),
    }),
  );
  for (const contact of people) await world.addContact(contact);
  world.start();
  const told: Notice[] = [];
  const numbers = new Map<string, number>();
  for (let i = 0; i < random.int(2, 12); i++) {
    const group = random.pick(['a', 'b', 'c']);
    const number = (numbers.get(group) ?? 0) + 1;
    numbers.set(group, number);
    const reason = number > 1 && random.chance(0.3) ? 'resolved' : number === 1 ? 'new' : 'changed';
    const notice = noticeOf(group, number, people.filter(() => random.chance(0.6)).map(({ id }) => id), { severity: random.pick(['INFO', 'WARN', 'CRITICAL']), reason });
    told.push(notice);
    await world.tell(notice);
    await world.run(random.pick([0, 1_000, 30_000, 10 * MINUTE]));
  }
  await world.run(HOUR);
  // In the end all is well.
  trouble = 0;
  deathsLeft = 0;
  await world.run(12 * HOUR);
  // As it is on disk: what was said of a commit that ended with the engine, nobody heard.
  for (const { key, record } of new RecordTable<Delivery>(world.store, 'deliveries').range()) world.deliveries.set(key, record);
  return { faults: [...unfinished(world), ...told.flatMap((notice) => people.flatMap(({ id }) => faultsOf(world, notice, id)))], deaths, states: [...world.deliveries.values()].map(({ state }) => state) };
}

function unfinished(world: NotificationsWorld): string[] {
  const { open, channels } = world.actor.figures();
  const underWay = CHANNEL_NAMES.reduce((sum, name) => sum + channels[name].underWay, 0);
  const faults = world.failures.map((error) => `it failed: ${String(error)}`);
  if (open + underWay > 0) faults.push(`${open} are open, ${underWay} under way`);
  return faults;
}

function faultsOf(world: NotificationsWorld, notice: Notice, contactId: string): string[] {
  const faults: string[] = [];
  const delivery = world.deliveries.get(`${notice.id}/${contactId}`);
  const got = world.to(contactId).filter(({ noticeIds, went }) => went && noticeIds.includes(notice.id));
  if (delivery === undefined) return notice.reason !== 'resolved' && notice.recipients.includes(contactId) ? [`${notice.id} made no delivery for ${contactId}`] : [];
  for (const channel of new Set(got.map((handed) => handed.channel))) {
    const seen = timesSeen(world, channel, got);
    if (seen > (world.repeats[channel] === 'blind' ? 2 : 1)) faults.push(`${delivery.id} was seen ${seen} times by ${channel} (${world.repeats[channel]})`);
  }
  if (delivery.state === 'sent' && got.length === 0) faults.push(`${delivery.id} is called sent and never came`);
  // It ends without having come only for a newer one, or because it was over, or where all channels were tried.
  const code = delivery.receipts.at(-1)!.code;
  if (delivery.state === 'suppressed' && code !== 'replaced' && code !== 'not_told') faults.push(`${delivery.id} was kept back: ${code}`);
  if (delivery.state === 'failed' && !delivery.receipts.some(({ step }) => step === 'rejected' || step === 'unknown' || step === 'retry')) faults.push(`${delivery.id} failed without a try`);
  if (notice.reason === 'resolved' && got.length > 0) {
    const before = world.to(contactId).some(({ noticeIds, at }) => at <= got[0].at && noticeIds.some((id) => id !== notice.id && id.startsWith(`${notice.group}/`)));
    // Or it may have been: the engine died before it could know.
    const perhaps = [...world.deliveries.values()].some(({ group, contactId: id, receipts }) => group === notice.group && id === contactId && receipts.some(({ step }) => step === 'unknown'));
    if (!before && !perhaps) faults.push(`${delivery.id} tells the end of what was never told`);
  }
  return faults;
}

function timesSeen(world: NotificationsWorld, channel: ChannelName, got: { channel: ChannelName; messageId: string }[]): number {
  const ofChannel = got.filter((handed) => handed.channel === channel);
  return world.repeats[channel] === 'safe' ? new Set(ofChannel.map(({ messageId }) => messageId)).size : ofChannel.length;
}

describe('trouble of all kinds at once', () => {
  test('nothing is lost, nothing is heard more often than its channel allows, and all comes to an end', async () => {
    const wrong: Record<number, string[]> = {};
    const states = new Set<string>();
    let deaths = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await chaos(seed);
      if (outcome.faults.length > 0) wrong[seed] = outcome.faults;
      deaths += outcome.deaths;
      for (const state of outcome.states) states.add(state);
    }
    expect(wrong).toEqual({});
    expect([...states].sort()).toEqual(['failed', 'sent', 'suppressed']);
    expect(deaths).toBeGreaterThan(SEEDS / 2);
  }, 120_000);
});
