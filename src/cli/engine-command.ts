import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { OperationalError } from '../runtime/errors.ts';
import { ApiClient, DEFAULT_API_URL } from './api-client.ts';
import { terminalText } from './terminal-text.ts';

/** What commands that speak with a running engine have in common. */

/** Where the text of a command goes. */
export type Print = (text: string) => void;

export function addUrl(command: Command): Command {
  return command.option('--url <url>', 'API port of the engine', DEFAULT_API_URL).option('--token <token>', 'access token (default: SEG_TOKEN, the file of SEG_TOKEN_FILE, or that of seg login)');
}

/** For what is written down with a name. */
export function addBy(command: Command): Command {
  return command.option('--by <name>', 'who does it (default: whoever is logged in)');
}

export function byName(by: string | undefined): string {
  if (by !== undefined) return by;
  try {
    return userInfo().username;
  } catch {
    // A container's user without an entry.
    return 'seg';
  }
}

export function toStdout(text: string): void {
  process.stdout.write(terminalText(text));
}

export async function withApi<T>({ url, token }: { url: string; token?: string }, signal: AbortSignal, use: (api: ApiClient) => Promise<T>): Promise<T> {
  const api = new ApiClient(url, signal, token);
  try {
    return await use(api);
  } finally {
    api.close();
  }
}

/** Throws OperationalError `out_unwritable`. */
export async function writeOut(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(path, content).catch((cause: Error) => {
    throw new OperationalError('out_unwritable', `cannot write ${path}: ${cause.message}`, { cause });
  });
}
