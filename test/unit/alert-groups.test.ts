import { describe, expect, test } from 'vitest';
import type { Notice } from '../../src/model/notice.ts';
import { Wording } from '../../src/actors/notifications/templates/wording.ts';
import { GroupWorld, START_MS } from '../support/alert-groups.ts';
import { raised } from '../support/alert-signals.ts';

const S = 1_000;
const M = 60 * S;
const H = 60 * M;

/** What a test cares for: seconds, reason, meters by name, who. */
function said({ reason, alerts, level, recipients, subscribers, at }: Notice): string {
  const what = alerts.map(({ meterId, state }) => (state === 'resolved' ? `${meterId} over` : meterId)).sort().join(' ');
  const who = [...recipients, ...(subscribers ? ['subscribers'] : [])].join(' ');
  return `${(at - START_MS) / S} ${reason}${level > 0 ? ` ${level}` : ''}: ${what} → ${who}`;
}
const allSaid = (notices: Notice[]) => notices.map(said);

describe('a group', () => {
  test('waits for more of its kind, and then tells once of all', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    expect(await world.pass(14 * S)).toEqual([]);
    await world.raise('m2');
    expect(allSaid(await world.pass(10 * M))).toEqual(['15 new: m1 m2 → subscribers']);
  });

  test('tells of what changed no sooner than its interval after', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.pass(M);
    await world.raise('m2');
    await world.clear('m1');
    expect(allSaid(await world.pass(10 * M))).toEqual(['315 changed: m1 over m2 → subscribers']);
    await world.pass(M);
    await world.raise('m3');
    // Long after the last notice what comes still waits for more of its kind.
    expect(allSaid(await world.pass(10 * M))).toEqual(['735 changed: m2 m3 → subscribers']);
  });

  test('repeats what goes on, and each time by the clock of the last', async () => {
    const world = new GroupWorld({ routes: [{ name: 'all', repeatInterval: '1h' }] });
    await world.raise('m1');
    expect(allSaid(await world.pass(2.5 * H))).toEqual(['15 new: m1 → subscribers', '3615 repeated: m1 → subscribers', '7215 repeated: m1 → subscribers']);
  });

  test('never repeats what somebody has acknowledged, and names it no more', async () => {
    const world = new GroupWorld({ routes: [{ name: 'all', repeatInterval: '1h' }] });
    await world.raise('m1');
    await world.raise('m2');
    await world.pass(M);
    await world.acknowledge('m1');
    expect(allSaid(await world.pass(1.5 * H))).toEqual(['3615 repeated: m2 → subscribers']);
    await world.acknowledge('m2');
    expect(await world.pass(9 * H)).toEqual([]);
  });

  test('tells nobody of what was acknowledged before anybody was told, nor that it is over', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.acknowledge('m1');
    expect(await world.pass(H)).toEqual([]);
    await world.clear('m1');
    expect(await world.pass(H)).toEqual([]);
    expect(world.groups.size).toBe(0);
  });

  test('tells once that it is over, to those who were told, and ends', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.pass(M);
    await world.clear('m1');
    expect(allSaid(await world.pass(9 * H))).toEqual(['315 resolved: m1 over → subscribers']);
    expect(world.groups.size).toBe(0);
    world.restart();
    expect(world.groups.size).toBe(0);
    expect(await world.pass(9 * H)).toEqual([]);
  });

  test('tells nothing of what was over before it told', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.pass(5 * S);
    await world.clear('m1');
    expect(await world.pass(H)).toEqual([]);
    const id = [...world.book.list({ state: null, type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: Infinity, limit: 1, cursor: null }).data][0].id;
    expect(world.book.explain(id).decisions.at(-1)).toMatchObject({ step: 'grouping', outcome: 'stopped' });
  });

  test('of the same name after its end is another, whose notices have other ids', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.clear('m1');
    await world.raise('m1', { startedAt: 1 });
    await world.pass(M);
    world.restart();
    await world.clear('m1', { startedAt: 1 });
    await world.pass(H);
    await world.raise('m1', { startedAt: 2 });
    await world.pass(M);
    expect(world.notices).toHaveLength(3);
    expect(new Set(world.notices.map(({ id }) => id)).size).toBe(3);
    expect(new Set(world.notices.map(({ group }) => group)).size).toBe(2);
  });

  test('says so when it becomes worse, not when it becomes better', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.pass(M);
    await world.raise('m1', { severity: 'INFO' });
    expect(await world.pass(10 * M)).toEqual([]);
    await world.raise('m1', { severity: 'CRITICAL' });
    const [worse] = await world.pass(10 * M);
    expect(worse).toMatchObject({ reason: 'changed', severity: 'CRITICAL' });
  });

  test('goes on without a word when what was over turns out not to be', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.pass(M);
    await world.clear('m1');
    await world.pass(10 * S);
    await world.raise('m1');
    // Long enough for the book to believe it.
    expect(allSaid(await world.pass(5 * H))).toEqual(['14415 repeated: m1 → subscribers']);
  });

  test('has the worst of many in view, and counts the rest', async () => {
    const world = new GroupWorld({ routes: [{ name: 'all', groupBy: [] }] });
    await world.signal(...Array.from({ length: 50 }, (_, i) => raised({ meterId: `m${i}`, region: `r${i % 3}`, severity: i === 40 ? 'CRITICAL' : 'WARN', startedAt: i })));
    const [notice] = await world.pass(M);
    expect(notice.alertCount).toBe(50);
    expect(notice.alerts).toHaveLength(20);
    expect(notice.alerts.map(({ meterId }) => meterId).slice(0, 3)).toEqual(['m40', 'm0', 'm1']);
    expect(notice.regions).toEqual(['r0', 'r1', 'r2']);
    expect(notice.severity).toBe('CRITICAL');
  });

  test('keeps its notices to a bounded number in a tick, and loses none', async () => {
    const world = new GroupWorld({ routes: [{ name: 'all', groupBy: ['meter'] }] });
    await world.signal(...Array.from({ length: 1_200 }, (_, i) => raised({ meterId: `m${i}` })));
    world.nowMs += 15 * S;
    await world.tick();
    expect(world.notices).toHaveLength(500);
    expect(world.groups.nextDueMs()).toBeLessThanOrEqual(world.nowMs);
    await world.pass(0);
    expect(world.notices).toHaveLength(1_200);
  });
});

