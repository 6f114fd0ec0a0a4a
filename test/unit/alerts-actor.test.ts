import { describe, expect, test } from 'vitest';
import { dryRun } from '../../src/actors/alerts/dry-run.ts';
import { RECONCILE_EVERY_MS } from '../../src/actors/alerts/episode-reconciliation.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { RegionNow } from '../../src/model/queries.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { rulesOf, START_MS } from '../support/alert-groups.ts';
import { AlertsEngine, episodeOf } from '../support/alerts-engine.ts';

const S = 1_000;
const M = 60 * S;
const H = 60 * M;

/** Outages are told by their rule at once, so that tests need no company to wait for. */
const SPIKES = rulesOf({ rules: [{ name: 'spike', condition: 'anomaly', kinds: ['spike'] }] });
const spike = (meterId: string, of = {}) => episodeOf(meterId, { kind: 'spike', ...of });
const region = (name: string, meters: number): RegionNow => ({ region: name, meters, metersReporting: meters, metersSilent: 0, loadKw: 1, capacityKw: null, loadPercent: null, openAnomalies: 0 });

/** A disk that takes commits when it is told to. */
function slowDisk() {
  const waiting: (() => void)[] = [];
  let isOpen = true;
  return {
    takeCommit: () => (isOpen ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))),
    hold: () => void (isOpen = false),
    letGo: () => {
      isOpen = true;
      for (const resolve of waiting.splice(0)) resolve();
    },
  };
}

