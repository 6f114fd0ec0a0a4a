import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/** The arrows of docs/ARCHITECTURE.md, held against the imports as they are. */

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const WEB = fileURLToPath(new URL('../../web', import.meta.url));
const TEST = fileURLToPath(new URL('..', import.meta.url));

/** Which layers a layer may import, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['engine', 'cli'],
  engine: ['http', 'cli', 'actors', 'runtime', 'model'],
  http: ['actors', 'runtime', 'model'],
  cli: ['actors', 'runtime', 'model'],
  actors: ['runtime', 'model'],
  runtime: ['model'],
  model: [],
};

/** Packages that do I/O, each behind one adapter or one folder of adapters. */
const ADAPTERS: Readonly<Record<string, RegExp>> = {
  lmdb: /^runtime\/lmdb-(store|table)\.ts$/,
  'uWebSockets.js': /^http\//,
  comlink: /^runtime\/(thread-main|worker-thread)\.ts$/,
  'prom-client': /^runtime\/metrics\.ts$/,
  '@opentelemetry/api': /^runtime\/otlp-tracing\.ts$/,
  '@opentelemetry/sdk-trace': /^runtime\/otlp-tracing\.ts$/,
  '@opentelemetry/exporter-trace-otlp-http': /^runtime\/otlp-tracing\.ts$/,
  '@opentelemetry/resources': /^runtime\/otlp-tracing\.ts$/,
  pino: /^runtime\/log\.ts$/,
  commander: /^(main\.ts|cli\/|engine\/)/,
  pg: /^actors\/sinks\/timescale\//,
  '@resvg/resvg-js': /^actors\/(notifications\/templates\/curve|tariffs\/calendar)-picture\.ts$/,
  'pg-copy-streams': /^actors\/sinks\/timescale\//,
  nodemailer: /^actors\/notifications\/channels\/email\.ts$/,
  jose: /^actors\/(notifications\/channels\/service-account-token|accounts\/(access-tokens|oidc-issuer|sign-in-flow))\.ts$/,
  oauth4webapi: /^actors\/accounts\/oidc-sign-in\.ts$/,
  pdfkit: /^actors\/tariffs\/papers\/paper\.ts$/,
  fontkit: /^actors\/tariffs\/papers\/paper-/,
  piscina: /^engine\/invoice-print/,
  kafkajs: /^actors\/(sinks|kafka-log)\/kafka\//,
};

interface Import {
  from: string;
  to: string;
}

/** Of values and of types, in import lines, calls and comments. */
function importsOf(root: string): Import[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => /\.[jt]s$/.test(file));
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, to]) => ({ from: file, to }));
  });
}

/** Those of files below `root`, with the path from there. */
function withinRoot(found: readonly Import[], root: string): Import[] {
  return found.filter(({ to }) => to.startsWith('.')).map(({ from, to }) => ({ from, to: relative(root, resolve(root, dirname(from), to)) }));
}

/** Files that import each other in a ring, each with the first one again at its end; [] where there are none. */
function importCircles(found: readonly Import[]): string[][] {
  const importsFrom = new Map<string, string[]>();
  for (const { from, to } of found) importsFrom.set(from, [...(importsFrom.get(from) ?? []), to]);
  const isDone = new Set<string>();
  const circles: string[][] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file]);
    if (isDone.has(file)) return;
    isDone.add(file);
    for (const to of importsFrom.get(file) ?? []) visit(to, [...path, file]);
  };
  for (const file of importsFrom.keys()) visit(file, []);
  return circles;
}

const imports = importsOf(SRC);

/** Of a path inside a package its name. */
const packageOf = (to: string): string => (to.startsWith('@') ? to : to.split('/')[0]);
const layerOf = (path: string): string => path.split('/')[0];
const own = withinRoot(imports, SRC);

describe('layers', () => {
  test('the source was found', () => {
    expect(imports.length).toBeGreaterThan(100);
  });

  test('lower layers never import higher ones', () => {
    const wrong = own.filter(({ from, to }) => layerOf(from) !== layerOf(to) && !MAY_IMPORT[layerOf(from)].includes(layerOf(to)));
    expect(wrong).toEqual([]);
  });

  test('imports stay inside src and name the file', () => {
    expect(own.filter(({ to }) => to.startsWith('..') || !to.endsWith('.ts'))).toEqual([]);
  });

  test('a circle of imports is found, of whatever length', () => {
    const arrows = (...pairs: string[]): Import[] => pairs.map((pair) => ({ from: pair[0], to: pair[1] }));
    expect(importCircles(arrows('ab', 'ac', 'bd', 'cd'))).toEqual([]);
    expect(importCircles(arrows('xa', 'ab', 'bc', 'ca'))).toEqual([['a', 'b', 'c', 'a']]);
    expect(importCircles(arrows('aa'))).toEqual([['a', 'a']]);
  });

  test('no files import each other in a circle, types included', () => {
    expect(importCircles(own)).toEqual([]);
    for (const root of [WEB, TEST]) expect(importCircles(withinRoot(importsOf(root), root))).toEqual([]);
  });

  test('packages with I/O are imported by their adapters alone', () => {
    const wrong = imports.filter(({ from, to }) => packageOf(to) in ADAPTERS && !ADAPTERS[packageOf(to)].test(from));
    expect(wrong).toEqual([]);
  });

  test('pure state reads no clock, chance or environment', () => {
    const pure = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && (file.startsWith('model/') || /^actors\/.*state\.ts$/.test(file)));
    const wrong = pure.filter((file) => /Date\.now|performance\.now|Math\.random|process\.env|new Date\(\)/.test(readFileSync(join(SRC, file), 'utf8')));
    expect(wrong).toEqual([]);
  });
});
