import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { byteSize, choice, decimalNumber, duration, numbersByName, onOffOrAuto, text, wholeNumber, type SettingType } from '../../src/runtime/config-values.ts';
import { describeConfig, loadConfig, readConfigFile, setting, type ConfigSources, shownSettings } from '../../src/runtime/config.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nearestName } from '../../src/runtime/nearest-name.ts';

const schema = z.object({
  dataDir: setting(text('a directory'), { default: './data', description: 'Where.' }),
  shards: setting(wholeNumber({ min: 1, max: 64 }), { default: 3, defaultText: 'cores − 1', description: 'How many.' }),
  latenessMs: setting(duration({ min: '0s', max: '1d' }), { default: '30s', description: 'How late.' }),
});

function load(sources: Partial<ConfigSources>) {
  return loadConfig(schema, { args: {}, env: {}, file: null, envPrefix: 'SEG_', ...sources });
}

function faultsOf(sources: Partial<ConfigSources>): string {
  try {
    load(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(OperationalError);
    expect((error as OperationalError).code).toBe('invalid_config');
    return (error as OperationalError).message;
  }
  throw new Error('the settings were taken');
}

function file(content: unknown): ConfigSources['file'] {
  return { path: 'seg.config.json', text: typeof content === 'string' ? content : JSON.stringify(content) };
}

describe('loadConfig', () => {
  test('takes defaults when nothing is said', () => {
    expect(load({})).toEqual({ dataDir: './data', shards: 3, latenessMs: 30_000 });
  });

  test('lets flags win over the environment, that over the file, that over defaults', () => {
    const all = { file: file({ shards: 4, dataDir: '/file', lateness: '1m' }), env: { SEG_SHARDS: '5', SEG_DATA_DIR: '/env' }, args: { shards: '6' } };
    expect(load(all)).toEqual({ dataDir: '/env', shards: 6, latenessMs: 60_000 });
  });

  test('names the place, the expectation and the value of a fault', () => {
    expect(faultsOf({ env: { SEG_SHARDS: 'x' } })).toContain('SEG_SHARDS in the environment: expected a whole number from 1 to 64, got "x"');
    expect(faultsOf({ args: { lateness: '30' } })).toContain('the flag --lateness: expected a duration with its unit');
    expect(faultsOf({ file: file({ shards: 1.5 }) })).toContain('"shards" in seg.config.json: expected a whole number from 1 to 64, got 1.5');
  });

  test('lists every fault at once, also of values that a stronger source hides', () => {
    const message = faultsOf({ file: file({ shards: 0, lateness: 'soon' }), env: { SEG_SHARDS: '65' }, args: { shards: 2 } });
    expect(message.split('\n')).toHaveLength(4);
    expect(message).toContain('got 0');
    expect(message).toContain('got "soon"');
    expect(message).toContain('got "65"');
  });

  test('refuses unknown names wherever they stand and suggests the nearest', () => {
    expect(faultsOf({ env: { SEG_SHARD: '2' } })).toContain('SEG_SHARD in the environment: there is no such setting, did you mean SEG_SHARDS?');
    expect(faultsOf({ file: file({ datadir: 'x' }) })).toContain('did you mean dataDir?');
    expect(faultsOf({ file: file({ latenessMs: 5 }) })).toContain('did you mean lateness?');
    expect(faultsOf({ args: { color: true } })).toContain('the flag "color": there is no such setting (');
  });

  test('does not show the value of an unknown variable, which may be a secret', () => {
    expect(faultsOf({ env: { SEG_TIMESCALE_URL: 'postgres://u:S3CRET@h' } })).not.toContain('S3CRET');
  });

  test('leaves variables alone that are empty, ignored or without the prefix', () => {
    const env = { SEG_SHARDS: '', SEG_TEST_CHROMIUM: '/x', PATH: '/bin', SEGMENT: 'x' };
    expect(load({ env, envIgnored: (name) => name.startsWith('SEG_TEST_') }).shards).toBe(3);
  });

  test('refuses a file that is not a JSON object', () => {
    expect(faultsOf({ file: file('{"shards": 2') })).toContain('seg.config.json: not JSON');
    expect(faultsOf({ file: file([]) })).toContain('expected a JSON object');
    expect(faultsOf({ file: file('null') })).toContain('expected a JSON object');
  });

  test('a key named like something of Object.prototype is unknown, not inherited', () => {
    expect(faultsOf({ file: file('{"constructor": 1, "__proto__": 2}') })).toContain('"constructor" in seg.config.json: there is no such setting');
  });

  test('blames the source of the value when two settings contradict each other', () => {
    const strict = schema.superRefine((config, context) => {
      if (config.shards > 10) context.addIssue({ code: 'custom', path: ['shards'], message: 'too many for this' });
    });
    const run = () => loadConfig(strict, { args: {}, env: { SEG_SHARDS: '11' }, file: null, envPrefix: 'SEG_' });
    expect(run).toThrow('SEG_SHARDS in the environment: too many for this');
  });
});

describe('a secret in a file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'seg-secret-'));
  afterAll(() => rmSync(dir, { recursive: true }));
  const password = join(dir, 'password');
  const secretive = z.object({
    password: setting(text('a password'), { default: 'none', secret: true, description: 'What.' }),
    dataDir: setting(text('a directory'), { default: './data', description: 'Where.' }),
  });
  const loadSecret = (env: Record<string, string>) => loadConfig(secretive, { args: {}, env, file: null, envPrefix: 'SEG_' });

  test('is read from where SEG_…_FILE says, without the line end that editors add', () => {
    writeFileSync(password, ' geheim \n');
    expect(loadSecret({ SEG_PASSWORD_FILE: password }).password).toBe(' geheim ');
  });

  test('is not looked for when it is said otherwise, or when the file is not there', () => {
    expect(() => loadSecret({ SEG_PASSWORD_FILE: password, SEG_PASSWORD: 'x' })).toThrow('SEG_PASSWORD_FILE in the environment: SEG_PASSWORD is there too; give one of them');
    expect(() => loadSecret({ SEG_PASSWORD_FILE: join(dir, 'none') })).toThrow('SEG_PASSWORD_FILE in the environment: cannot read the file');
  });

  test('is for secrets alone, and never shown', () => {
    writeFileSync(password, '  \n');
    expect(() => loadSecret({ SEG_DATA_DIR_FILE: password })).toThrow('SEG_DATA_DIR_FILE in the environment: there is no such setting');
    expect(() => loadSecret({ SEG_PASSWORD_FILE: password })).toThrow(/SEG_PASSWORD_FILE in the environment: expected a password$/);
  });
});

