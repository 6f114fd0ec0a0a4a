import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';

/**
 * One engine a data directory: LMDB lets several processes in, and two engines would each count on being alone.
 *
 * Every engine first leaves a file with its own name, `engine-<pid>-<start>.claim`, and only then looks for others. Of two that start at once
 * at least one therefore sees the other, and nobody ever has to take over a file of somebody else, which could not be done without a
 * race. The start time of the process tells it from a later one with the same pid, so what a kill -9 leaves behind never locks the directory.
 *
 * It sees the processes of this machine, and of this container: two containers that share a volume are not kept apart.
 */

const CLAIM_FILE = /^engine-(\d+)-(\d+)\.claim$/;

export interface DirectoryClaim {
  /** Removes the claim; a second call does nothing. */
  release(): void;
}

/** Claims the directory for this process. Throws OperationalError `data_directory_in_use` while another has it, and errors of the file system. */
export function claimDirectory(path: string): DirectoryClaim {
  const own = `engine-${process.pid}-${startOf(process.pid) ?? 0}.claim`;
  const file = join(path, own);
  try {
    writeFileSync(file, '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw inUse(path, process.pid, own);
    throw error;
  }
  const release = (): void => rmSync(file, { force: true });
  for (const name of readdirSync(path)) {
    const match = CLAIM_FILE.exec(name);
    if (match === null || name === own) continue;
    const pid = Number(match[1]);
    if (isRunning(pid, Number(match[2]))) {
      release();
      throw inUse(path, pid, name);
    }
    rmSync(join(path, name), { force: true });
  }
  return { release };
}

function inUse(path: string, pid: number, name: string): OperationalError {
  const detail = `the data directory ${path} is in use by the engine with process id ${pid}; stop it or set SEG_DATA_DIR to another directory (if no engine runs there, remove ${join(path, name)})`;
  return new OperationalError('data_directory_in_use', detail);
}

function isRunning(pid: number, start: number): boolean {
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
function startOf(pid: number): number | null {
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