describe('what is kept back', () => {
  const silence = (world: GroupWorld, minutes: number) =>
    world.change(
      world.book.makeSilence(
        {
          kind: 'silence',
          match: { types: [], severities: [], rules: [], regions: [], meters: ['m1'], components: [] },
          startsAt: world.nowMs,
          endsAt: world.nowMs + minutes * M,
          createdBy: 'ada',
          comment: '',
        },
        world.nowMs,
      ).changes,
    );

  test('is left out, and a group of nothing else tells nobody', async () => {
    const world = new GroupWorld();
    await silence(world, 60);
    await world.raise('m1');
    expect(await world.pass(10 * M)).toEqual([]);
    await world.raise('m2');
    expect(allSaid(await world.pass(10 * M))).toEqual(['615 new: m2 → subscribers']);
  });

  test('is told when nothing keeps it back any more, though people knew of it before', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.pass(M);
    await silence(world, 60);
    expect(allSaid(await world.pass(2 * H))).toEqual([`${60 + 3600 + 15} changed: m1 → subscribers`]);
  });

  test('by a silence ends in silence', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.pass(M);
    await silence(world, 60);
    await world.pass(M);
    await world.clear('m1');
    expect(await world.pass(2 * H)).toEqual([]);
  });

  test('by another alert is told to be over by those who knew', async () => {
    const inhibitions = [{ name: 'dark', source: { types: ['REGIONAL_OVERLOAD'] }, target: { types: ['METER_OUTAGE'] } }];
    const world = new GroupWorld({ inhibitions });
    await world.raise('m1');
    await world.pass(M);
    await world.signal(raised({ rule: 'overload', type: 'REGIONAL_OVERLOAD', kind: 'regional_load' }));
    expect(world.alertOf('m1').suppression?.by).toBe('inhibition');
    await world.clear('m1');
    expect(allSaid(await world.pass(H)).filter((text) => text.includes('m1'))).toEqual(['315 resolved: m1 over → subscribers']);
  });
});

