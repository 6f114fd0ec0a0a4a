import { expect, it } from 'vitest';
import { ShardEffects } from '../../src/actors/sinks/shard-effects.ts';
import type { ShardEffectsModules } from '../../src/actors/sinks/shard-effects.ts';
import { ALERTS_LANE, BILLING_LANE, type EffectBatch, type EffectSource } from '../../src/actors/sinks/protocol.ts';
import { ALERTS_PER_BATCH_MAX, BILLING_PER_BATCH_MAX, SupervisorEffects, type OutboxQuestion } from '../../src/actors/sinks/supervisor-effects.ts';
import { openWindowBlock } from '../../src/model/window-block.ts';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { exampleAlert } from '../support/example-alerts.ts';
import { exampleInvoice, invoiceEvent } from '../support/example-bills.ts';
import { deadLetter } from '../support/sink-batches.ts';

const START = 1_767_225_600_000;

function effects(answers: Record<string, (shard: number) => unknown>, isShared = false): ShardEffects {
  const ask = ((shard: number, { kind }: { kind: string }) => Promise.resolve(answers[kind](shard))) as ShardEffectsModules['ask'];
  const regionParts: ShardEffectsModules['regionParts'] = async () => [0, 1].flatMap((shard) => answers.regionPartsByKey(shard) as RegionPart[]);
  return new ShardEffects({ capacities: { r: 8 }, latenessMs: 30_000, isShared }, { ask, regionParts, clock: systemClock });
}

it('dead letters of two shards that were given the same id stay two, and the same when they are in other shards', async () => {
  const [one, two] = [deadLetter({ raw: '{"a":1}' }), deadLetter({ raw: '{"a":2}' })];
  let letters = [[one], [two]];
  const source = effects({ effects: (shard): EffectBatch => ({ shard, position: 'p', isLast: true, windows: new ArrayBuffer(0), windowCount: 0, regionWindows: [], anomalies: [], deadLetters: letters[shard], alerts: [], billing: [] }) });
  const ids = async (): Promise<string[]> => {
    const batches = await Promise.all([0, 1].map((shard) => source.read(shard, 'timescale', null, 10)));
    return batches.flatMap(({ deadLetters }) => deadLetters.map(({ id }) => id)).sort();
  };
  const before = await ids();
  expect(new Set(before).size).toBe(2);
  // The second had to move on by a place.
  letters = [[], [one, { ...two, id: '1767225600000-1-1', firstId: two.id }]];
  expect(await ids()).toEqual(before);
});

it('the very same letter in two partitions of a shared log is two', async () => {
  const letter = deadLetter({});
  const source = effects({ effects: (shard): EffectBatch => ({ shard, position: 'p', isLast: true, windows: new ArrayBuffer(0), windowCount: 0, regionWindows: [], anomalies: [], deadLetters: [letter], alerts: [], billing: [] }) }, true);
  const ids = async () => (await Promise.all([0, 1].map((shard) => source.read(shard, 'timescale', null, 10)))).map(({ deadLetters }) => deadLetters[0].id);
  const [one, two] = await ids();
  expect(one).not.toBe(two);
  expect(await ids()).toEqual([one, two]);
});

it('a regional window is the sum of what all shards have of it', async () => {
  const part = (powerHigh: number) => ({ region: 'r', granularity: '1m', windowStart: START, meters: 1, powerHigh: 0, powerLow: powerHigh * 1e9, energyHigh: 0, energyLow: 0, minPowerKw: powerHigh, maxPowerKw: powerHigh, changes: 10 + powerHigh });
  const source = effects({ regionPartsByKey: (shard) => [part(shard + 1)] });
  const shared = effects({ regionPartsByKey: (shard) => [part(shard + 1)] }, true);
  expect(await shared.regionWindows([{ region: 'r', granularity: '1m', windowStart: START }])).toMatchObject([{ sumPowerKw: 3, revision: 23 }]);
  expect(await source.regionWindows([{ region: 'r', granularity: '1m', windowStart: START }])).toMatchObject([{ revision: null, metersReporting: 2, sumPowerKw: 3, minPowerKw: 1, maxPowerKw: 2, capacityKw: 8, loadPercent: 37.5 }]);
});

it('what supervisors have is asked of them, so many at a time, and all else of the shards', async () => {
  const asked: (OutboxQuestion | string)[] = [];
  const shards: EffectSource = {
    read: async (shard) => { asked.push(`read ${shard}`); return { shard } as EffectBatch; },
    acknowledge: (shard, consumer, position) => void asked.push(`acknowledge ${shard} ${consumer} ${position}`),
    regionWindows: async () => { asked.push('regions'); return []; },
  };
  const alerts = [exampleAlert()];
  const events = [invoiceEvent(exampleInvoice())];
  const answering = <Piece extends object>(name: string, piece: Piece) => async (question: OutboxQuestion) => {
    asked.push(name, question);
    return question.kind === 'read' ? { ...piece, position: 'q', isLast: question.position === null } : null;
  };
  const source = new SupervisorEffects(shards, { alerts: answering('alerts', { alerts }), billing: answering('billing', { events }) });
  const nothing = { position: 'q', isLast: false, windowCount: 0, regionWindows: [], anomalies: [], deadLetters: [] };
  const batch = await source.read(ALERTS_LANE, 'kafka', 'p', 5_000);
  expect(batch).toMatchObject({ shard: ALERTS_LANE, ...nothing, alerts, billing: [] });
  expect(openWindowBlock(batch.windows).count).toBe(0);
  expect(await source.read(BILLING_LANE, 'kafka', 'p', 5_000)).toMatchObject({ shard: BILLING_LANE, ...nothing, alerts: [], billing: events });
  source.acknowledge(ALERTS_LANE, 'kafka', 'q');
  source.acknowledge(BILLING_LANE, 'kafka', 'r');
  await source.read(0, 'kafka', null, 5_000);
  source.acknowledge(0, 'kafka', 'r');
  await source.regionWindows([]);
  for (const lane of [ALERTS_LANE, BILLING_LANE]) expect(await source.read(lane, 'kafka', null, 10)).toMatchObject({ isLast: true });
  const first = { kind: 'read', consumer: 'kafka', position: 'p' };
  const last = { kind: 'read', consumer: 'kafka', position: null, max: 10 };
  expect(asked).toEqual([
    'alerts', { ...first, max: ALERTS_PER_BATCH_MAX },
    'billing', { ...first, max: BILLING_PER_BATCH_MAX },
    'alerts', { kind: 'acknowledge', consumer: 'kafka', position: 'q' },
    'billing', { kind: 'acknowledge', consumer: 'kafka', position: 'r' },
    'read 0', 'acknowledge 0 kafka r', 'regions',
    'alerts', last, 'billing', last,
  ]);
});

it('an acknowledgement that is lost is nobody\'s failure', async () => {
  const away = () => Promise.reject(new Error('away'));
  const source = new SupervisorEffects({} as EffectSource, { alerts: away, billing: away });
  for (const lane of [ALERTS_LANE, BILLING_LANE]) source.acknowledge(lane, 'kafka', 'q');
  await new Promise((resolve) => setImmediate(resolve));
});
