import type { Command } from 'commander';
import { OperationalError } from '../runtime/errors.ts';
import { terminalText } from './terminal-text.ts';

/** How every `seg` command ends. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

export const EXIT_CODES_HELP = '\nExit codes: 0 done, 1 failed, 2 wrong usage.';

/** What a file system answers when the machine is at fault and not the program: rights, space, the disk itself, too many open files. */
const MACHINE_FAULTS: readonly (string | undefined)[] = ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EMFILE'];

/** Makes commander's own complaints (unknown option, bad value) end the process with EXIT.usage instead of 1. */
export function endUsageFaultsWith2(command: Command): Command {
  return command.exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));
}

/**
 * Runs a command's body and turns its errors into a line on stderr and an exit code. The first Ctrl-C (or SIGTERM) fires the signal so that the body can
 * end with a summary; the second ends the process.
 */
export async function runToEnd(body: (signal: AbortSignal) => Promise<void>): Promise<void> {
  // `seg export … | head` ends when head does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    await body(stop.signal);
  } catch (error) {
    const isOperational = error instanceof OperationalError;
    if (!isOperational && !MACHINE_FAULTS.includes((error as NodeJS.ErrnoException).code)) throw error;
    process.stderr.write(`seg: ${terminalText((error as Error).message)}\n`);
    process.exitCode = isOperational && error.code === 'usage' ? EXIT.usage : EXIT.failed;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
