import { resolve } from 'node:path';
import type { Command } from 'commander';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../cli/command-end.ts';
import { withThousands } from '../cli/progress-line.ts';
import { systemClock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { backUp, restore } from './backup.ts';
import type { Manifest } from './data-manifest.ts';
import type { EngineConfig } from './engine-config.ts';
import type { RestoredAccounts } from './restored-accounts.ts';
import { VERSION } from './version.ts';
import { requireManifest, verifyDirectory } from './verification.ts';
import { addDirectory, describeReport, directorySettings, withProgress } from './verify-command.ts';

const MIB = 2 ** 20;
/** Device keys that are named after a restore. */
const KEYS_LISTED_MAX = 20;

const BACKUP_HELP = `
The engine may run and goes on meanwhile. Everything it acknowledged before the backup began is in it.

Example:
  seg backup --to /backups/grid-2026-11-23
${EXIT_CODES_HELP} A backup that could not be completed is not left behind.`;

const RESTORE_HELP = `
The backup is checked against its checksums and as seg verify does before it becomes the data directory; nothing is overwritten. Any SEG_SHARDS starts with it.
Whoever was logged in logs in again, as log-ins that were ended since would count once more. Device keys are kept, and shown, unless --revoke-keys is given.

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
    .option('--revoke-keys', 'have no device key of the backup count any more: whatever sends readings needs another')
    .addHelpText('after', RESTORE_HELP)
    .action((flags: Record<string, unknown>) => runToEnd(() => restoreBackup(directorySettings(flags), resolve(String(flags.from)), flags.revokeKeys === true)));
}

async function makeBackup(config: EngineConfig, to: string): Promise<void> {
  const from = resolve(config.dataDir);
  const { shards } = requireManifest(from);
  const report = await withProgress('copying', shards, (onProgress) => backUp(from, to, { startedAt: new Date(), engineVersion: VERSION }, onProgress));
  process.stdout.write(`${from} is backed up in ${to}: ${report.shards} ${report.shards === 1 ? 'shard' : 'shards'}, ${withThousands(Math.ceil(report.bytes / MIB))} MiB\n`);
}

async function restoreBackup(config: EngineConfig, from: string, revokeKeys: boolean): Promise<void> {
  const to = resolve(config.dataDir);
  const verify = async (path: string, manifest: Manifest): Promise<void> => {
    const report = await withProgress('verifying', manifest.shards, (onProgress) => verifyDirectory(path, manifest, config, onProgress));
    if (report.found > 0) throw new OperationalError('corrupt', `the backup is not sound; use another one\n${describeReport(from, report)}`);
  };
  const report = await withProgress('copying', requireManifest(from).shards, (onProgress) => restore(from, to, { revokeKeys, nowMs: systemClock.now() }, verify, onProgress));
  process.stdout.write(`${from} is restored in ${to}: ${report.shards} ${report.shards === 1 ? 'shard' : 'shards'}, ${withThousands(Math.ceil(report.bytes / MIB))} MiB; start the engine on it\n`);
  if (report.accounts !== null) process.stdout.write(accountsText(report.accounts));
}

/** What of accounts was ended, and what counts as it did when the backup was made. */
function accountsText({ sessions, links, keysRevoked, keys }: RestoredAccounts): string {
  const ended = `Of its accounts ${sessions} log-ins and ${links} links by mail have ended. Passwords, roles and meters are as they were then.\n`;
  if (keysRevoked > 0) return `${ended}${keysRevoked} device keys were revoked; nothing sends readings before it has another (seg key create).\n`;
  if (keys.length === 0) return ended;
  const listed = keys.slice(0, KEYS_LISTED_MAX).map(({ id, name }) => `  ${id}  ${name}\n`).join('');
  const more = keys.length > KEYS_LISTED_MAX ? `  and ${keys.length - KEYS_LISTED_MAX} more (seg key list)\n` : '';
  return `${ended}These device keys count, also those that were revoked since (seg key revoke ID):\n${listed}${more}`;
}
