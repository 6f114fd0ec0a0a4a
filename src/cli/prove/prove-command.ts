import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { OperationalError } from '../../runtime/errors.ts';
import { EXIT, EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../command-end.ts';
import { collect, wholeNumber } from '../option-values.ts';
import { formatMs, withThousands } from '../progress-line.ts';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import { canFillDisks, prove, removeRun, type ProveReport, type RoundReport } from './prove-run.ts';

interface ProveFlags {
  rounds: number;
  seed: number;
  meters: number;
  dir?: string;
  fault?: string[];
  keep: boolean;
}

const HELP = `
Faults (repeat --fault or separate by commas; all by default):
  kill             kill -9 at a random moment
  kill-recovery    kill -9, and again while the engine starts
  kill-shutdown    kill -9 while it stops
  stop             SIGTERM
  disk-full        a small disk that is filled and freed again (needs root on Linux; left out elsewhere)
  shard-throw, shard-exit, shard-spin, ingest-throw, ingest-exit, ingest-spin
                   a worker thread throws, exits, or never comes back
  lose-files       lock files and leftovers removed, cut or garbled while it is stopped
  damage-files     data and manifest cut, flipped or removed while it is stopped: it must refuse in clear words or be right; what a start does
                   not read, seg verify has to find
  threads          a restart with other numbers of shards and ingest threads
  clock            the wall clock moves forward or back by minutes

An acknowledged reading that is in no window is lost, one that counts twice is duplicated, a window that is not what its readings make is wrong.
The order of the faults and all readings follow from the seed; when exactly they strike does not.
${EXIT_CODES_HELP}`;

/** Adds `seg prove`. */
export function registerProve(program: Command): void {
  endUsageFaultsWith2(program.command('prove'))
    .description('run an engine of its own, break it in every way under load, and prove that nothing acknowledged is lost or counted twice')
    .option('--rounds <n>', 'rounds, one fault each', wholeNumber(1, 100_000), 200)
    .option('--seed <n>', 'chance of the run', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--meters <n>', 'meters that send', wholeNumber(16, 10_000), 64)
    .option('--dir <directory>', 'where the run keeps its files (default: a directory of its own in the temporary one)')
    .option('--fault <fault>', 'faults to use, see below; repeatable', collect)
    .option('--keep', 'leave the files there at the end', false)
    .addHelpText('after', HELP)
    .action((flags: ProveFlags) => runToEnd((signal) => run(flags, signal)));
}

async function run(flags: ProveFlags, signal: AbortSignal): Promise<void> {
  const asked = parseFaults(flags.fault);
  const parent = flags.dir === undefined ? tmpdir() : resolve(flags.dir);
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'seg-prove-'));
  let clean = false;
  try {
    const faults = canFillDisks(directory) ? asked : asked.filter((kind) => kind !== 'disk-full');
    if (faults.length < asked.length) process.stdout.write('LEFT OUT: disk-full. Mounting a small disk needs Linux and root; nothing is proven about full disks.\n');
    if (faults.length === 0) throw new OperationalError('usage', 'no fault is left to strike with');
    process.stdout.write(`seed ${flags.seed}, ${flags.rounds} rounds, ${flags.meters} meters, in ${directory}\n`);
    const report = await prove({ rounds: flags.rounds, seed: flags.seed, meters: flags.meters, directory, faults, signal }, (round) => process.stdout.write(roundText(round, flags.rounds)));
    process.stdout.write(summaryText(report));
    clean = report.findings.isClean && report.troubles.length === 0;
    if (!clean) process.exitCode = EXIT.failed;
  } finally {
    if (clean && !flags.keep) removeRun(directory);
    else process.stdout.write(`its files are in ${directory}\n`);
  }
}

function parseFaults(names: string[] | undefined): readonly FaultKind[] {
  if (names === undefined) return FAULT_KINDS;
  const unknown = names.find((name) => !(FAULT_KINDS as readonly string[]).includes(name));
  if (unknown !== undefined) throw new OperationalError('usage', `there is no fault "${unknown}"; the faults are ${FAULT_KINDS.join(', ')}`);
  return names as FaultKind[];
}

function roundText({ round, fault, detail, acknowledged, findings, unavailableMs, troubles }: RoundReport, rounds: number): string {
  const { lost, duplicated, wrong, compared, examples } = findings;
  const counts = `acked ${withThousands(acknowledged)}, lost ${lost}, duplicated ${duplicated}, wrong ${wrong} in ${withThousands(compared)} windows, unavailable ${formatMs(unavailableMs)}`;
  const more = [...examples, ...troubles].map((text) => `    ${text.replaceAll('\n', '\n    ')}\n`).join('');
  return `${String(round).padStart(String(rounds).length)}/${rounds} ${fault}: ${counts} (${detail})\n${more}`;
}

function summaryText(report: ProveReport): string {
  const { lost, duplicated, wrong, compared, examples } = report.findings;
  const lines = [
    `${report.rounds} rounds, ${withThousands(report.acknowledged)} readings acknowledged: lost ${lost}, duplicated ${duplicated}, wrong ${wrong}; ${withThousands(compared)} windows compared`,
    `${withThousands(report.conflicts)} contradictions rejected, ${withThousands(report.retries)} requests sent again, ${withThousands(report.abandoned)} given up unanswered`,
    `longest unavailability ${formatMs(report.longestUnavailableMs)} (${report.longestUnavailableFault ?? 'none'}); troubles ${report.troubles.length}`,
    ...examples,
    ...report.troubles.map((text) => text.split('\n')[0]),
  ];
  return `${lines.join('\n')}\n`;
}
