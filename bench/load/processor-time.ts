import { readdirSync, readFileSync } from 'node:fs';

/** Processor time of other processes, where Linux tells. */

/** USER_HZ, which Linux fixes for programs. */
const TICKS_PER_SECOND = 100;

/** Seconds that the processes have taken so far; null where it is not known. */
export function processorSeconds(pids: readonly number[]): number | null {
  if (process.platform !== 'linux') return null;
  return pids.reduce((sum, pid) => sum + ticksOf(`/proc/${pid}/stat`), 0) / TICKS_PER_SECOND;
}

/** By number of the thread; empty where it is not known. */
export function threadSeconds(pid: number): Map<string, number> {
  if (process.platform !== 'linux') return new Map();
  return new Map(readdirSync(`/proc/${pid}/task`).map((thread) => [thread, ticksOf(`/proc/${pid}/task/${thread}/stat`) / TICKS_PER_SECOND]));
}

function ticksOf(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // A thread that ended meanwhile.
    return 0;
  }
  // After the name, which may hold spaces: utime and stime are the twelfth and thirteenth (man 5 proc_pid_stat).
  const fields = text.replace(/^.*\) /s, '').split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
