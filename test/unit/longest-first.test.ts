import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../support/engine-process.ts';

// Read as text: the sequencer brings the whole of vitest's node side along.
test('the files that are begun first are there', () => {
  const [, list] = /LONG_FILES = \[([\s\S]*?)\];/.exec(readFileSync(join(REPOSITORY, 'test/support/longest-first.ts'), 'utf8'))!;
  const files = [...list.matchAll(/'([^']+)'/g)].map(([, file]) => file);
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((file) => !existsSync(join(REPOSITORY, `test/${file}.test.ts`)))).toEqual([]);
  expect(new Set(files).size).toBe(files.length);
});
