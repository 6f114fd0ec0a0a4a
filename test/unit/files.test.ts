import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { freeDiskBytes, makeDirectory } from '../../src/runtime/files.ts';

const directory = mkdtempSync(join(tmpdir(), 'seg-files-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('a directory', () => {
  it('is made with those above it, and may be there already', () => {
    const path = join(directory, 'a', 'b', 'c');
    for (let time = 0; time < 2; time++) {
      makeDirectory(path);
      expect(statSync(path).isDirectory()).toBe(true);
    }
    makeDirectory('/');
  });

  it('is refused, not waited for, where the system makes none', () => {
    expect(() => makeDirectory('/proc/seg/data')).toThrow(/ENOENT|EACCES|EPERM/);
  });

  it('is refused where something else has its name', () => {
    writeFileSync(join(directory, 'file'), '');
    symlinkSync(join(directory, 'nowhere', 'at-all'), join(directory, 'link'));
    for (const path of ['file', 'file/data', 'link', 'link/data']) expect(() => makeDirectory(join(directory, path)), path).toThrow(/EEXIST|ENOTDIR|ENOENT/);
  });
});

describe('free space', () => {
  it('is told of the disk a path lies on, and is not known of one that is not there', async () => {
    expect(await freeDiskBytes(directory)).toBeGreaterThan(0);
    expect(await freeDiskBytes(join(directory, 'gone'))).toBeNaN();
  });
});
