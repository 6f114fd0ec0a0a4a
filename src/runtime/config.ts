import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { OperationalError } from './errors.ts';
import type { SettingType } from './config-values.ts';
import { nearestName } from './nearest-name.ts';

/**
 * Settings from one schema: defaults < seg.config.json < environment < flags. Nothing is guessed: an unknown name and a
 * value of the wrong form stop the program, every fault listed with the place it stands.
 */

/** Of the variable that names a file with a secret setting in it, as `SEG_SMTP_URL_FILE`. */
const SECRET_FILE_SUFFIX = '_FILE';

/** Where a setting may stand, weakest first. */
export interface ConfigSources {
  /** Parsed flags by key as written on the command line in camelCase (commander's `opts()`); undefined means not given. */
  args: Readonly<Record<string, unknown>>;
  env: Readonly<Record<string, string | undefined>>;
  /** What `readConfigFile` gave; null: there is none. */
  file: ConfigFile | null;
  /** `SEG_`: every variable that starts with it must be a setting, apart from `envIgnored`. */
  envPrefix: string;
  /** Variables with the prefix that belong to others (test gates). */
  envIgnored?: (name: string) => boolean;
}

export interface ConfigFile {
  path: string;
  text: string;
}

/** A row of the table of settings. */
export interface SettingRow {
  /** Name in the file. */
  name: string;
  env: string;
  flag: string;
  expects: string;
  defaultText: string;
  description: string;
}

/**
 * A key's zod type: `default` is written as a user would write it. `defaultText` replaces it in the table where it depends on the machine. What is `secret` is
 * never repeated.
 */
export function setting<T>(kind: SettingType<T>, options: { default: unknown; defaultText?: string; description: string; secret?: boolean }): z.ZodType<T, unknown> {
  return kind.type.prefault(options.default).meta({
    description: options.description,
    expects: kind.expects,
    secret: options.secret ?? false,
    defaultText: options.defaultText ?? (typeof options.default === 'string' ? options.default : textOf(options.default)),
  });
}

/**
 * Reads every source, checks every value (also those that a stronger source hides) and returns the merged settings.
 * Throws OperationalError `invalid_config` with one line per fault.
 */
export function loadConfig<Schema extends z.ZodObject>(schema: Schema, sources: ConfigSources): z.output<Schema> {
  const names = settingNames(schema, sources.envPrefix);
  const faults: string[] = [];
  const merged: Record<string, unknown> = {};
  const places: Record<string, string> = {};

  const take = (key: string, raw: unknown, place: string): void => {
    const type = schema.shape[key] as z.ZodType;
    const result = type.safeParse(raw);
    if (!result.success) {
      const got = type.meta()?.secret === true ? '' : `, got ${textOf(raw)}`;
      for (const issue of result.error.issues) faults.push(`${place}: ${issue.message}${got}`);
      return;
    }
    merged[key] = raw;
    places[key] = place;
  };

  takeFile(sources.file, names, take, faults);
  takeEnvironment(sources, names, take, faults);
  takeArgs(sources.args, names, take, faults);

  const whole = schema.safeParse(merged);
  if (faults.length === 0 && !whole.success) {
    for (const issue of whole.error.issues) {
      const key = String(issue.path[0] ?? '');
      const found = names.find((name) => name.key === key);
      faults.push(`${places[key] ?? (found === undefined ? 'the settings' : `${found.name} (by default)`)}: ${issue.message}`);
    }
  }
  if (faults.length > 0 || !whole.success) {
    throw new OperationalError('invalid_config', `The settings cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
  return whole.data;
}

/** Rows for `--help` and the README, in the schema's order. */
export function describeConfig(schema: z.ZodObject, envPrefix: string): SettingRow[] {
  return settingNames(schema, envPrefix).map(({ key, name, env, flag }) => {
    const meta = (schema.shape[key] as z.ZodType).meta() ?? {};
    return {
      name,
      env,
      flag,
      expects: String(meta.expects ?? ''),
      defaultText: String(meta.defaultText ?? ''),
      description: meta.description ?? '',
    };
  });
}

/** What a setting is now, for people who look after the engine. */
export interface ShownSetting {
  /** Its variable. */
  name: string;
  /** As JSON, durations in milliseconds; null of a secret and of what is not set. */
  value: string | null;
  isSecret: boolean;
  isSet: boolean;
}

/** Settings as they are, in the schema's order, without secrets: those that are named so, and what stands before the @ of an address. */
export function shownSettings(schema: z.ZodObject, settings: Readonly<Record<string, unknown>>, envPrefix: string): ShownSetting[] {
  return settingNames(schema, envPrefix).map(({ key, env, isSecret }) => {
    const value = settings[key] ?? null;
    const isShown = value !== null && !isSecret;
    return { name: env, value: isShown ? JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? withoutLogin(part) : part)) : null, isSecret, isSet: value !== null };
  });
}

/** An address without user and password. */
function withoutLogin(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username === '' && url.password === '') return text;
  url.username = '';
  url.password = '';
  return url.href;
}

/** The file at `path`, or null when there is none and it was not `required`. Throws OperationalError `invalid_config` when it cannot be read. */
export function readConfigFile(path: string, required: boolean): ConfigFile | null {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !required) return null;
    throw new OperationalError('invalid_config', `cannot read the settings file ${path}: ${(error as Error).message}`, { cause: error });
  }
}

interface SettingName {
  /** In the schema, and in the program. */
  key: string;
  isSecret: boolean;
  name: string;
  env: string;
  flag: string;
}

type Take = (key: string, raw: unknown, place: string) => void;

function settingNames(schema: z.ZodObject, envPrefix: string): SettingName[] {
  return Object.keys(schema.shape).map((key) => {
    // A duration carries its unit in its value, so only the program's name says milliseconds.
    const name = key.replace(/Ms$/, '');
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter}`).toLowerCase().split(' ');
    return { key, isSecret: (schema.shape[key] as z.ZodType).meta()?.secret === true, name, env: envPrefix + words.join('_').toUpperCase(), flag: `--${words.join('-')}` };
  });
}

