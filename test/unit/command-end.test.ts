import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EXIT, runToEnd } from '../../src/cli/command-end.ts';
import { OperationalError } from '../../src/runtime/errors.ts';

let said = '';
beforeEach(() => {
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const fails = (error: unknown): Promise<void> => runToEnd(() => Promise.reject(error));

test('an error somebody expected is a line and an exit code', async () => {
  await fails(new OperationalError('usage', 'say what to export'));
  expect([said, process.exitCode]).toEqual(['seg: say what to export\n', EXIT.usage]);
  await fails(new OperationalError('data_directory', 'it is gone'));
  expect([said, process.exitCode]).toEqual(['seg: say what to export\nseg: it is gone\n', EXIT.failed]);
});

test('an error that repeats what a stranger sent steers no terminal', async () => {
  await fails(new OperationalError('not_found', 'there is no user \u001b]0;mine\u0007\u009b2J\u202eada\r\nat all'));
  expect(said).toBe('seg: there is no user \\u001b]0;mine\\u0007\\u009b2J\\u202eada\\u000d\nat all\n');
});

test('a machine that refuses is a line too, and no stack trace', async () => {
  await fails(Object.assign(new Error("EACCES: permission denied, open '/data/engine.json'"), { code: 'EACCES' }));
  expect([said, process.exitCode]).toEqual(["seg: EACCES: permission denied, open '/data/engine.json'\n", EXIT.failed]);
});

test('a mistake of the program keeps its stack trace', async () => {
  const mistake = new TypeError('x is not a function');
  await expect(fails(mistake)).rejects.toBe(mistake);
  expect(said).toBe('');
});
