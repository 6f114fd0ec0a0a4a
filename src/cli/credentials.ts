import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';

/**
 * Who a command is, to an engine with accounts: an access token of `--token` or SEG_TOKEN, a file with one (SEG_TOKEN_FILE), or what `seg login` left behind. That is a refresh token, of which each use makes another, so
 * it lies in a file that is written anew; it is sent to the engine that it is of and to no other.
 */

export interface KeptLogIn {
  /** Origin of the engine. */
  origin: string;
  refreshToken: string;
}

export type Credentials = { kind: 'none' } | { kind: 'token'; token: string } | { kind: 'kept'; path: string };

type Environment = Readonly<Record<string, string | undefined>>;

/** `given`: the flag. Throws OperationalError `usage` for a file that cannot be read. */
export function findCredentials(given: string | undefined, origin: string, env: Environment = process.env): Credentials {
  const token = given ?? nonEmpty(env.SEG_TOKEN) ?? tokenOfFile(nonEmpty(env.SEG_TOKEN_FILE));
  if (token !== null) {
    if (token.startsWith('segr_')) throw new OperationalError('usage', 'this is a refresh token, of which each use makes another; give an access token, or use seg login');
    return { kind: 'token', token };
  }
  const path = keptPath(env);
  return readKept(path)?.origin === origin ? { kind: 'kept', path } : { kind: 'none' };
}

/** The key for readings, of a flag, SEG_KEY or the file that SEG_KEY_FILE names; null: none. */
export function findKey(given: string | undefined, env: Environment = process.env): string | null {
  return given ?? nonEmpty(env.SEG_KEY) ?? tokenOfFile(nonEmpty(env.SEG_KEY_FILE));
}

/** Where `seg login` leaves what it got. */
export function keptPath(env: Environment = process.env): string {
  return join(nonEmpty(env.XDG_CONFIG_HOME) ?? join(homedir(), '.config'), 'seg', 'login.json');
}

export function readKept(path: string): KeptLogIn | null {
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Partial<KeptLogIn> | null;
    return typeof kept?.origin === 'string' && typeof kept.refreshToken === 'string' ? { origin: kept.origin, refreshToken: kept.refreshToken } : null;
  } catch {
    // Nobody has logged in, or it was cut short: seg login makes it anew.
    return null;
  }
}

/** For its owner alone, whole or not at all. Throws OperationalError `out_unwritable`. */
export function writeKept(path: string, kept: KeptLogIn): void {
  const partial = `${path}.${process.pid}.partial`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(partial, `${JSON.stringify(kept)}\n`, { mode: 0o600, flush: true });
    renameSync(partial, path);
  } catch (cause) {
    throw new OperationalError('out_unwritable', `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

export function removeKept(path: string): void {
  rmSync(path, { force: true });
}

function nonEmpty(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

function tokenOfFile(path: string | null): string | null {
  if (path === null) return null;
  try {
    return nonEmpty(readFileSync(path, 'utf8').trim());
  } catch (cause) {
    throw new OperationalError('usage', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
