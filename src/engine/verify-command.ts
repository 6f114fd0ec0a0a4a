import { resolve } from 'node:path';
import type { Command } from 'commander';
import { EXIT, EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../cli/command-end.ts';
import { ProgressLine, withThousands } from '../cli/progress-line.ts';
import { systemClock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { claimDirectory } from './directory-claim.ts';
import type { EngineConfig } from './engine-config.ts';
import { loadSettings } from './start-command.ts';
import { requireManifest, verifyDirectory, type DirectoryReport } from './verification.ts';

const HELP = `
It reads everything and changes nothing; the engine must be stopped. The part of the log that no snapshot holds yet is replayed in memory, which
takes as much of it as the engine does.
${EXIT_CODES_HELP} Anything found wrong is a failure.`;

/** Adds `seg verify`. */
export function registerVerify(program: Command): void {
  addDirectory(endUsageFaultsWith2(program.command('verify')))
    .description('check a data directory off line: checksums, rows, windows, log, regional sums, alerts, bills')
    .addHelpText('after', HELP)
    .action((flags: Record<string, unknown>) => runToEnd(() => verify(directorySettings(flags))));
}

/** Options of the commands that work on a data directory. */
export function addDirectory(command: Command): Command {
  return command.option('--data-dir <directory>', 'data directory (default: SEG_DATA_DIR, else ./data)').option('--config <file>', 'settings file (default: seg.config.json if there is one)');
}

/** The engine's settings. Throws OperationalError `usage`. */
export function directorySettings({ dataDir, config }: Record<string, unknown>): EngineConfig {
  try {
    return loadSettings({ ...(dataDir === undefined ? {} : { dataDir }), ...(config === undefined ? {} : { config }) });
  } catch (error) {
    if (error instanceof OperationalError && error.code === 'invalid_config') throw new OperationalError('usage', error.message, { cause: error });
    throw error;
  }
}

async function verify(config: EngineConfig): Promise<void> {
  const path = resolve(config.dataDir);
  const manifest = requireManifest(path);
  const claim = claimDirectory(path);
  try {
    const report = await withProgress('verifying', manifest.shards, (onProgress) => verifyDirectory(path, manifest, config, onProgress));
    process.stdout.write(describeReport(path, report));
    if (report.found > 0) process.exitCode = EXIT.failed;
  } finally {
    claim.release();
  }
}

/** Shows how far `run` is: "verifying shard 1 of 2: 45 %". */
export async function withProgress<T>(verb: string, shards: number, run: (onProgress: (shard: number, done: number, total: number) => void) => Promise<T>): Promise<T> {
  const line = new ProgressLine(process.stderr);
  try {
    return await run((shard, done, total) => {
      const nowMs = systemClock.monotonic();
      if (line.due(nowMs)) line.show(`${verb} shard ${shard + 1} of ${shards}: ${total === 0 ? 100 : Math.floor((done / total) * 100)} %`, nowMs);
    });
  } finally {
    line.end();
  }
}

/** What was looked at, what is wrong with it, and what to do. */
export function describeReport(path: string, report: DirectoryReport): string {
  const { findings, found, shards, meters, windows, records, alertRecords, billingRecords, accountRecords, registryRecords, auditEnd } = report;
  const looked = `${path}: ${counted(shards, 'shard')}, ${counted(meters, 'meter')}, ${counted(windows, 'window')}, ${counted(records, 'log record')}${recordsOf(alertRecords, 'alerts')}${recordsOf(billingRecords, 'tariffs and bills')}${recordsOf(registryRecords, 'the registry')}${recordsOf(accountRecords, 'accounts')}${auditEnd === null ? '' : `, an audit log up to entry ${auditEnd.seq} (${auditEnd.hash})`}`;
  if (found === 0) return `${looked}: sound\n`;
  const more = found > findings.length ? [`… and ${withThousands(found - findings.length)} more`] : [];
  const lines = [...findings.map(({ where, problem }) => `${where} ${problem}`), ...more];
  const wayOut = `Keep a copy of the directory, move it away, and bring back the newest backup with seg restore --from DIR; senders that still have the readings since then may send them again.`;
  return `${looked}: ${counted(found, 'fault')}\n${lines.join('\n')}\n${wayOut}\n`;
}

function recordsOf(records: number | null, what: string): string {
  return records === null ? '' : `, ${counted(records, 'record')} of ${what}`;
}

/** `1 meter`, `4,000 meters`. */
function counted(count: number, noun: string): string {
  return `${withThousands(count)} ${noun}${count === 1 ? '' : 's'}`;
}