describe('describeConfig', () => {
  test('gives a row per setting with its three names, expectation, default and prose', () => {
    expect(describeConfig(schema, 'SEG_')).toEqual([
      { name: 'dataDir', env: 'SEG_DATA_DIR', flag: '--data-dir', expects: 'a directory', defaultText: './data', description: 'Where.' },
      { name: 'shards', env: 'SEG_SHARDS', flag: '--shards', expects: 'a whole number from 1 to 64', defaultText: 'cores − 1', description: 'How many.' },
      { name: 'lateness', env: 'SEG_LATENESS', flag: '--lateness', expects: expect.stringContaining('a duration'), defaultText: '30s', description: 'How late.' },
    ]);
  });
});

describe('readConfigFile', () => {
  const dir = mkdtempSync(join(tmpdir(), 'seg-config-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  test('gives null for a missing file, unless it was asked for by name', () => {
    expect(readConfigFile(join(dir, 'none.json'), false)).toBeNull();
    expect(() => readConfigFile(join(dir, 'none.json'), true)).toThrow(/cannot read the settings file .*none\.json/);
    expect(() => readConfigFile(dir, false)).toThrow(/cannot read/);
    writeFileSync(join(dir, 'some.json'), '{}');
    expect(readConfigFile(join(dir, 'some.json'), false)?.text).toBe('{}');
  });
});

