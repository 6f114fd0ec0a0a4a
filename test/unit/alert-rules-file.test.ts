import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import { AlertRulesFile } from '../../src/engine/alert-rules-file.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

const rules = (...names: string[]): string => JSON.stringify({ rules: names.map((name) => ({ name, condition: 'system' })), routes: [{ name: 'all' }] });

describe('the file of alert rules', () => {
  let directory: string;
  let path: string;
  let time: VirtualTime;
  let changes: number;
  let file: AlertRulesFile | null;
  const open = (at: string | null = path): AlertRulesFile => (file = new AlertRulesFile(at, { clock: time, timers: time, log: nullLog }));
  const names = (): string[] => file!.inForce.rules.rules.map(({ name }) => name);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'seg-rules-'));
    path = join(directory, 'rules.json');
    time = new VirtualTime(1_000);
    changes = 0;
    file = null;
  });
  afterEach(() => {
    file?.close();
    rmSync(directory, { recursive: true });
  });

  test('may be left out: the engine has rules of its own', () => {
    expect(open(null).inForce).toEqual({ rules: DEFAULT_RULES, file: null, loadedAt: 1_000, faults: [] });
  });

  test('is refused at the start with all that is wrong with it', () => {
    writeFileSync(path, JSON.stringify({ rules: [{ name: 'a b', condition: 'system' }, { name: 'c', condition: 'anomaly', kinds: ['outage'], for: '5 minutes' }], routes: [] }));
    expect(open).toThrow(/The rules in .*rules\.json cannot be used:\n {2}- rules\[0\]\.name: expected 1–64 .*\n {2}- rules\[1\]\.for: expected a duration/);
    writeFileSync(path, '{ "rules": [');
    expect(open).toThrow('the file: it is no JSON');
    rmSync(path);
    expect(open).toThrow('the file: it cannot be read: ENOENT');
  });

  test('is read again when it changed, be it in place or by another of its name', () => {
    writeFileSync(path, rules('one'));
    open().watch(() => changes++);
    time.advance(10_000);
    expect([names(), changes]).toEqual([['one'], 0]);
    writeFileSync(path, rules('two', 'three'));
    time.advance(2_000);
    expect([names(), changes, file!.inForce.loadedAt]).toEqual([['two', 'three'], 1, 13_000]);
    writeFileSync(`${path}.new`, rules('four'));
    renameSync(`${path}.new`, path);
    time.advance(2_000);
    expect([names(), changes]).toEqual([['four'], 2]);
  });

  test('leaves the rules as they are while it has faults, and says once what is wrong', () => {
    writeFileSync(path, rules('one'));
    open().watch(() => changes++);
    writeFileSync(path, JSON.stringify({ rules: [{ name: 'x', condition: 'nothing' }], routes: [] }));
    time.advance(10_000);
    expect([names(), changes, file!.inForce.loadedAt]).toEqual([['one'], 1, 1_000]);
    expect(file!.inForce.faults).toEqual([expect.stringMatching(/^rules\[0\]\.condition: /)]);
    rmSync(path);
    time.advance(10_000);
    expect([names(), changes, file!.inForce.faults]).toEqual([['one'], 2, [expect.stringMatching(/^the file: it cannot be read: ENOENT/)]]);
    writeFileSync(path, rules('one'));
    time.advance(2_000);
    expect([names(), changes, file!.inForce.faults]).toEqual([['one'], 3, []]);
  });

  test('is watched: a change is noticed before somebody would look', async () => {
    writeFileSync(path, rules('one'));
    file = new AlertRulesFile(path, { clock: systemClock, timers: { after: systemTimers.after, every: () => ({ cancel: () => {} }) }, log: nullLog });
    const noticed = new Promise<void>((resolve) => file!.watch(resolve));
    writeFileSync(path, rules('two'));
    await noticed;
    expect(names()).toEqual(['two']);
  });
});
