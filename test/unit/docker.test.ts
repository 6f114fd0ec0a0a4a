import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { V8_ARGUMENTS } from '../../bench/load/engine-process.ts';
import { ENV_PREFIX, engineConfigSchema, loadEngineConfig } from '../../src/engine/engine-config.ts';
import { METRIC } from '../../src/engine/engine-metrics.ts';
import { describeConfig } from '../../src/runtime/config.ts';
import { createLog } from '../../src/runtime/log.ts';
import { traceFields } from '../../src/runtime/log-trace.ts';
import { startProcessMetrics } from '../../src/runtime/metrics.ts';
import { familyOf, metricsOf, panelExpressions, readDashboards, readRules } from '../support/dashboards.ts';
import { REPOSITORY } from '../support/engine-process.ts';
import { TRACE_ID, traceparentOf } from '../support/recorded-tracing.ts';

/** docker/ held against the project, where no Docker engine runs: versions, paths, settings, ports, secrets and metric names. */

const DOCKER = join(REPOSITORY, 'docker');

interface Service {
  image: string;
  build?: { context: string; dockerfile: string };
  profiles?: string[];
  network_mode?: string;
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  volumes?: string[];
  /** Null: as the shell has it, if it does. */
  environment?: Record<string, string | number | null>;
  command?: string[];
  logging?: { driver: string; options: Record<string, string> };
  healthcheck?: { test: string[] };
  stop_grace_period?: string;
  privileged?: boolean;
}

interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, null>;
}

const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8');
const composeText = read('docker/compose.yaml');
const compose = parse(composeText, { merge: true }) as Compose;
const services = Object.entries(compose.services);
const engines = services.filter(([, service]) => service.build !== undefined);
const dockerfile = instructionsOf(read('docker/Dockerfile'));
const packageJson = JSON.parse(read('package.json')) as { version: string; dependencies: Record<string, string> };

/** Where Docker keeps what containers say. */
const CONTAINER_FILES = '/var/lib/docker/containers';

const SETTINGS = describeConfig(engineConfigSchema({ cores: 2 }), ENV_PREFIX).map(({ env }) => env);

