import { readFileSync } from 'node:fs';

/** Tells a process from a later one with the same pid: what a kill -9 leaves behind must not speak for a stranger. */

/** True while the process that had this pid and start time lives. `start`: of `startOf`. */
export function isRunning(pid: number, start: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (process.platform !== 'linux') return true;
  return startOf(pid) === start;
}

/**
 * When the process started, in clock ticks since the machine did: field 22 of /proc/PID/stat (proc_pid_stat(5)). null when it is not there, has ended and
 * waits for its parent to notice, or the system has no /proc.
 */
export function startOf(pid: number): number | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? null : Number(fields[18]);
}
