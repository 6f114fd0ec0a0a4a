import { readFileSync, statSync, watch as watchFile, type FSWatcher } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { RulesInForce } from '../actors/alerts/protocol.ts';
import { DEFAULT_RULES, parseAlertRules, type AlertRules } from '../actors/alerts/rules.ts';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';

/** The rules in force: the engine's own, or those of a file that is read again when it changes. At the start a file with faults is refused; later it leaves the rules as they are. */

/** Two hundred rules with all their patterns are 1 MB. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Network and container file systems tell nothing of changes. The file is read, not looked at: two writes in one tick of the kernel have the same time. */
const POLL_MS = 2_000;
/** An editor writes a file in more than one step. */
const SETTLE_MS = 100;

export interface AlertRulesFileModules {
  clock: Clock;
  timers: Timers;
  log: Log;
}

export class AlertRulesFile {
  private readonly path: string | null;
  private readonly modules: AlertRulesFileModules;
  private current: RulesInForce;
  /** Of the text that was read last, be it taken or not. */
  private text: string | null = null;
  private watcher: FSWatcher | null = null;
  private poll: TimerHandle | null = null;
  private settle: TimerHandle | null = null;

  /** `path` null: the engine's own rules. Throws OperationalError `invalid_config` with every fault of the file. */
  constructor(path: string | null, modules: AlertRulesFileModules) {
    this.path = path === null ? null : resolve(path);
    this.modules = modules;
    this.current = { rules: DEFAULT_RULES, file: null, loadedAt: modules.clock.now(), faults: [] };
    if (this.path === null) return;
    const read = this.read(this.path);
    if (read.rules === null) throw new OperationalError('invalid_config', `The rules in ${this.path} cannot be used:\n${read.faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.take(read.rules);
  }

  /** Another object after each change. */
  get inForce(): RulesInForce {
    return this.current;
  }

  /** Reads the file again whenever it changes; tells when other rules are in force, or it is known why they cannot be. */
  watch(onChange: () => void): void {
    const { path } = this;
    if (path === null) return;
    this.poll = this.modules.timers.every(POLL_MS, () => this.look(path, onChange));
    try {
      // The directory: an editor that saves makes another file of the name, and a mounted configuration is another link.
      this.watcher = watchFile(dirname(path), { persistent: false }, (_event, name) => {
        if (name !== null && name !== basename(path) && !name.startsWith('..')) return;
        this.settle?.cancel();
        this.settle = this.modules.timers.after(SETTLE_MS, () => this.look(path, onChange));
      });
      this.watcher.on('error', (error) => this.modules.log.warn({ err: error }, 'changes of the rules are noticed by looking alone'));
    } catch (error) {
      this.modules.log.warn({ err: error }, 'changes of the rules are noticed by looking alone');
    }
  }

  close(): void {
    this.poll?.cancel();
    this.settle?.cancel();
    this.watcher?.close();
  }

  private look(path: string, onChange: () => void): void {
    const before = this.text;
    const read = this.read(path);
    if (this.text === before) return;
    const { log } = this.modules;
    if (read.rules === null) {
      this.current = { ...this.current, faults: read.faults };
      log.error({ file: path, faults: read.faults }, 'the file of alert rules has faults; the rules before it stay in force');
    } else {
      this.take(read.rules);
      log.info({ file: path, rules: read.rules.rules.length }, 'alert rules were read again');
    }
    onChange();
  }

  private take(rules: AlertRules): void {
    this.current = { rules, file: this.path, loadedAt: this.modules.clock.now(), faults: [] };
  }

  private read(path: string): { rules: AlertRules; faults: null } | { rules: null; faults: string[] } {
    try {
      const { size } = statSync(path);
      if (size > FILE_BYTES_MAX) return this.unreadable(`${size}`, `the file: it has ${size} bytes, ${FILE_BYTES_MAX} are allowed`);
      this.text = readFileSync(path, 'utf8');
    } catch (error) {
      const { message } = error as Error;
      return this.unreadable(message, `the file: it cannot be read: ${message}`);
    }
    try {
      return parseAlertRules(JSON.parse(this.text));
    } catch (error) {
      return { rules: null, faults: [`the file: it is no JSON: ${(error as Error).message}`] };
    }
  }

  private unreadable(text: string, fault: string): { rules: null; faults: string[] } {
    // Not to be said again while it stays so.
    this.text = `\0${text}`;
    return { rules: null, faults: [fault] };
  }
}