describe('compose.yaml', () => {
  test('runs one engine in the profile one, three that share a log in the profile three, their neighbours in any, and what looks at them in a profile of its own', () => {
    const active = (profile: string) => services.filter(([, { profiles }]) => profiles === undefined || profiles.includes(profile)).map(([name]) => name);
    const neighbours = ['kafka', 'kafka-ui', 'timescale'];
    expect(active('one').sort()).toEqual([...neighbours, 'door-1', 'engine-1'].sort());
    expect(active('three').sort()).toEqual([...neighbours, ...[1, 2, 3].flatMap((n) => [`door-node-${n}`, `node-${n}`])].sort());
    expect(active('none').sort()).toEqual(neighbours);
    expect(active('observability').sort()).toEqual([...neighbours, 'alloy', 'grafana', 'jaeger', 'loki', 'prometheus'].sort());
  });

  test('pins every image to a version', () => {
    expect(services.filter(([, { image }]) => !isPinned(image))).toEqual([]);
    expect(['kafka', 'kafka:latest', 'kafka:4', 'kafka:4.1', 'host:5000/kafka', 'kafka:4.1.2', 'db:2.29.2-pg16', 'ui:v1.5.0'].filter(isPinned)).toEqual(['kafka:4.1.2', 'db:2.29.2-pg16', 'ui:v1.5.0']);
    expect(engines.map(([, { image }]) => image)).toEqual(engines.map(() => `smart-energy-grid:${packageJson.version}`));
  });

  test('runs the Kafka that the tests run, as broker and controller in one', () => {
    const tested = /<kafka\.version>(.+)<\/kafka\.version>/.exec(read('test/services/kafka/pom.xml'))![1];
    expect(compose.services.kafka.image).toBe(`apache/kafka:${tested}`);
    expect(compose.services.kafka.environment).toMatchObject({ KAFKA_PROCESS_ROLES: 'broker,controller' });
    expect(composeText).not.toMatch(/zookeeper/i);
  });

  test('gives engines only settings that they have', () => {
    const given = [...engines.flatMap(([, { environment = {} }]) => Object.keys(environment)), ...Object.keys(dockerfileEnvironment())].filter((name) => name.startsWith(ENV_PREFIX));
    expect(given.length).toBeGreaterThan(0);
    expect(given.filter((name) => !SETTINGS.includes(name))).toEqual([]);
  });

  test('publishes the documented ports on the loopback address alone, each once', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports);
    expect(published.filter((port) => !/^127\.0\.0\.1:\d+:\d+$/.test(port))).toEqual([]);
    const numbers = published.map((port) => Number(port.split(':')[1]));
    const documented = [...read('docker/README.md').matchAll(/^\| ([\d ·]+) \|/gm)].flatMap(([, cell]) => cell.split(' · ').map(Number));
    expect(numbers.sort((a, b) => a - b)).toEqual(documented.sort((a, b) => a - b));
  });

  test('leads the first engine\'s ports of the host to the same ports of the engine', () => {
    const targets = new Map([...read('docker/engine-door.cfg').matchAll(/bind :(\d+)\n\s+server engine 127\.0\.0\.1:(\d+)/g)].map(([, from, to]) => [from, to]));
    const { httpPort, ingestPort, opsPort } = engineSettings();
    const led = compose.services['door-1'].ports!.map((port) => port.split(':').slice(1)).map(([host, door]) => [Number(host), Number(targets.get(door))]);
    expect(led).toEqual([httpPort, ingestPort, opsPort].map((port) => [port, port]));
    expect(engines.map(([name, engine]) => [name, engine.network_mode])).toEqual(engines.map(([name]) => [name, `service:door-${name.replace('engine-', '')}`]));
  });

  test('lets nodes that share a log know each other by a secret, each by an address of its own that leads to its gateway', () => {
    const nodes = engines.filter(([, { environment }]) => environment?.SEG_LOG === 'kafka');
    expect(nodes).toHaveLength(3);
    const targets = new Map([...read('docker/engine-door.cfg').matchAll(/bind :(\d+)\n\s+server engine 127\.0\.0\.1:(\d+)/g)].map(([, from, to]) => [from, Number(to)]));
    for (const [name, { environment }] of nodes) {
      const { hostname, port } = new URL(String(environment!.SEG_NODE_URL));
      expect([hostname, targets.get(port)]).toEqual([`door-${name}`, engineSettings().httpPort]);
      const given = Object.fromEntries(Object.entries(environment!).filter(([, value]) => value !== null)) as Record<string, string>;
      const taken = loadEngineConfig({ cores: 2 }, { args: {}, env: { ...given, SEG_CLUSTER_SECRET: 'x'.repeat(48), SEG_TIMESCALE_URL: 'postgres://seg:x@timescale:5432/grid' }, file: null });
      expect(taken).toMatchObject({ log: 'kafka', nodeUrl: `http://door-${name}:8000` });
    }
  });

  test('gives every service a health check', () => {
    expect(services.filter(([, { healthcheck, build }]) => healthcheck === undefined && build === undefined)).toEqual([]);
  });

  test('asks for health with what the images have: Loki\'s have no wget from 3.6 on, and what waits for it would never start', () => {
    const [, major, minor] = /^grafana\/loki:(\d+)\.(\d+)\./.exec(compose.services.loki.image)!.map(Number);
    expect(compose.services.loki.healthcheck!.test[1]).toBe('wget');
    expect(major * 1_000 + minor).toBeLessThan(3_006);
    expect(compose.services.alloy.depends_on).toEqual({ loki: { condition: 'service_healthy' } });
    expect(compose.services.alloy.healthcheck!.test[1]).toBe('bash');
  });

  test('starts each after what it needs, in the same profiles', () => {
    const needs = services.flatMap(([name, { depends_on = {}, network_mode }]) => {
      return [...Object.keys(depends_on), ...(network_mode === undefined ? [] : [network_mode.replace('service:', '')])].map((needed) => ({ name, needed }));
    });
    const unmet = needs.filter(({ name, needed }) => {
      const { profiles } = compose.services[needed] ?? { profiles: [] };
      return profiles !== undefined && !(compose.services[name].profiles ?? ['none']).every((profile) => profiles.includes(profile));
    });
    expect(unmet).toEqual([]);
    expect(needs.length).toBeGreaterThan(engines.length);
  });

  test('takes every secret from the environment, without a default', () => {
    const values = services.flatMap(([, { environment = {} }]) => Object.entries(environment).map(([name, value]) => [name, `${value}`]));
    const withSecret = values.filter(([name, value]) => /PASSWORD|SECRET|TOKEN/.test(name) || /:\/\/[^/]*@/.test(value));
    expect(withSecret.length).toBeGreaterThanOrEqual(2);
    expect(withSecret.filter(([, value]) => !/^([a-z]+:\/\/\w+:)?\$\{[A-Z_]+:\?[^}]+\}(@[\w:/]+)?$/.test(value))).toEqual([]);
    // Every variable of the file is one that stops it when it is missing.
    expect([...composeText.matchAll(/\$\{([^}]*)\}/g)].filter(([, inside]) => !/^[A-Z_]+:\?./.test(inside))).toEqual([]);
  });

  test('mounts only what is there, each engine its own volume, and never the Docker socket', () => {
    const sources = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]));
    // Docker's own files of containers' lines are nobody's but the shipper's, and read only.
    expect(services.filter(([, { volumes = [] }]) => volumes.some((volume) => volume.startsWith('/')))).toEqual([['alloy', expect.objectContaining({ volumes: expect.arrayContaining([`${CONTAINER_FILES}:${CONTAINER_FILES}:ro`]) })]]);
    expect(sources.filter((source) => source !== CONTAINER_FILES && (source.startsWith('./') ? !existsSync(join(DOCKER, source)) : !(source in compose.volumes)))).toEqual([]);
    expect(engines.map(([name, { volumes }]) => [name, volumes])).toEqual(engines.map(([name]) => [name, [`${name}:/data`]]));
    expect(services.filter(([, { privileged }]) => privileged === true)).toEqual([]);
  });

  test('waits for an engine\'s orderly stop', () => {
    for (const [, { stop_grace_period }] of engines) expect(Number.parseInt(stop_grace_period!) * 1_000).toBeGreaterThan(engineSettings().shutdownDeadlineMs);
  });
});

