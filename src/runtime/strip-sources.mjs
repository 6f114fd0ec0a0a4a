import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { SOURCES, STAMP, STRIPPED, strippedName } from './stripped-cache.mjs';

/** Strips the types of all sources into the cache and takes out what belongs to none any more; a process of its own (seg.mjs, docker/Dockerfile), as the stripper stays in memory. */

mkdirSync(STRIPPED, { recursive: true });
const before = new Set(readdirSync(STRIPPED));
const names = new Set();
for (const file of readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts')) continue;
  const source = readFileSync(new URL(file, SOURCES), 'utf8');
  const name = strippedName(source);
  names.add(name);
  if (!before.has(name)) put(name, stripTypeScriptTypes(source));
}
for (const name of before) if (!names.has(name)) rmSync(new URL(name, STRIPPED), { force: true });
writeFileSync(STAMP, '');

/** Whole or not at all: engines that start at the same time make the same files. */
function put(name, text) {
  const own = new URL(`${name}.${process.pid}`, STRIPPED);
  writeFileSync(own, text);
  renameSync(own, new URL(name, STRIPPED));
}