function takeFile(file: ConfigFile | null, names: SettingName[], take: Take, faults: string[]): void {
  if (file === null) return;
  let content: unknown;
  try {
    content = JSON.parse(file.text);
  } catch (error) {
    faults.push(`${file.path}: not JSON (${(error as Error).message})`);
    return;
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    faults.push(`${file.path}: expected a JSON object of settings`);
    return;
  }
  for (const [name, raw] of Object.entries(content)) {
    const found = names.find((known) => known.name === name);
    if (found !== undefined) take(found.key, raw, `"${name}" in ${file.path}`);
    else faults.push(unknownName(`"${name}" in ${file.path}`, name, names.map((known) => known.name)));
  }
}

function takeEnvironment(sources: ConfigSources, names: SettingName[], take: Take, faults: string[]): void {
  for (const [name, raw] of Object.entries(sources.env)) {
    // An empty variable is how compose files and shells say "not set".
    if (!name.startsWith(sources.envPrefix) || raw === undefined || raw === '' || sources.envIgnored?.(name)) continue;
    const found = names.find((known) => known.env === name);
    const ofFile = names.find((known) => known.isSecret && known.env + SECRET_FILE_SUFFIX === name);
    if (found !== undefined) take(found.key, raw, `${name} in the environment`);
    else if (ofFile !== undefined) takeSecretFile(sources, ofFile, raw, take, faults);
    else faults.push(unknownName(`${name} in the environment`, name, names.map((known) => known.env)));
  }
}

/** A secret that an orchestrator lays beside the program: other processes can read an environment, and it is written down here and there. */
function takeSecretFile({ env }: ConfigSources, setting: SettingName, path: string, take: Take, faults: string[]): void {
  const place = `${setting.env}${SECRET_FILE_SUFFIX} in the environment`;
  if ((env[setting.env] ?? '') !== '') {
    faults.push(`${place}: ${setting.env} is there too; give one of them`);
    return;
  }
  try {
    take(setting.key, readFileSync(path, 'utf8').replace(/\r?\n$/, ''), place);
  } catch (error) {
    faults.push(`${place}: cannot read the file: ${(error as Error).message}`);
  }
}

function takeArgs(args: Readonly<Record<string, unknown>>, names: SettingName[], take: Take, faults: string[]): void {
  for (const [name, raw] of Object.entries(args)) {
    if (raw === undefined) continue;
    const found = names.find((known) => known.name === name);
    if (found !== undefined) take(found.key, raw, `the flag ${found.flag}`);
    else faults.push(unknownName(`the flag "${name}"`, name, names.map((known) => known.name)));
  }
}

function unknownName(place: string, name: string, known: string[]): string {
  const nearest = nearestName(name, known);
  return `${place}: there is no such setting${nearest === null ? '' : `, did you mean ${nearest}?`} (\`seg start --help\` lists all)`;
}

/** A value in a message or in the table, cut to a line. */
function textOf(raw: unknown): string {
  const full = JSON.stringify(raw) ?? String(raw);
  return full.length > 80 ? `${full.slice(0, 77)}…` : full;
}