describe('routes', () => {
  const ROUTES = [
    { name: 'bad', match: { severities: ['CRITICAL'] }, groupBy: ['meter'] },
    { name: 'north', match: { regions: ['north'] } },
  ];

  test('the first that matches takes an alert, and what none takes is told to nobody', async () => {
    const world = new GroupWorld({ routes: ROUTES });
    await world.raise('m1', { severity: 'CRITICAL' });
    await world.raise('m2');
    await world.raise('m3', { region: 'south' });
    expect(allSaid(await world.pass(M))).toEqual(['15 new: m1 → subscribers', '15 new: m2 → subscribers']);
    const { alert, decisions } = world.book.explain(world.alertOf('m3').id);
    expect(alert.group).toBeNull();
    expect(decisions.filter(({ step }) => step === 'route')).toMatchObject([{ outcome: 'stopped' }]);
  });

  test('one whose way changes as it becomes worse is new in the other group', async () => {
    const world = new GroupWorld({ routes: ROUTES });
    await world.raise('m1');
    await world.pass(M);
    const before = world.alertOf('m1').group;
    await world.raise('m1', { severity: 'CRITICAL' });
    expect(world.alertOf('m1').group).not.toBe(before);
    expect(allSaid(await world.pass(M))).toEqual(['75 new: m1 → subscribers']);
    expect(world.groups.size).toBe(1);
  });

  test('new rules repeat nothing of groups that stay, by their new times', async () => {
    const world = new GroupWorld({ routes: [{ name: 'all', repeatInterval: '4h' }] });
    await world.raise('m1');
    await world.pass(M);
    await world.setRules({ routes: [{ name: 'all', repeatInterval: '1h' }] });
    expect(allSaid(await world.pass(1.5 * H))).toEqual(['3615 repeated: m1 → subscribers']);
  });

  test('a route that is gone leaves its group to say what is over, and nothing else', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    await world.raise('m2');
    await world.pass(M);
    await world.clear('m1');
    await world.setRules({ routes: [] });
    expect(world.alertOf('m2').group).toBeNull();
    // At once: it has no times any more.
    expect(allSaid(await world.pass(9 * H))).toEqual(['60 resolved: m1 over → subscribers']);
    expect(world.groups.size).toBe(0);
  });

  test('rules that changed while the engine was down count from its start', async () => {
    const world = new GroupWorld({ routes: [] });
    await world.raise('m1');
    await world.pass(M);
    world.rules = new GroupWorld().rules;
    world.restart();
    expect(allSaid(await world.pass(M))).toEqual(['75 new: m1 → subscribers']);
  });
});