describe('a dry run', () => {
  const day = (rows: number) => ({ from: START_MS, to: START_MS + 86_400_000, anomalies: Array.from({ length: rows }, (_, i) => episodeOf(`m${i}`, { kind: 'outage', startedAt: START_MS + i * 1_000 })), regionWindows: [], regionMeters: { north: 1_000_000 } });

  test('lets what comes meanwhile go before its end, and finds what it finds at once', async () => {
    const engine = await AlertsEngine.start();
    const order: string[] = [];
    const history = day(5_000);
    const run = engine.actor.ask({ kind: 'dryRun', rules: DEFAULT_RULES, history });
    void run.then(() => order.push('dry run'));
    void engine.observe({ anomalies: [episodeOf('m1')] }).then(() => order.push('observation'));
    void engine.actor.ask({ kind: 'rules' }).then(() => order.push('question'));
    await engine.pass(1);
    expect(order).toEqual(['observation', 'question', 'dry run']);
    expect(await run).toEqual(dryRun(DEFAULT_RULES, history));
  });

  test('ends with the supervisor', async () => {
    const engine = await AlertsEngine.start();
    const run = engine.actor.ask({ kind: 'dryRun', rules: DEFAULT_RULES, history: day(5_000) });
    void engine.actor.stop();
    await expect(run).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    await expect(engine.actor.ask({ kind: 'dryRun', rules: DEFAULT_RULES, history: day(1) })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('the alerts actor', () => {
  test('lets nothing out before it is on disk', async () => {
    const disk = slowDisk();
    const engine = await AlertsEngine.start(SPIKES, { takeCommit: disk.takeCommit });
    disk.hold();
    let isDone = false;
    const observed = engine.observe({ anomalies: [spike('m1')] }).then(() => (isDone = true));
    const listed = engine.active();
    await engine.pass(0);
    expect([isDone, engine.changes.length]).toEqual([false, 0]);
    disk.letGo();
    await observed;
    expect(await listed).toMatchObject([{ meterId: 'm1', state: 'open' }]);
    expect(engine.changes).toMatchObject([{ meterId: 'm1', state: 'open' }]);
    disk.hold();
    await engine.pass(M);
    expect(engine.notices).toEqual([]);
    disk.letGo();
    await engine.pass(0);
    expect(engine.notices).toMatchObject([{ reason: 'new' }]);
    expect(engine.waitingNotices()).toEqual(engine.notices);
  });

  test('joins what waits in one turn', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    const before = engine.actor.metrics().turns;
    await Promise.all(Array.from({ length: 50 }, (_, i) => engine.observe({ anomalies: [spike(`m${i}`)] })));
    expect(engine.actor.metrics()).toMatchObject({ turns: before + 1, observations: 50, standing: 50, groups: 1, waiting: 0 });
  });

  test('ends when a commit fails: who waits may try again, and the next has what was on disk', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await engine.observe({ anomalies: [spike('m1')] });
    engine.store.failNext('storage_full');
    const outcomes = await Promise.allSettled([engine.observe({ anomalies: [spike('m2')] }), engine.active()]);
    expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code, outcome.reason.retryable] : null))).toEqual([
      ['unavailable', true],
      ['unavailable', true],
    ]);
    expect(engine.failures).toMatchObject([{ code: 'storage_full' }]);
    await expect(engine.active()).rejects.toMatchObject({ code: 'unavailable' });
    await engine.pass(H);
    expect(engine.failures).toHaveLength(1);
    expect(engine.changes.map(({ meterId }) => meterId)).not.toContain('m2');
    await engine.restart();
    expect((await engine.active()).map(({ meterId }) => meterId)).toEqual(['m1']);
  });

  test('ends when a turn throws what is no answer', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await expect(engine.observe({ anomalies: [{ ...spike('m1'), kind: 'no such' as 'spike' }] })).rejects.toMatchObject({ code: 'unavailable' });
    expect(engine.failures).toHaveLength(1);
  });

  test('answers with an error, and goes on', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await expect(engine.actor.ask({ kind: 'acknowledge', id: 'none', version: null, by: 'ada', why: null })).rejects.toMatchObject({ code: 'unknown_alert' });
    expect(await engine.active()).toEqual([]);
    expect(engine.failures).toEqual([]);
  });

  test('turns away what is more than may wait', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    const outcomes = await Promise.allSettled(Array.from({ length: 1_001 }, () => engine.active()));
    expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([{ reason: { code: 'mailbox_full', retryable: true } }]);
  });

  test('ticks when something is due, by the second', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await engine.observe({ anomalies: [spike('m1')] });
    await engine.pass(15 * S - 1);
    expect(engine.notices).toEqual([]);
    await engine.pass(1);
    expect(engine.notices).toMatchObject([{ reason: 'new', at: START_MS + 15 * S }]);
  });

  test('repeats nothing and forgets nothing over restarts, whatever becomes of the last commit', async () => {
    const run = async (isRestarting: boolean) => {
      const engine = await AlertsEngine.start(rulesOf({ ...SPIKES_DOCUMENT, routes: [{ name: 'all', repeatInterval: '1h' }] }));
      const step = async (ms: number, underWay: 'lost' | 'kept') => {
        await engine.pass(ms);
        if (isRestarting) await engine.restart(underWay);
      };
      const open = [spike('m1')];
      engine.askEpisode = ({ meterId }) => open.find((episode) => episode.meterId === meterId) ?? null;
      const say = async (underWay: 'lost' | 'kept') => {
        if (isRestarting) {
          // The process dies with the commit under way, and the engine says it again to the next.
          engine.isDiskSlow = true;
          void engine.observe({ anomalies: open });
          for (let i = 0; i < 10; i++) await Promise.resolve();
          engine.isDiskSlow = false;
          await engine.restart(underWay);
        }
        await engine.observe({ anomalies: open });
      };
      await say('lost');
      await step(7 * S, 'kept');
      open.push(spike('m2'));
      await say('kept');
      for (let i = 0; i < 40; i++) await step(3 * M, i % 2 === 0 ? 'lost' : 'kept');
      open[0] = { ...open[0], endedAt: START_MS + H, endReason: 'recovered' };
      await say('lost');
      await step(H, 'lost');
      return engine.waitingNotices();
    };
    const whole = await run(false);
    expect(whole.map(({ reason }) => reason)).toEqual(['new', 'repeated', 'repeated', 'changed']);
    expect(await run(true)).toEqual(whole);
  });

  test('notices that the clock jumped, either way', async () => {
    const engine = await AlertsEngine.start(rulesOf({ ...SPIKES_DOCUMENT, routes: [{ name: 'all', repeatInterval: '1h' }] }));
    await engine.observe({ anomalies: [spike('m1')] });
    await engine.pass(M);
    engine.jumpedMs = -30 * 24 * H;
    await engine.pass(61 * M);
    expect(engine.notices.map(({ reason }) => reason)).toEqual(['new', 'repeated']);
    engine.jumpedMs = 30 * 24 * H;
    await engine.pass(10 * S);
    expect(engine.notices.map(({ reason }) => reason)).toEqual(['new', 'repeated', 'repeated']);
    expect(engine.failures).toEqual([]);
  });

  test('goes by new rules from then on, and says which are in force', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await engine.observe({ anomalies: [spike('m1'), spike('m2')] });
    await engine.pass(M);
    const rules = rulesOf({ rules: [{ name: 'spike', condition: 'anomaly', kinds: ['spike'], meters: ['m1'] }] });
    await engine.actor.setRules(rules, { file: 'rules.json', loadedAt: START_MS + M, faults: [] });
    expect((await engine.active()).map(({ meterId }) => meterId)).toEqual(['m1']);
    await engine.actor.setRules(null, { file: 'rules.json', loadedAt: START_MS + M, faults: ['rules[0].for: expected a duration'] });
    expect(await engine.actor.ask({ kind: 'rules' })).toEqual({ rules, file: 'rules.json', loadedAt: START_MS + M, faults: ['rules[0].for: expected a duration'] });
    await engine.pass(10 * M);
    expect(engine.notices.map(({ reason }) => reason)).toEqual(['new', 'changed']);
  });

  test('makes one notice of 4,000 meters that go dark at once', async () => {
    const engine = await AlertsEngine.start(DEFAULT_RULES);
    await engine.observe({ regions: [region('north', 5_000)] });
    await engine.observe({ anomalies: Array.from({ length: 4_000 }, (_, i) => episodeOf(`m${i}`)) });
    expect(await engine.active()).toMatchObject([{ kind: 'region_dark', region: 'north', affectedMeters: 4_000 }]);
    await engine.pass(10 * M);
    expect(engine.notices).toMatchObject([{ reason: 'new', alertCount: 1, severity: 'CRITICAL', regions: ['north'] }]);
  });

  test('says why an episode raised an alert, or none', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await engine.observe({ anomalies: [spike('m1')] });
    const [alert] = await engine.active();
    expect(await engine.actor.ask({ kind: 'explainAnomaly', anomaly: spike('m1') })).toMatchObject({ alertId: alert.id });
    const other = await engine.actor.ask({ kind: 'explainAnomaly', anomaly: episodeOf('m2') });
    expect(other.alertId).toBeNull();
    expect(other.decisions.length).toBeGreaterThan(0);
    await engine.pass(M);
    const { decisions } = await engine.actor.ask({ kind: 'explainAlert', id: alert.id });
    expect(decisions.filter(({ step }) => step === 'route' || step === 'grouping').map(({ outcome }) => outcome)).toEqual(['passed', 'held', 'passed']);
  });

  test('gives the outbox to who writes it elsewhere, as far as it is durable', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await engine.observe({ anomalies: [spike('m1')] });
    const read: (string | null)[] = [];
    let piece = await engine.actor.readOutbox('kafka', null, 10);
    for (; !piece.isLast; piece = await engine.actor.readOutbox('kafka', piece.position, 10)) read.push(...piece.alerts.map(({ meterId }) => meterId));
    expect(new Set(read)).toEqual(new Set(['m1']));
    await engine.actor.acknowledgeOutbox('kafka', piece.position);
    await engine.restart();
    expect((await engine.actor.readOutbox('kafka', null, 10)).alerts).toEqual([]);
  });

  test('works off what waits when it stops, and does no more', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    const observed = engine.observe({ anomalies: [spike('m1')] });
    await engine.actor.stop();
    await observed;
    await expect(engine.active()).rejects.toThrow(OperationalError);
    const { timersPending } = engine.time;
    await engine.pass(H);
    expect([timersPending, engine.notices.length]).toEqual([0, 0]);
  });
});

