import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ENV_PREFIX, engineConfigSchema, loadEngineConfig } from '../../src/engine/engine-config.ts';
import { METRIC } from '../../src/engine/engine-metrics.ts';
import { describeConfig } from '../../src/runtime/config.ts';
import { startProcessMetrics } from '../../src/runtime/metrics.ts';
import { REPOSITORY } from '../support/engine-process.ts';

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
  environment?: Record<string, string | number>;
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

const SETTINGS = describeConfig(engineConfigSchema({ cores: 2 }), ENV_PREFIX).map(({ env }) => env);

describe('compose.yaml', () => {
  test('runs one engine in the profile one, three that share a log in the profile three, and their neighbours in any', () => {
    const active = (profile: string) => services.filter(([, { profiles }]) => profiles === undefined || profiles.includes(profile)).map(([name]) => name);
    const neighbours = ['grafana', 'kafka', 'kafka-ui', 'prometheus', 'timescale'];
    expect(active('one').sort()).toEqual([...neighbours, 'door-1', 'engine-1'].sort());
    expect(active('three').sort()).toEqual([...neighbours, ...[1, 2, 3].flatMap((n) => [`door-node-${n}`, `node-${n}`])].sort());
    expect(active('none').sort()).toEqual(neighbours);
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
      const taken = loadEngineConfig({ cores: 2 }, { args: {}, env: { ...(environment as Record<string, string>), SEG_CLUSTER_SECRET: 'x'.repeat(48), SEG_TIMESCALE_URL: 'postgres://seg:x@timescale:5432/grid' }, file: null });
      expect(taken).toMatchObject({ log: 'kafka', nodeUrl: `http://door-${name}:8000` });
    }
  });

  test('gives every service a health check', () => {
    expect(services.filter(([, { healthcheck, build }]) => healthcheck === undefined && build === undefined)).toEqual([]);
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
    expect(sources.filter((source) => (source.startsWith('./') ? !existsSync(join(DOCKER, source)) : !(source in compose.volumes)))).toEqual([]);
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
  const rules = parse(read('docker/prometheus/rules.yml')) as { groups: { rules: { alert: string; expr: string }[] }[] };
  const prometheus = parse(read('docker/prometheus/prometheus.yml')) as { rule_files: string[]; scrape_configs: { job_name: string; dns_sd_configs: { names: string[]; port: number }[] }[] };
  const dashboards = readdirSync(join(DOCKER, 'grafana/dashboards')).map((file) => JSON.parse(read(`docker/grafana/dashboards/${file}`)) as Dashboard);

  interface Dashboard {
    templating: { list: { datasource: { uid: string }; query: { query: string } }[] };
    panels: { title: string; datasource: { uid: string }; targets: { expr: string }[] }[];
  }

  test('use only metrics that the engine has', async () => {
    const known = await metricNames();
    const queries = [
      ...rules.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
      ...dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))),
      ...dashboards.flatMap(({ templating }) => templating.list.map(({ query }) => query.query.replace(/^label_values\((\w+), \w+\)$/, '$1'))),
    ];
    const used = queries.flatMap(metricsOf);
    expect(used.filter((name) => !known.has(name))).toEqual([]);
    expect(new Set(used).size).toBeGreaterThan(15);
  });

  test('are found by Prometheus and Grafana where compose.yaml puts them', () => {
    for (const file of prometheus.rule_files) expect(existsSync(join(DOCKER, 'prometheus', file))).toBe(true);
    const [provider] = (parse(read('docker/grafana/provisioning/dashboards/dashboards.yaml')) as { providers: { options: { path: string } }[] }).providers;
    const [source] = (parse(read('docker/grafana/provisioning/datasources/prometheus.yaml')) as { datasources: { uid: string; url: string }[] }).datasources;
    expect(compose.services.grafana.volumes).toContain(`./grafana/dashboards:${provider.options.path}:ro`);
    expect(new URL(source.url).hostname in compose.services).toBe(true);
    const uids = dashboards.flatMap(({ panels, templating }) => [...panels, ...templating.list].map(({ datasource }) => datasource.uid));
    expect(new Set(uids)).toEqual(new Set([source.uid]));
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

const PROMQL_WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);

/** The metrics that a PromQL expression reads: its names that are no functions, labels, strings, durations or words of the language. */
function metricsOf(expression: string): string[] {
  const bare = expression
    .replace(/"[^"]*"/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  const names = [...bare.matchAll(/(?<![\w.])([a-zA-Z_:][\w:]*)(\s*\()?/g)].filter(([, , call]) => call === undefined).map(([, name]) => name);
  return names.filter((name) => !PROMQL_WORDS.has(name));
}