describe('escalation', () => {
  const POLICY = {
    routes: [{ name: 'all', escalation: 'duty' }],
    escalations: [
      {
        name: 'duty',
        levels: [
          { after: '0s', notify: ['contact:ada'] },
          { after: '10m', notify: ['contact:ben', 'subscribers'] },
          { after: '20m', notify: ['contact:cleo'] },
        ],
      },
    ],
  };
  const PEOPLE = ['ada', 'ben', 'cleo'];

  test('goes from level to level until the last', async () => {
    const world = new GroupWorld(POLICY, PEOPLE);
    await world.raise('m1');
    expect(allSaid(await world.pass(3 * H))).toEqual(['15 new: m1 → ada', '615 escalated 1: m1 → ben subscribers', '1815 escalated 2: m1 → cleo']);
    const events = world.book.detail(world.alertOf('m1').id)!.history.map(({ kind }) => kind);
    expect(events).toEqual(['opened', 'notified', 'escalated', 'escalated']);
  });

  test('stops when every alert of the group is acknowledged or over', async () => {
    const world = new GroupWorld(POLICY, PEOPLE);
    await world.raise('m1');
    await world.raise('m2');
    await world.pass(M);
    await world.acknowledge('m1');
    expect(allSaid(await world.pass(10 * M))).toEqual(['615 escalated 1: m2 → ben subscribers']);
    await world.clear('m2');
    expect(allSaid(await world.pass(3 * H))).toEqual(['675 changed: m1 m2 over → ada ben subscribers']);
  });

  test('begins anew for what comes after everything was acknowledged', async () => {
    const world = new GroupWorld(POLICY, PEOPLE);
    await world.raise('m1');
    await world.pass(11 * M);
    await world.acknowledge('m1');
    await world.pass(M);
    await world.raise('m2');
    expect(allSaid(await world.pass(11 * M))).toEqual(['735 changed: m1 m2 → ada', '1335 escalated 1: m2 → ben subscribers']);
  });

  test('begins again after the last level, as often as it is told to', async () => {
    const escalations = [{ ...POLICY.escalations[0], rounds: 2 }];
    const world = new GroupWorld({ ...POLICY, escalations }, PEOPLE);
    await world.raise('m1');
    expect(allSaid(await world.pass(3 * H)).slice(3)).toEqual(['3015 escalated: m1 → ada', '3615 escalated 1: m1 → ben subscribers', '4815 escalated 2: m1 → cleo']);
  });

  test('a first level that waits is told after that time', async () => {
    const escalations = [{ name: 'duty', levels: [{ after: '5m', notify: ['contact:ada'] }] }];
    const world = new GroupWorld({ ...POLICY, escalations }, PEOPLE);
    await world.raise('m1');
    expect(allSaid(await world.pass(H))).toEqual(['315 new: m1 → ada']);
  });

  test('passes over a level that has nobody, and says why', async () => {
    const world = new GroupWorld(POLICY, ['cleo']);
    const escalations = [{ name: 'duty', levels: [{ after: '0s', notify: ['schedule:nights'] }, { after: '10m', notify: ['contact:gone'] }, { after: '20m', notify: ['contact:cleo'] }] }];
    await world.setRules({ ...POLICY, escalations });
    await world.raise('m1');
    expect(allSaid(await world.pass(H))).toEqual(['15 escalated 2: m1 → cleo']);
    const { decisions } = world.book.explain(world.alertOf('m1').id);
    expect(decisions.map(({ step, outcome, reason }) => `${step} ${outcome}: ${reason}`)).toEqual(
      expect.arrayContaining(['on_call stopped: The level names schedule nights, which does not exist.', 'escalation stopped: The level names contact gone, who does not exist.']),
    );
  });

  test('tells who is on call at that time, and those who were told that it is over', async () => {
    const escalations = [{ name: 'duty', levels: [{ after: '0s', notify: ['schedule:days'] }] }];
    const world = new GroupWorld({ ...POLICY, escalations }, PEOPLE);
    world.people.makeSchedule(
      { name: 'days', zone: 'UTC', layers: [{ name: 'all', people: ['ada', 'ben'], startsOn: '2026-06-01', handoffAt: '12:02', turnDays: 1, restrictions: [] }] },
      world.nowMs,
      () => 'days',
    );
    // 12:00 to 12:02: nobody yet.
    world.people.override('days', null, { contactId: 'cleo', from: world.nowMs, to: world.nowMs + 2 * M, by: 'ada', why: '' }, world.nowMs, () => 'o1');
    await world.raise('m1');
    await world.pass(3 * M);
    await world.raise('m2');
    await world.pass(10 * M);
    await world.clear('m1');
    await world.clear('m2');
    await world.pass(H);
    expect(allSaid(world.notices)).toEqual(['15 new: m1 → cleo', '315 changed: m1 m2 → ada', '795 resolved: m1 over m2 over → cleo ada']);
  });
});

