import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { METRIC } from '../../src/engine/engine-metrics.ts';
import { Prometheus, prometheusAvailable, promtool, PROMETHEUS_HOW_TO } from '../services/prometheus.ts';
import { suiteWithKafka } from '../services/service-suites.ts';
import { familyOf, metricsOf, panelExpressions, readDashboards, readRules, RULE_FILE } from '../support/dashboards.ts';
import { post } from '../support/engine-api.ts';
import { EngineProcess, eventually, REPOSITORY } from '../support/engine-process.ts';
import { logSettings } from '../support/log-engines.ts';
import { OtlpCollector } from '../support/otlp-collector.ts';
import { suite } from '../support/required-suites.ts';

/** The rules and dashboards of docker/, held by Prometheus' own tools and by a Prometheus that scrapes real engines. */

const WAIT_MS = 60_000;
const JOB = 'engine';
/** Only there while something is wrong. */
const EXCEPTIONAL: readonly string[] = [METRIC.logRefused.name];
/** Only with the log in Kafka. */
const OF_THE_LOG = Object.values(METRIC).map(({ name }) => name).filter((name) => (name.startsWith('seg_log_') || name.startsWith('seg_cluster_')) && !EXCEPTIONAL.includes(name));
/** Only of an engine with a log of its own. */
const OF_SHARDS = [METRIC.consumptionLag, METRIC.journalLagRecords, METRIC.journalLagBytes, METRIC.journalBytes, METRIC.unwrittenShare, METRIC.unwrittenPages, METRIC.checkpointSteps, METRIC.checkpointStepMax].map(({ name }) => name);

const dashboards = readDashboards();
const { alerts, recorded } = readRules();

suite('promtool', prometheusAvailable(), PROMETHEUS_HOW_TO, () => {
  it('finds no fault with the configuration and the rules', async () => {
    expect(await promtool(['check', 'config', join(REPOSITORY, 'docker/prometheus/prometheus.yml')])).toContain(`${alerts.length + recorded.length} rules found`);
    await promtool(['check', 'rules', '--lint=all', '--lint-fatal', RULE_FILE]);
  });

  it('sees every rule do what its tests say', async () => {
    expect(await promtool(['test', 'rules', join(REPOSITORY, 'test/prometheus/rules.test.yml')])).toContain('SUCCESS');
  });
});

suite('a Prometheus and an engine', prometheusAvailable(), PROMETHEUS_HOW_TO, () => {
  let collector: OtlpCollector;
  let engine: EngineProcess;
  let prometheus: Prometheus;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    // Nobody listens at the database's port: what a sink has to say is there all the same.
    engine = await EngineProcess.start({ settings: { SHARDS: '2', OTLP_URL: collector.url, TRACE_SAMPLE: '1', TIMESCALE_URL: 'postgres://seg:seg@127.0.0.1:9/grid' } });
    prometheus = await Prometheus.start({ job: JOB, targets: [new URL(engine.opsUrl()).host], ruleFile: RULE_FILE });
    await visit(engine);
  }, WAIT_MS);

  afterAll(async () => {
    await prometheus?.dispose();
    await engine?.dispose();
    await collector?.close();
  });

  it('has its target up, and its rules evaluated without an error', { timeout: WAIT_MS }, async () => {
    const targets = await eventually(() => prometheus.targets(), (found) => found.length > 0 && found.every(({ health }) => health !== 'unknown'), WAIT_MS);
    expect(targets.map(({ health, lastError }) => ({ health, lastError }))).toEqual([{ health: 'up', lastError: '' }]);
    const rules = await eventually(() => prometheus.rules(), (found) => found.every(({ health }) => health !== 'unknown'), WAIT_MS);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules).toHaveLength(alerts.length + recorded.length);
  });

  it('gets every metric of the engine that it should have', { timeout: WAIT_MS }, async () => {
    const expected = Object.values(METRIC).map(({ name }) => name).filter((name) => !OF_THE_LOG.includes(name) && !EXCEPTIONAL.includes(name));
    expect(await missing(prometheus, expected)).toEqual([]);
  });

  it('evaluates every expression of every dashboard, and has the metrics that they read', { timeout: WAIT_MS }, async () => {
    const expressions = panelExpressions(dashboards);
    expect(expressions.length).toBeGreaterThan(60);
    for (const { where, expr } of expressions) await expect(prometheus.query(expr), where).resolves.toBeInstanceOf(Array);
    const read = new Set([...expressions.map(({ expr }) => expr), ...alerts.map(({ expr }) => expr), ...recorded.map(({ expr }) => expr)].flatMap(metricsOf));
    const here = [...read].filter((name) => !OF_THE_LOG.includes(familyOf(name)) && !OF_THE_LOG.includes(name) && !EXCEPTIONAL.includes(name) && !name.includes(':'));
    expect(await missing(prometheus, here)).toEqual([]);
  });

  it('says in its own words that the names are as they should be', { timeout: WAIT_MS }, async () => {
    await promtool(['check', 'metrics'], ownMetrics(await (await fetch(engine.opsUrl('/metrics'))).text()));
  });

  it('is told the type and the meaning of each, under labels whose values are few', { timeout: WAIT_MS }, async () => {
    const metadata = await prometheus.metadata();
    for (const { name, type, help } of Object.values(METRIC)) if (name in metadata) expect(metadata[name]).toEqual([expect.objectContaining({ type, help })]);
    const series = await prometheus.query('count by (__name__) ({__name__=~"seg_.+"})');
    // The widest are histograms by actor; a meter, a region or a contact in a label would be thousands.
    expect(series.filter(({ value }) => Number(value[1]) > 400)).toEqual([]);
    const samples = await prometheus.query('{__name__=~"seg_.+"}');
    expect(new Set(samples.flatMap(({ metric }) => Object.keys(metric)))).toEqual(new Set(LABELS.filter((label) => label !== 'partition')));
  });
});