describe('the Dockerfile', () => {
  test('is the one that compose.yaml builds', () => {
    for (const [, { build }] of engines) expect(join(DOCKER, build!.context, build!.dockerfile)).toBe(join(DOCKER, 'Dockerfile'));
  });

  test('starts from the Node of package.json on glibc', () => {
    const bases = all('FROM').map((line) => line.split(' ')[0]);
    expect(bases).toEqual([`node:${packageJson.dependencies.node}-bookworm-slim`, `node:${packageJson.dependencies.node}-bookworm-slim`]);
  });

  test('copies only what is there and what .dockerignore lets through', () => {
    const copied = all('COPY').filter((line) => !line.startsWith('--from=')).flatMap((line) => line.split(/\s+/).slice(0, -1));
    expect(copied).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'src', 'web']));
    expect(copied.filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
    const [first, ...allowed] = read('.dockerignore').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    expect(allowed.sort()).toEqual([...new Set(copied)].map((path) => `!${path}`).sort());
  });

  test('installs what the lock names, without what only tests need', () => {
    expect(all('RUN')).toContain('npm ci --omit=dev');
  });

  test('runs as a user without rights, keeps its data in a volume, and stops in order', () => {
    expect(all('USER')).toEqual(['node']);
    expect(all('VOLUME')).toEqual(['/data']);
    expect(all('STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(dockerfileEnvironment().SEG_DATA_DIR).toBe('/data');
  });

  test('gives V8 the settings that npm start gives it, and with which all is measured', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const command of ['start', 'demo']) expect(scripts[command].split(' ')).toEqual(['node', ...V8_ARGUMENTS, 'src/seg.mjs', command]);
    expect(all('ENTRYPOINT')).toEqual([JSON.stringify(['node_modules/.bin/node', ...V8_ARGUMENTS, 'src/seg.mjs']).replaceAll(',', ', ')]);
  });

  test('gives settings that the engine takes', () => {
    expect(() => loadEngineConfig({ cores: 2 }, { args: {}, env: dockerfileEnvironment(), file: null })).not.toThrow();
  });

  test('names the engine\'s ports and asks /health', () => {
    const { httpPort, ingestPort, opsPort } = engineSettings();
    expect(all('EXPOSE')).toEqual([`${httpPort} ${ingestPort} ${opsPort}`]);
    expect(all('HEALTHCHECK')[0]).toContain(`http://127.0.0.1:\${process.env.SEG_OPS_PORT ?? ${opsPort}}/health`);
  });

  test('starts a command that is there', () => {
    const script = (JSON.parse(all('ENTRYPOINT')[0]) as string[]).at(-1);
    expect(existsSync(join(REPOSITORY, script!))).toBe(true);
  });
});

