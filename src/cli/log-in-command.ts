import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { OperationalError } from '../runtime/errors.ts';
import { ApiClient, DEFAULT_API_URL } from './api-client.ts';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from './command-end.ts';
import { keptPath, readKept, removeKept, writeKept } from './credentials.ts';
import { toStdout, type Print } from './engine-command.ts';

const HELP = `
Asks for the password; without a terminal it is the first line of the input, and a new one where that is needed the second. What comes of it lies in
~/.config/seg/login.json and is used by every command that speaks with that engine; seg logout ends it.
${EXIT_CODES_HELP}`;

/** Where answers come from. */
export interface Questions {
  ask(question: string, isSecret: boolean): Promise<string>;
}

/** Adds `seg login` and `seg logout`. */
export function registerLogIn(program: Command): void {
  endUsageFaultsWith2(program.command('login'))
    .description('log in to a running engine')
    .option('--url <url>', 'API port of the engine', DEFAULT_API_URL)
    .requiredOption('--email <address>', 'who logs in')
    .addHelpText('after', HELP)
    .action((flags: { url: string; email: string }) => runToEnd((signal) => withQuestions((questions) => logIn(flags, questions, signal, toStdout))));
  endUsageFaultsWith2(program.command('logout'))
    .description('end what seg login began')
    .addHelpText('after', EXIT_CODES_HELP)
    .action(() => runToEnd((signal) => logOut(signal, toStdout)));
}

/** Throws OperationalError: those of ApiClient, and `usage` where the new password was typed in two ways. */
export async function logIn({ url, email }: { url: string; email: string }, questions: Questions, signal: AbortSignal | undefined, print: Print, path = keptPath()): Promise<void> {
  const api = new ApiClient(url, signal, null);
  try {
    const password = await questions.ask(`Password of ${email}: `, true);
    const tokens = await api.post('/api/v1/auth/login', { email, password }).catch((error: unknown) => {
      if (!(error instanceof OperationalError) || !error.message.includes('has to be replaced')) throw error;
      return replacePassword(api, email, password, questions);
    });
    writeKept(path, { origin: api.origin, refreshToken: String(tokens.refreshToken) });
    print(`Logged in to ${api.origin} as ${email}.\n`);
  } finally {
    api.close();
  }
}

async function replacePassword(api: ApiClient, email: string, password: string, questions: Questions): Promise<Record<string, unknown>> {
  const newPassword = await questions.ask('This password has to be replaced. New password: ', true);
  const again = await questions.ask('Once more: ', true);
  if (newPassword !== again) throw new OperationalError('usage', 'the two new passwords are not the same');
  return api.post('/api/v1/auth/password', { email, password, newPassword });
}

export async function logOut(signal: AbortSignal | undefined, print: Print, path = keptPath()): Promise<void> {
  const kept = readKept(path);
  // Gone from here first: an engine that does not answer must not keep it.
  removeKept(path);
  if (kept === null) return print('Nobody is logged in.\n');
  const api = new ApiClient(kept.origin, signal, null);
  try {
    await api.post('/api/v1/auth/logout', { refreshToken: kept.refreshToken });
  } finally {
    api.close();
  }
  print(`Logged out of ${kept.origin}.\n`);
}

/** From the terminal, where secrets are not shown, or line by line from the input. */
async function withQuestions(use: (questions: Questions) => Promise<void>): Promise<void> {
  let isSecret = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!isSecret) process.stderr.write(chunk as Buffer);
      done();
    },
  });
  const isTerminal = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, output: isTerminal ? output : undefined, terminal: isTerminal });
  const given = isTerminal ? null : lines[Symbol.asyncIterator]();
  let last = '';
  try {
    await use({
      async ask(question, secret) {
        // Without a terminal nobody types it twice.
        if (given !== null) return question === 'Once more: ' ? last : (last = ((await given.next()).value as string | undefined) ?? '');
        process.stderr.write(question);
        isSecret = secret;
        try {
          return await lines.question('');
        } finally {
          isSecret = false;
          process.stderr.write('\n');
        }
      },
    });
  } finally {
    lines.close();
  }
}
