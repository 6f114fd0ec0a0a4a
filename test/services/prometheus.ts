import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceProcess, removeServiceDirectory, runTool, serviceDirectory, servicePort } from './service-process.ts';

/** A Prometheus of its own that scrapes what it is told to, and promtool, which comes with it. */

export const PROMETHEUS_HOW_TO = 'Install it with `apt-get install prometheus` (macOS: `brew install prometheus`).';

/** Often, so that a test need not wait; a rate over a minute has its two samples after two of them. */
const INTERVAL = '1s';
const ANSWER_TIMEOUT_MS = 30_000;

export function prometheusAvailable(): boolean {
  return spawnSync('prometheus', ['--version']).status === 0 && spawnSync('promtool', ['--version']).status === 0;
}

/** Resolves to what it said; rejects with it when it finds a fault. */
export function promtool(args: readonly string[], input = ''): Promise<string> {
  return runTool('promtool', args, { input, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
}

export interface PrometheusSample {
  metric: Readonly<Record<string, string>>;
  /** Time in seconds, and the value as text. */
  value: readonly [number, string];
}

export interface PrometheusRule {
  name: string;
  health: string;
  lastError?: string;
}

export class Prometheus {
  private readonly service: ServiceProcess;
  private readonly directory: string;
  private readonly port: number;

  private constructor(service: ServiceProcess, directory: string, port: number) {
    this.service = service;
    this.directory = directory;
    this.port = port;
  }

  /** `targets`: `host:port` of each; `ruleFile`: its path. Resolves once it answers. */
  static async start({ job, targets, ruleFile }: { job: string; targets: readonly string[]; ruleFile: string }): Promise<Prometheus> {
    const directory = serviceDirectory('prometheus');
    try {
      const port = await servicePort();
      const config = { global: { scrape_interval: INTERVAL, evaluation_interval: INTERVAL }, rule_files: [ruleFile], scrape_configs: [{ job_name: job, static_configs: [{ targets }] }] };
      const file = join(directory, 'prometheus.yml');
      // JSON is YAML.
      writeFileSync(file, JSON.stringify(config));
      const service = await ServiceProcess.start({
        name: 'Prometheus',
        command: 'prometheus',
        args: [`--config.file=${file}`, `--storage.tsdb.path=${join(directory, 'data')}`, `--web.listen-address=127.0.0.1:${port}`],
        env: {},
        cwd: directory,
        readyText: 'Server is ready to receive web requests',
        stopSignal: 'SIGTERM',
      });
      return new Prometheus(service, directory, port);
    } catch (error) {
      removeServiceDirectory(directory);
      throw error;
    }
  }

  /** What an expression gives now. Rejects with Prometheus' own words when it cannot be evaluated. */
  async query(expression: string): Promise<PrometheusSample[]> {
    return (await this.ask<{ result: PrometheusSample[] }>(`/api/v1/query?query=${encodeURIComponent(expression)}`)).result;
  }

  async targets(): Promise<{ health: string; lastError: string }[]> {
    return (await this.ask<{ activeTargets: { health: string; lastError: string }[] }>('/api/v1/targets')).activeTargets;
  }

  async rules(): Promise<PrometheusRule[]> {
    return (await this.ask<{ groups: { rules: PrometheusRule[] }[] }>('/api/v1/rules')).groups.flatMap(({ rules }) => rules);
  }

  /** What it knows of each metric that it has scraped, by name. */
  async metadata(): Promise<Readonly<Record<string, readonly { type: string; help: string }[]>>> {
    return this.ask('/api/v1/metadata');
  }

  async dispose(): Promise<void> {
    await this.service.kill9();
    removeServiceDirectory(this.directory);
  }

  private async ask<Data>(path: string): Promise<Data> {
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    const { status, data, error } = (await answer.json()) as { status: string; data: Data; error?: string };
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  }
}