describe('the dashboards and alerts', () => {
  const { alerts, recorded } = readRules();
  const prometheus = parse(read('docker/prometheus/prometheus.yml')) as { rule_files: string[]; scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[] };
  const dashboards = readDashboards();
  const expressions = [...alerts, ...recorded].map(({ expr }) => expr).concat(panelExpressions(dashboards).map(({ expr }) => expr));
  const used = expressions.flatMap(metricsOf);

  test('use only metrics that the engine has, and what the rules record of them', async () => {
    const known = new Set([...(await metricNames()), ...recorded.map(({ record }) => record)]);
    const variables = dashboards.flatMap(({ templating }) => templating.list.map(({ query }) => query.query.replace(/^label_values\((\w+), \w+\)$/, '$1')));
    expect([...used, ...variables].filter((name) => !known.has(name))).toEqual([]);
  });

  test('leave no metric of the engine out', () => {
    const shown = new Set([...used.map(familyOf), ...used]);
    // The version is what engines are chosen by.
    expect(Object.values(METRIC).map(({ name }) => name).filter((name) => !shown.has(name) && name !== METRIC.buildInfo.name)).toEqual([]);
    expect(recorded.filter(({ record }) => !used.includes(record)).map(({ record }) => record)).toEqual(['instance:seg_ack_latency_seconds:p50_5m', 'instance:seg_requests_refused:ratio5m']);
  });

  test('say of each alert whom to wake and where it is written what to do', () => {
    const headings = [...read('docs/OBSERVABILITY.md').matchAll(/^#+ (.+)$/gm)].map(([, title]) => title.toLowerCase().replace(/[^a-z0-9 -]/g, '').replaceAll(' ', '-'));
    for (const { alert, labels, annotations } of alerts) {
      expect(['page', 'ticket'], alert).toContain(labels.severity);
      expect(annotations.runbook, alert).toBe(`docs/OBSERVABILITY.md#${alert.toLowerCase()}`);
      expect(headings, alert).toContain(alert.toLowerCase());
    }
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  test('have a case each in which they fire and one in which they do not', () => {
    const { tests } = parse(read('test/prometheus/rules.test.yml')) as { tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[] };
    const cases = tests.flatMap(({ alert_rule_test = [] }) => alert_rule_test);
    const named = (fires: boolean) => cases.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname).sort();
    expect(named(true)).toEqual(alerts.map(({ alert }) => alert).sort());
    expect(named(false)).toEqual(named(true));
    const recordedCases = read('test/prometheus/rules.test.yml');
    for (const { record } of recorded) expect(recordedCases).toContain(`${record}{`.replace('{', ''));
  });

  test('have panels that do not overlap and numbers of their own', () => {
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
    for (const { title, panels } of dashboards) {
      expect(new Set(panels.map(({ id }) => id)).size, title).toBe(panels.length);
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, i) => `${x + (i % w)}/${y + Math.floor(i / w)}`));
      expect(new Set(cells).size, title).toBe(cells.length);
      expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w)), title).toBeLessThanOrEqual(24);
      for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    }
  });

  test('are found by Prometheus and Grafana where compose.yaml puts them', () => {
    for (const file of prometheus.rule_files) expect(existsSync(join(DOCKER, 'prometheus', file))).toBe(true);
    const [provider] = (parse(read('docker/grafana/provisioning/dashboards/dashboards.yaml')) as { providers: { options: { path: string } }[] }).providers;
    const [source, ...others] = ['prometheus.yaml', 'logs-and-traces.yaml'].flatMap((file) => (parse(read(`docker/grafana/provisioning/datasources/${file}`)) as { datasources: { uid: string; url: string }[] }).datasources);
    expect(others.map(({ uid, url }) => [uid, url])).toEqual([['loki', 'http://loki:3100'], ['jaeger', 'http://jaeger:16686']]);
    expect(compose.services.grafana.volumes).toContain(`./grafana/dashboards:${provider.options.path}:ro`);
    expect(new URL(source.url).hostname in compose.services).toBe(true);
    const uids = dashboards.flatMap(({ panels, templating }) => [...panels, ...templating.list].map(({ datasource }) => datasource.uid));
    expect(new Set(uids)).toEqual(new Set([source.uid]));
  });

  test('get the lines of every service by Docker\'s files, rotated and tagged with its container, and into the Loki of the same file', () => {
    const shipper = read('docker/alloy/config.alloy');
    const loki = parse(read('docker/loki/loki.yaml')) as { server: { http_listen_port: number } };
    for (const [name, { logging }] of services) expect(logging, name).toEqual({ driver: 'json-file', options: { tag: '{{.Name}}', 'max-size': '50m', 'max-file': '5' } });
    expect(shipper).toContain(`"${CONTAINER_FILES}/*/*-json.log"`);
    expect(shipper).toContain('container = "attrs.tag"');
    expect(shipper).toContain(`container!~\\"${(parse(composeText) as { name: string }).name}-.+\\"`);
    expect(shipper).toContain(`http://loki:${loki.server.http_listen_port}/loki/api/v1/push`);
    // What is dropped is chosen by labels: the container's is set by then, and the file's not yet gone.
    const stages = [...shipper.matchAll(/^  stage\.(\w+) \{/gm)].map(([, stage]) => stage);
    expect(stages.indexOf('labels')).toBeLessThan(stages.indexOf('match'));
    expect(stages.indexOf('match')).toBeLessThan(stages.indexOf('label_drop'));
    // Compose gives a configuration of one's own by these paths.
    for (const [service, file] of [['loki', '/etc/loki/loki.yaml'], ['alloy', '/etc/alloy/config.alloy']] as const) {
      const { command, volumes } = compose.services[service];
      expect(command!.some((part) => part.endsWith(file))).toBe(true);
      expect(volumes!.some((volume) => volume.endsWith(`:${file}:ro`))).toBe(true);
    }
    // What an engine logs has the fields that become labels.
    const lines: string[] = [];
    createLog({ level: 'info', name: 'shard-0', destination: { write: (line) => lines.push(line) }, pretty: false }).info({}, 'a line');
    expect(JSON.parse(lines[0])).toMatchObject({ level: 'info', name: 'shard-0' });
  });

  test('lead from a span to what its thread logged, once Grafana has read the variables out of its provisioning', () => {
    const { datasources } = parse(read('docker/grafana/provisioning/datasources/logs-and-traces.yaml')) as { datasources: { uid: string; jsonData?: { tracesToLogsV2?: { datasourceUid: string; customQuery: boolean; query: string } } }[] };
    const [{ datasourceUid, customQuery, query }] = datasources.flatMap(({ jsonData }) => jsonData?.tracesToLogsV2 ?? []);
    expect(datasources.map(({ uid }) => uid)).toContain(datasourceUid);
    expect(customQuery).toBe(true);
    expect(provisioned(query)).toBe('{thread="${__span.tags["thread.name"]}"}');
    expect(read('docker/alloy/config.alloy')).toContain('thread = "name"');
    expect(provisioned('$$a ${B["c.d"]}$E. $$${F}')).toBe('$a . $');
  });

  test('lead from a line that was written in a trace to that trace', () => {
    const { datasources } = parse(read('docker/grafana/provisioning/datasources/logs-and-traces.yaml')) as { datasources: { uid: string; jsonData?: { derivedFields?: { matcherType: string; matcherRegex: string; datasourceUid: string; url: string }[] } }[] };
    const [{ matcherType, matcherRegex, datasourceUid, url }, ...others] = datasources.find(({ uid }) => uid === 'loki')!.jsonData!.derivedFields!;
    expect([matcherType, others]).toEqual(['regex', []]);
    expect(datasources.map(({ uid }) => uid)).toContain(datasourceUid);
    expect(provisioned(url)).toBe('${__value.raw}');
    const lines: string[] = [];
    const log = createLog({ level: 'info', name: 'ingest-0', destination: { write: (line) => lines.push(line) }, pretty: false });
    for (const span of [{ traceparent: traceparentOf(1) }, null]) log.error({ requestId: 'r-1', ...traceFields(span) }, 'an ingest request failed');
    // Go's expressions and JavaScript's are one for these.
    expect(lines.map((line) => new RegExp(provisioned(matcherRegex)).exec(line)?.[1])).toEqual([TRACE_ID, undefined]);
    expect(JSON.parse(lines[0])).toMatchObject({ traceId: TRACE_ID, spanId: '0000000000000001' });
    expect(JSON.parse(lines[1])).not.toHaveProperty('spanId');
  });

  test('get traces from engines when the shell names the collector, which Jaeger is', () => {
    for (const [name, { environment }] of engines) expect(environment, name).toHaveProperty('SEG_OTLP_URL', null);
    const url = /SEG_OTLP_URL=(http:\/\/jaeger:\d+) docker compose/.exec(read('docker/README.md'))![1];
    expect(loadEngineConfig({ cores: 2 }, { args: {}, env: { SEG_OTLP_URL: url }, file: null }).otlpUrl).toBe(url);
    expect(compose.services.jaeger.ports).toContain(`127.0.0.1:${new URL(url).port}:${new URL(url).port}`);
  });

  test('get the metrics of every engine through its door', () => {
    const [{ names: [name], port }] = prometheus.scrape_configs[0].dns_sd_configs;
    expect(prometheus.scrape_configs[0].job_name).toBe('engine');
    const doors = services.filter(([service]) => service.startsWith('door-'));
    expect(doors).toHaveLength(engines.length);
    for (const [, door] of doors) expect(door).toMatchObject({ networks: { default: { aliases: [name] } } });
    expect(read('docker/engine-door.cfg')).toContain(`bind :${port}\n  server engine 127.0.0.1:${engineSettings().opsPort}\n`);
  });

  test('are read as Prometheus would read them', () => {
    expect(metricsOf('histogram_quantile(0.99, sum by (instance, le) (rate(seg_a_bucket{x=~"a|b", y="seg_no"}[5m]))) > 0.1')).toEqual(['seg_a_bucket']);
    expect(metricsOf('sum(seg_a) without (le) / on (shard) group_left seg_b offset 5m and up{job="x"} == bool 1e9')).toEqual(['seg_a', 'seg_b', 'up']);
  });
});