describe('a restart', () => {
  const POLICY = { routes: [{ name: 'all', escalation: 'duty', repeatInterval: '2h' }], escalations: [{ name: 'duty', levels: ['ada', 'ben', 'cleo'].map((id, i) => ({ after: `${i * 10}m`, notify: [`contact:${id}`] })) }] };

  /** What happens to two meters over some hours, with a restart every `restartMs`. */
  async function run(restartMs: number): Promise<Notice[]> {
    const world = new GroupWorld(POLICY, ['ada', 'ben', 'cleo']);
    const pass = async (ms: number) => {
      const endMs = world.nowMs + ms;
      while (world.nowMs < endMs) {
        await world.pass(Math.min(restartMs, endMs - world.nowMs));
        if (restartMs < Infinity) world.restart();
      }
    };
    await world.raise('m1');
    await pass(10 * S);
    await world.raise('m2');
    await pass(12 * M);
    await world.acknowledge('m1');
    await pass(20 * M);
    await world.clear('m2');
    await pass(2 * M);
    await world.raise('m3');
    await pass(5 * H);
    await world.clear('m1');
    await world.clear('m3');
    await pass(H);
    return world.notices;
  }

  test('in the middle of anything repeats nothing and forgets nothing', async () => {
    const whole = await run(Infinity);
    expect(whole.length).toBeGreaterThan(6);
    for (const restartMs of [31 * S, 61 * S, 299 * S]) expect(await run(restartMs)).toEqual(whole);
  });
});

describe('a clock', () => {
  test('that goes back makes nothing wait longer than from scratch', async () => {
    const world = new GroupWorld({ routes: [{ name: 'all', repeatInterval: '1h' }] });
    await world.raise('m1');
    await world.pass(M);
    await world.raise('m2');
    world.nowMs -= 30 * 24 * H;
    const startMs = world.nowMs;
    await world.tick();
    const notices = await world.pass(2 * H);
    expect(notices.map(({ reason, at }) => `${(at - startMs) / S} ${reason}`)).toEqual(['300 changed', '3900 repeated']);
  });

  test('that leaps ahead makes one notice of many repeats', async () => {
    const world = new GroupWorld({ routes: [{ name: 'all', repeatInterval: '1h' }] });
    await world.raise('m1');
    await world.pass(M);
    world.nowMs += 30 * 24 * H;
    await world.tick();
    expect(world.notices.map(({ reason }) => reason)).toEqual(['new', 'repeated']);
  });
});

describe('what a notice says of an alert', () => {
  test('names the worst, and knows of the others by their ids, a thousand in all', async () => {
    const world = new GroupWorld();
    for (let i = 0; i < 1_010; i++) await world.raise(`m${i}`);
    const [{ alerts, others, alertCount }] = await world.pass(M);
    expect([alerts.length, alertCount]).toEqual([20, 1_010]);
    const known = new Set([...alerts.map(({ id }) => id), ...others!]);
    expect(known.size).toBe(alerts.length + others!.length);
    expect(known.size).toBeGreaterThanOrEqual(1_000);
    expect(known.size).toBeLessThanOrEqual(1_020);
    const small = new GroupWorld();
    await small.raise('m1');
    expect((await small.pass(M))[0]).not.toHaveProperty('others');
  });

  test('has the figures of which another language makes its own text', async () => {
    const world = new GroupWorld();
    await world.raise('m1');
    const [{ alerts }] = await world.pass(M);
    const [message] = alerts;
    expect(message.facts).toEqual({ kind: 'outage', component: null, value: 0, threshold: null, unit: 'kW' });
    const { texts, formats } = new Wording({ locale: 'de-DE', zone: 'Europe/Berlin' }, START_MS);
    expect(texts.title(message, formats)).toBe('Zähler m1 ist ausgefallen');
  });
});
