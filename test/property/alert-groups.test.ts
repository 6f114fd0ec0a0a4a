import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Severity } from '../../src/model/anomaly.ts';
import type { Notice } from '../../src/model/notice.ts';
import { GroupWorld } from '../support/alert-groups.ts';

/** Whatever happens to alerts, in any order: what groups must always keep to, and that a restart between any two steps changes nothing. */

const S = 1_000;
const M = 60 * S;
const SEED = 20261127;
const METERS = ['m1', 'm2', 'm3'];

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('raise' as const), meter: fc.constantFrom(...METERS), severity: fc.constantFrom<Severity>('INFO', 'WARN', 'CRITICAL'), region: fc.constantFrom('north', 'south') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('clear' as const), meter: fc.constantFrom(...METERS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), meter: fc.constantFrom(...METERS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('silence' as const), meter: fc.constantFrom(...METERS), minutes: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rules' as const), document: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.oneof(fc.integer({ min: 0, max: 40 * S }), fc.integer({ min: M, max: 90 * M })) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const ESCALATIONS = [{ name: 'duty', rounds: 2, levels: [{ after: '0s', notify: ['contact:ada'] }, { after: '7m', notify: ['contact:gone'] }, { after: '10m', notify: ['contact:ben', 'subscribers'] }] }];
const DOCUMENTS = [
  { routes: [{ name: 'bad', match: { severities: ['CRITICAL'] }, escalation: 'duty', repeatInterval: '1h' }, { name: 'all', groupBy: ['region'], repeatInterval: '1h' }], escalations: ESCALATIONS },
  { routes: [{ name: 'all', groupBy: ['region'], groupInterval: '2m', repeatInterval: '30m', escalation: 'duty' }], escalations: ESCALATIONS },
  { routes: [{ name: 'north', match: { regions: ['north'] }, groupBy: [] }] },
];

interface Run {
  notices: Notice[];
  /** Ids of alerts that were acknowledged or kept back at the time of each notice. */
  quiet: Map<string, Set<string>>;
  world: GroupWorld;
}

async function run(steps: readonly Step[], isRestarting: boolean): Promise<Run> {
  const world = new GroupWorld(DOCUMENTS[0], ['ada', 'ben']);
  // Contacts are durable from the first commit on.
  await world.tick();
  const quiet = new Map<string, Set<string>>();
  const lastStart = new Map<string, number>();
  const note = (notices: readonly Notice[]) => {
    const ids = [...world.book.active()].filter(({ state, suppression }) => state === 'acknowledged' || suppression !== null).map(({ id }) => id);
    for (const { id } of notices) quiet.set(id, new Set(ids));
  };
  for (const [i, what] of steps.entries()) {
    const open = 'meter' in what ? [...world.book.active()].find(({ meterId }) => meterId === what.meter) : undefined;
    switch (what.do) {
      case 'raise': {
        const startedAt = open === undefined ? i : lastStart.get(what.meter)!;
        lastStart.set(what.meter, startedAt);
        await world.raise(what.meter, { severity: what.severity, region: what.region, startedAt });
        break;
      }
      case 'clear':
        if (open !== undefined) await world.clear(what.meter, { startedAt: lastStart.get(what.meter)! });
        break;
      case 'acknowledge':
        if (open?.state === 'open') await world.acknowledge(what.meter);
        break;
      case 'silence': {
        const match = { types: [], severities: [], rules: [], regions: [], meters: [what.meter], components: [] };
        const silence = { kind: 'silence', match, startsAt: world.nowMs, endsAt: world.nowMs + what.minutes * M, createdBy: 'ada', comment: '' } as const;
        await world.change(world.book.makeSilence(silence, world.nowMs).changes);
        break;
      }
      case 'rules':
        await world.setRules(DOCUMENTS[what.document]);
        break;
      case 'pass': {
        const endMs = world.nowMs + what.ms;
        // In pieces, so that what is quiet is known as of each notice.
        while (world.nowMs < endMs) note(await world.pass(Math.min(endMs - world.nowMs, Math.max(1, Math.min(world.groups.nextDueMs(), world.book.nextDueMs()) - world.nowMs))));
        break;
      }
    }
    if (isRestarting) world.restart();
  }
  return { notices: world.notices, quiet, world };
}

test('groups keep to their rules', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const { notices, quiet, world } = await run(steps, false);
      const told = new Map<string, Set<string>>();
      expect(new Set(notices.map(({ id }) => id)).size).toBe(notices.length);
      for (const { id, group, reason, alerts, recipients, subscribers, alertCount, resolvedCount } of notices) {
        expect(alerts.length).toBeGreaterThan(0);
        expect(alertCount).toBe(alerts.length);
        expect(resolvedCount).toBe(alerts.filter(({ state }) => state === 'resolved').length);
        expect(recipients.length > 0 || subscribers).toBe(true);
        expect(reason === 'resolved').toBe(resolvedCount === alertCount);
        let known = told.get(group);
        if (known === undefined) told.set(group, (known = new Set()));
        for (const alert of alerts) {
          // That something is over hears only who knew of it.
          if (alert.state === 'resolved') expect(known.has(alert.id)).toBe(true);
          // Once.
          if (alert.state === 'resolved') known.delete(alert.id);
          else known.add(alert.id);
          if (reason === 'repeated' || reason === 'escalated') expect([alert.state, quiet.get(id)!.has(alert.id)]).toEqual(['open', false]);
        }
      }
      // What is open and not kept back is told of within the longest wait, if it has a route.
      const before = new Map([...world.book.active()].filter(({ state, suppression }) => state === 'open' && suppression === null).map((alert) => [alert.id, alert.group]));
      await world.pass(6 * M);
      for (const [id, group] of before) {
        if (group === null) continue;
        expect(world.notices.some((notice) => notice.group === group && notice.alerts.some((alert) => alert.id === id)), id).toBe(true);
      }
      // What is over leaves nothing behind.
      for (const meterId of METERS) {
        const open = [...world.book.active()].find((alert) => alert.meterId === meterId);
        if (open !== undefined) await world.change(world.book.resolve(open.id, null, 'ada', null, world.nowMs).changes);
      }
      await world.pass(6 * M);
      expect([world.groups.size, world.groups.nextDueMs()]).toEqual([0, Infinity]);
      expect(world.store.table('groups').count() + world.store.table('group-members').count()).toBe(0);
    }),
    { numRuns: 300, seed: SEED },
  );
}, 120_000);

/** Groups that are due at the same time have no order. */
function inOrder({ notices }: Run): Notice[] {
  return notices.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}

test('a restart after every step changes no notice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      expect(inOrder(await run(steps, true))).toEqual(inOrder(await run(steps, false)));
    }),
    { numRuns: 200, seed: SEED },
  );
}, 120_000);