/** A value of a provisioning file as Grafana takes it, with no variable set in its environment: `$$` is the sign itself. */
function provisioned(value: string): string {
  return value.split('$$').map((part) => part.replace(/\$(\{[^}]*\}|\w+)/g, '')).join('$');
}

function engineSettings() {
  return loadEngineConfig({ cores: 2 }, { args: {}, env: {}, file: null });
}

/** A version of three numbers, after a registry's port if there is one: `4.1.2`, `v1.5.0`, `2.29.2-pg16`. */
function isPinned(image: string): boolean {
  return /:v?\d+\.\d+\.\d+[\w.-]*$/.test(image);
}

interface Instruction {
  name: string;
  rest: string;
}

/** A Dockerfile's instructions, without comments, continued lines joined. */
function instructionsOf(text: string): Instruction[] {
  const lines = text.replace(/^#.*\n/gm, '').replace(/\\\n\s*/g, '').split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const at = line.indexOf(' ');
    return { name: line.slice(0, at), rest: line.slice(at + 1) };
  });
}

/** What follows an instruction, each time it occurs. */
function all(name: string): string[] {
  return dockerfile.filter((instruction) => instruction.name === name).map(({ rest }) => rest);
}

function dockerfileEnvironment(): Record<string, string> {
  return Object.fromEntries(all('ENV').flatMap((line) => line.split(' ').map((pair) => pair.split('=') as [string, string])));
}

/** Every name that a scrape of the engine may hold, and `up`, which Prometheus adds. */
async function metricNames(): Promise<Set<string>> {
  const families = [...Object.values(METRIC), ...(await startProcessMetrics().families())];
  return new Set(['up', ...families.flatMap(({ name, type }) => (type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name]))]);
}
