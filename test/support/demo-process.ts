import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineUrls } from './engine-api.ts';
import { REPOSITORY, type Settings } from './engine-process.ts';

/** The first start of the engine on busy cores, as in engine-process.ts. */
const PRINTED_TIMEOUT_MS = 60_000;

/** What package.json has `npm run demo` do, as arguments of node. */
function demoArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { scripts: { demo: string } };
  const [program, ...words] = scripts.demo.split(' ');
  if (program !== 'node') throw new Error(`npm run demo is "${scripts.demo}", which this cannot run`);
  return words.map((word) => (/\.m?[jt]s$/.test(word) ? join(REPOSITORY, word) : word));
}

/** One run of the demo as a process of its own, stopped by its own pid. It knows of itself what it printed. */
export class DemoProcess implements EngineUrls {
  /** What it wrote to stdout and stderr so far. */
  stdout = '';
  stderr = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;

  private constructor(settings: Settings) {
    // Settings of whoever runs the tests must not reach the engine under test, a seg.config.json of the repository neither.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEG_')));
    for (const [name, value] of Object.entries(settings)) env[`SEG_${name}`] = value;
    this.child = spawn(process.execPath, demoArguments(), { env, cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(this.child, 'close').then(([code]) => code as number | null);
    // A suite that is cut short must leave no demo behind.
    const killLeftOver = (): void => void this.child.kill('SIGKILL');
    process.once('exit', killLeftOver);
    void this.ended.then(() => process.off('exit', killLeftOver));
  }

  /** Starts the demo with settings (SEG_ variables without the prefix) and waits until it has printed its addresses. */
  static async start(settings: Settings): Promise<DemoProcess> {
    const demo = new DemoProcess(settings);
    const deadline = Date.now() + PRINTED_TIMEOUT_MS;
    while (!demo.stdout.includes('Ctrl-C ends it.')) {
      const end = await Promise.race([demo.ended.then(() => 'ended'), once(demo.child.stdout!, 'data'), new Promise((wake) => setTimeout(wake, 1_000))]);
      if (end !== 'ended' && Date.now() < deadline) continue;
      await demo.kill9();
      throw new Error(`the demo printed no addresses; it said:\n${demo.stdout}${demo.stderr}`);
    }
    return demo;
  }

  /** The dashboard's address. */
  get dashboard(): string {
    return this.printed('Dashboard');
  }

  ingestUrl(): string {
    return this.printed('Readings').replace(/\/ingest$/, '');
  }

  apiUrl(path = ''): string {
    return new URL(path, this.dashboard).href;
  }

  opsUrl(path = ''): string {
    return new URL(path, this.printed('Metrics')).href;
  }

  /** Asks for an orderly stop. Resolves with the exit code, null when a signal ended it. */
  stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.ended;
  }

  /** Resolves when it is gone. */
  async kill9(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  private printed(what: string): string {
    const address = new RegExp(`^ {2}${what}\\b.* (http://\\S+)$`, 'm').exec(this.stdout)?.[1];
    if (address === undefined) throw new Error(`the demo printed no address of ${what}:\n${this.stdout}`);
    return address;
  }
}
