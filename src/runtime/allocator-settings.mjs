import { accessSync, constants } from 'node:fs';
import process from 'node:process';

/**
 * glibc's malloc, told to keep less. By itself it gives up to eight arenas to each processor, each as large as its busiest moment ever was, and learns from every large block that is
 * given back to keep twice as much free memory the next time: an engine of 100,000 meters had 30 MB too many, and 20 more every hour (bench/RESULTS.md).
 */
const SETTINGS = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '1048576', MALLOC_MMAP_THRESHOLD_: '1048576' };

/** That it was done is told by a name of our own: the loader takes malloc's away from a program with more rights than its user, who would start it anew for ever. */
const SETTLED = 'ALLOCATOR_SETTLED';

/** Commands that run an engine in this process. */
const COMMANDS = new Set(['start', 'demo']);

/**
 * malloc reads its settings when a program starts, so this one is started anew by itself: in the same process, with the same arguments. Nothing happens where somebody has set one of them,
 * under another system, in a Node without execve, or with a parent that talks to this process by a channel, which would be lost.
 */
export function settleAllocator() {
  const { platform, env, execve, execPath, execArgv, argv, channel } = process;
  if (platform !== 'linux' || execve === undefined || channel !== undefined || !COMMANDS.has(argv[2])) return;
  if ([SETTLED, ...Object.keys(SETTINGS)].some((name) => name in env)) return;
  try {
    // Where the program cannot be started there would be no way back.
    accessSync(execPath, constants.X_OK);
    execve.call(process, execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...env, ...SETTINGS, [SETTLED]: '1' });
  } catch {
    // Node's permissions forbid it, or the file is gone: an engine with some more memory.
  }
}