const SPIKES_DOCUMENT = { rules: [{ name: 'spike', condition: 'anomaly', kinds: ['spike'] }] };

describe('after a restart', () => {
  test('episodes that nobody names are asked for, and what ended unseen is over', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await engine.observe({ anomalies: ['named', 'ended', 'gone', 'open'].map((meterId) => spike(meterId)) });
    await engine.restart();
    engine.askEpisode = ({ meterId }) => (meterId === 'gone' ? null : spike(meterId, meterId === 'ended' ? { endedAt: START_MS, endReason: 'recovered' } : {}));
    await engine.observe({ anomalies: [spike('named')] });
    expect(await engine.active()).toHaveLength(4);
    await engine.pass(RECONCILE_EVERY_MS);
    expect(engine.asked.map(({ meterId }) => meterId).sort()).toEqual(['ended', 'gone', 'open']);
    expect((await engine.active()).map(({ meterId }) => meterId).sort()).toEqual(['named', 'open']);
    await engine.pass(H);
    expect(engine.asked).toHaveLength(3);
  });

  test('they are asked for until somebody can say', async () => {
    const engine = await AlertsEngine.start(SPIKES);
    await engine.observe({ anomalies: [spike('m1')] });
    await engine.restart();
    engine.askEpisode = () => {
      throw new OperationalError('unavailable', 'the shard is away', { retryable: true });
    };
    await engine.pass(5 * RECONCILE_EVERY_MS);
    expect(engine.asked).toHaveLength(5);
    expect(await engine.active()).toHaveLength(1);
    engine.askEpisode = () => null;
    await engine.pass(2 * RECONCILE_EVERY_MS);
    expect(engine.asked).toHaveLength(6);
    expect(await engine.active()).toEqual([]);
    expect(engine.failures).toEqual([]);
  });
});
