import { resolve } from 'node:path';
import type { Command } from 'commander';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../cli/command-end.ts';
import { withThousands } from '../cli/progress-line.ts';
import { OperationalError } from '../runtime/errors.ts';
import { backUp, restore } from './backup.ts';
import type { Manifest } from './data-manifest.ts';
import type { EngineConfig } from './engine-config.ts';
import { VERSION } from './start-command.ts';
import { requireManifest, verifyDirectory } from './verification.ts';
import { addDirectory, describeReport, directorySettings, withProgress } from './verify-command.ts';

const MIB = 2 ** 20;

const BACKUP_HELP = `
The engine may run and goes on meanwhile. Everything it acknowledged before the backup began is in it.

Example:
  seg backup --to /backups/grid-2026-11-23
${EXIT_CODES_HELP} A backup that could not be completed is not left behind.`;

const RESTORE_HELP = `
The backup is checked against its checksums and as seg verify does before it becomes the data directory; nothing is overwritten. Any SEG_SHARDS starts with it.

Example:
  seg restore --from /backups/grid-2026-11-23 --data-dir ./data
${EXIT_CODES_HELP}`;

/** Adds `seg backup`. */
export function registerBackup(program: Command): void {
  addDirectory(endUsageFaultsWith2(program.command('backup')))
    .description('copy the data directory of a running or stopped engine')
    .requiredOption('--to <directory>', 'where the backup goes; must not be there yet')
    .addHelpText('after', BACKUP_HELP)
    .action((flags: Record<string, unknown>) => runToEnd(() => makeBackup(directorySettings(flags), resolve(String(flags.to)))));
}

/** Adds `seg restore`. */
export function registerRestore(program: Command): void {
  addDirectory(endUsageFaultsWith2(program.command('restore')))
    .description('bring a backup back as a data directory')
    .requiredOption('--from <directory>', 'a backup of seg backup')
    .addHelpText('after', RESTORE_HELP)
    .action((flags: Record<string, unknown>) => runToEnd(() => restoreBackup(directorySettings(flags), resolve(String(flags.from)))));
}

async function makeBackup(config: EngineConfig, to: string): Promise<void> {
  const from = resolve(config.dataDir);
  const { shards } = requireManifest(from);
  const report = await withProgress('copying', shards, (onProgress) => backUp(from, to, { startedAt: new Date(), engineVersion: VERSION }, onProgress));
  process.stdout.write(`${from} is backed up in ${to}: ${report.shards} ${report.shards === 1 ? 'shard' : 'shards'}, ${withThousands(Math.ceil(report.bytes / MIB))} MiB\n`);
}

async function restoreBackup(config: EngineConfig, from: string): Promise<void> {
  const to = resolve(config.dataDir);
  const verify = async (path: string, manifest: Manifest): Promise<void> => {
    const report = await withProgress('verifying', manifest.shards, (onProgress) => verifyDirectory(path, manifest, config, onProgress));
    if (report.found > 0) throw new OperationalError('corrupt', `the backup is not sound; use another one\n${describeReport(from, report)}`);
  };
  const report = await withProgress('copying', requireManifest(from).shards, (onProgress) => restore(from, to, verify, onProgress));
  process.stdout.write(`${from} is restored in ${to}: ${report.shards} ${report.shards === 1 ? 'shard' : 'shards'}, ${withThousands(Math.ceil(report.bytes / MIB))} MiB; start the engine on it\n`);
}
