#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { settleAllocator } from './runtime/allocator-settings.mjs';
import { SOURCES, STAMP } from './runtime/stripped-cache.mjs';
import './runtime/stripped-types.mjs';

/** The `seg` command of main.ts, its types stripped beforehand: by a process that ends before the engine begins, the first time and after every change of a source. */

settleAllocator();
if (isOutOfDate() && isWritable()) spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('./runtime/strip-sources.mjs', import.meta.url))], { stdio: 'ignore' });
await import('./main.ts');

function isOutOfDate() {
  const stamp = statSync(STAMP, { throwIfNoEntry: false });
  if (stamp === undefined) return true;
  return readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).some((file) => statSync(new URL(file, SOURCES)).mtimeMs > stamp.mtimeMs);
}

/** Where it is not, Node strips in every thread. */
function isWritable() {
  try {
    accessSync(new URL('../node_modules/', import.meta.url), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