// Without it the suites above have said so.
if (prometheusAvailable())
  suiteWithKafka('a Prometheus and an engine whose log is in Kafka', (kafka) => {
  it('gets every metric of the log, and of what takes the place of shards', { timeout: 180_000 }, async () => {
    const engine = await EngineProcess.start({ settings: logSettings(kafka().brokers, `prometheus-${process.pid}`) });
    let prometheus: Prometheus | null = null;
    try {
      prometheus = await Prometheus.start({ job: JOB, targets: [new URL(engine.opsUrl()).host], ruleFile: RULE_FILE });
      await visit(engine);
      expect(await missing(prometheus, OF_THE_LOG)).toEqual([]);
      // Alerts are with one engine of a group at most, and sinks, bills and traces are not set up here.
      const expected = Object.values(METRIC).map(({ name }) => name).filter((name) => !EXCEPTIONAL.includes(name) && !OF_SHARDS.includes(name) && !/^seg_(sink|trace|outbox|alerts|notifications?|billing)_/.test(name));
      expect(await missing(prometheus, expected)).toEqual([]);
    } finally {
      await prometheus?.dispose();
      await engine.dispose();
    }
  });
});

/** Every label of the engine's metrics, and those that Prometheus adds. Each has as many values as there are parts, codes or kinds of something. */
const LABELS = ['__name__', 'instance', 'job', 'le', 'actor', 'channel', 'code', 'granularity', 'kind', 'needs', 'outcome', 'partition', 'severity', 'shard', 'sink', 'statistic', 'status', 'thread', 'type', 'version'];

/** Has the engine do a little of what it counts. */
async function visit(engine: EngineProcess): Promise<void> {
  await post(engine, [
    { meterId: 'meter-1', region: 'region-01', timestamp: Date.now() - 600_000, powerKw: 1 },
    { meterId: 'meter-2', region: 'region-01', timestamp: 'never', powerKw: 1 },
  ]);
  for (const path of ['/api/v1/meters/meter-1', '/api/v1/tariffs', '/api/v1/alerts/active']) await (await fetch(engine.apiUrl(path))).text();
}

/** Names that Prometheus has no series of within the time. */
async function missing(prometheus: Prometheus, names: readonly string[]): Promise<string[]> {
  const left = async (): Promise<string[]> => {
    const known = new Set((await prometheus.query('count by (__name__) ({__name__=~".+"})')).map(({ metric }) => metric.__name__));
    return names.filter((name) => !known.has(name) && !known.has(`${name}_count`));
  };
  return eventually(left, (found) => found.length === 0, 20_000).catch(left);
}

/** A scrape without the metrics of prom-client's own, which are named as other programs name them. */
function ownMetrics(text: string): string {
  return `${text.split('\n').filter((line) => line.replace(/^# (HELP|TYPE) /, '').startsWith('seg_')).join('\n')}\n`;
}
