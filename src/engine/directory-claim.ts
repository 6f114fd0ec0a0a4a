import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../runtime/errors.ts';
import { isRunning, startOf } from '../runtime/process-identity.ts';

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