describe('kinds of settings', () => {
  function parse<T>(kind: SettingType<T>, raw: unknown): T | undefined {
    return kind.type.safeParse(raw).data;
  }

  test('durations need a unit and stay in their range', () => {
    const kind = duration({ min: '1s', max: '40d' });
    expect(['1s', '1.5m', '500ms', '12h', '40d', ' 5 m '].map((raw) => parse(kind, raw))).toEqual([1_000, 90_000, undefined, 43_200_000, 3_456_000_000, 300_000]);
    expect(['41d', '30', 30, '-5s', '1e3s', '', '5 minutes', null, '0.0001s'].map((raw) => parse(kind, raw))).toEqual(Array(9).fill(undefined));
    expect(parse(duration({ min: '0s', max: '1d' }), 0)).toBe(0);
  });

  test('sizes take decimal and binary units, or bytes', () => {
    const kind = byteSize({ min: '1KiB', max: '1TiB' });
    expect(['256MiB', '1.5 GiB', '2mb', 4096, '4096'].map((raw) => parse(kind, raw))).toEqual([268_435_456, 1_610_612_736, 2_000_000, 4_096, 4_096]);
    expect(['1', '2TiB', 'ten', '5 M', -5000, NaN].map((raw) => parse(kind, raw))).toEqual(Array(6).fill(undefined));
  });

  test('whole numbers are whole and written in decimal', () => {
    const kind = wholeNumber({ min: 0, max: 100 });
    expect([0, '7', ' 8 ', '1e2'].map((raw) => parse(kind, raw))).toEqual([0, 7, 8, 100]);
    expect(['', ' ', '0x10', '1.5', -1, 101, true, null, [], 'Infinity', '1_0'].map((raw) => parse(kind, raw))).toEqual(Array(11).fill(undefined));
    expect(parse(decimalNumber({ min: 0, max: 1, unit: 'kW' }), '.25')).toBe(0.25);
    expect(parse(decimalNumber({ min: 0, max: 1, unit: 'kW' }), 'NaN')).toBeUndefined();
  });

  test('choices and switches', () => {
    expect(parse(choice(['debug', 'info']), 'info')).toBe('info');
    expect(parse(choice(['debug', 'info']), 'INFO')).toBeUndefined();
    expect(['on', 'TRUE', '1', true, 'off', 0, 'auto'].map((raw) => parse(onOffOrAuto(), raw))).toEqual([true, true, true, true, false, false, null]);
    expect(parse(onOffOrAuto(), 'maybe')).toBeUndefined();
    expect(parse(onOffOrAuto(), 'constructor')).toBeUndefined();
  });

  test('numbers by name are read from JSON and from name=number lists', () => {
    const kind = numbersByName({ entriesMax: 2, min: 1, max: 99, unit: 'kW', isName: (name) => /^[a-z-]+$/.test(name) });
    expect({ ...parse(kind, { north: 5, south: '6.5' }) }).toEqual({ north: 5, south: 6.5 });
    expect({ ...parse(kind, 'north=5, south=6.5') }).toEqual({ north: 5, south: 6.5 });
    expect({ ...parse(kind, '{"north":5}') }).toEqual({ north: 5 });
    expect({ ...parse(kind, {}) }).toEqual({});
    for (const raw of ['north', '=5', 'north=', 'north=0', 'a=1,b=1,c=1', 'N=5', 'a=1,a=2', '{"a":', [1], 5, null]) {
      expect(parse(kind, raw), String(raw)).toBeUndefined();
    }
  });
});

describe('nearestName', () => {
  test('finds slips of the pen and nothing far-fetched', () => {
    expect(nearestName('granularty', ['granularity', 'from'])).toBe('granularity');
    expect(nearestName('FROM', ['granularity', 'from'])).toBe('from');
    expect(nearestName('colour', ['granularity', 'from'])).toBeNull();
    expect(nearestName('x'.repeat(100_000), ['x'])).toBeNull();
  });
});

test('settings are shown without secrets, and addresses without logins, wherever they stand', () => {
  const schema = z.object({
    password: setting(text('a password'), { default: 'none', secret: true, description: 'What.' }),
    waitMs: setting(duration({ min: '1s', max: '1h' }), { default: '2s', description: 'How long.' }),
    place: setting(text('an address'), { default: 'none', description: 'Where.' }),
  });
  const settings = { password: 'geheim', waitMs: 2_000, place: 'http://ada:geheim@host:80/x' };
  expect(shownSettings(schema, settings, 'SEG_')).toEqual([
    { name: 'SEG_PASSWORD', value: null, isSecret: true, isSet: true },
    { name: 'SEG_WAIT', value: '2000', isSecret: false, isSet: true },
    { name: 'SEG_PLACE', value: '"http://host/x"', isSecret: false, isSet: true },
  ]);
  expect(shownSettings(schema, { ...settings, password: null, place: ['smtp://:geheim@a:1', 'plain'] }, 'SEG_').map(({ value, isSet }) => [value, isSet])).toEqual([[null, false], ['2000', true], ['["smtp://a:1","plain"]', true]]);
});
