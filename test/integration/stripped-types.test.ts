import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** The command's types are stripped once and never out of date: a small package with the real entry, whose main.ts says what it is and where it was stripped. */

const REPOSITORY = join(import.meta.dirname, '../..');
const LOADERS = ['seg.mjs', 'runtime/stripped-cache.mjs', 'runtime/stripped-types.mjs', 'runtime/strip-sources.mjs', 'runtime/allocator-settings.mjs'];

describe('types that are stripped once', () => {
  let directory: string;
  const write = (word: string, ageMs = 0) => {
    const file = join(directory, 'src/main.ts');
    writeFileSync(file, `const word: string = '${word}'; console.log(word, String(new Error('here').stack).includes('main.ts:1:56'));\n`);
    const at = new Date(Date.now() - ageMs);
    utimesSync(file, at, at);
  };
  const run = async () => (await promisify(execFile)(process.execPath, [join(directory, 'src/seg.mjs')], { env: { ...process.env, NODE_OPTIONS: '' } })).stdout.trim();
  const cache = () => join(directory, 'node_modules/.cache/smart-energy-grid');
  const stripped = () => {
    const folder = join(cache(), readdirSync(cache()).find((name) => name.startsWith('stripped-'))!);
    return readdirSync(folder).filter((name) => name.endsWith('.js')).map((name) => join(folder, name));
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'seg-stripped-'));
    mkdirSync(join(directory, 'src/runtime'), { recursive: true });
    mkdirSync(join(directory, 'node_modules'));
    for (const file of LOADERS) cpSync(join(REPOSITORY, 'src', file), join(directory, 'src', file));
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test('are in the cache after the first start, which the next reads; lines and columns stay', async () => {
    write('first', 60_000);
    expect(await run()).toBe('first true');
    expect(stripped()).toHaveLength(1);
    // What is run is the file: a word of the same length in it shows.
    writeFileSync(stripped()[0], `const word         = 'FIRST'; console.log(word, String(new Error('here').stack).includes('main.ts:1:56'));\n`);
    expect(await run()).toBe('FIRST true');
  });

  test('follow a source that changed, whatever its time says, and what belongs to none goes', async () => {
    write('first', 60_000);
    await run();
    write('other', 3_600_000);
    expect(await run()).toBe('other true');
    write('newer', -5_000);
    expect(await run()).toBe('newer true');
    expect(stripped()).toHaveLength(1);
  });

  test('a file that lost its end is not run', async () => {
    write('first', 60_000);
    await run();
    writeFileSync(stripped()[0], '');
    expect(await run()).toBe('first true');
  });

  test('files that a file names are found, with and without the cache; one that is not there is said to be', async () => {
    const [main, named] = ['main.ts', 'runtime/word.ts'].map((name) => join(directory, 'src', name));
    writeFileSync(named, "import { suffix } from '../suffix.ts';\nexport const word: string = `named ${suffix}`;\n");
    writeFileSync(join(directory, 'src/suffix.ts'), 'export const suffix: number = 7;\n');
    writeFileSync(main, "import { word } from './runtime/word.ts';\nconst said: string = word;\nconsole.log(said);\n");
    expect(await run()).toBe('named 7');
    expect(stripped()).toHaveLength(3);
    expect(await run()).toBe('named 7');
    for (const file of stripped()) writeFileSync(file, '');
    expect(await run()).toBe('named 7');
    rmSync(named);
    await expect(run()).rejects.toThrow(/runtime\/word\.ts/);
  });

  test('where nothing can be written it runs all the same', async () => {
    write('first');
    rmdirSync(join(directory, 'node_modules'));
    expect(await run()).toBe('first true');
    expect(existsSync(cache())).toBe(false);
  });
});
