import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { AccountsState, FIRST_ADMIN_EMAIL } from '../actors/accounts/accounts-state.ts';
import { PasswordHashing } from '../actors/accounts/password-hashing.ts';
import { newOneTimePassword } from '../actors/accounts/secrets.ts';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from '../cli/command-end.ts';
import { systemClock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { DATA_FILE } from './data-manifest.ts';
import { claimDirectory } from './directory-claim.ts';
import { accountsDirectory, openAccountStore } from './open-account-store.ts';
import { addDirectory, directorySettings } from './verify-command.ts';

/** Adds `seg recover-admin`: who can write the data directory can do anything with it; this does it with a line in the audit log. */
export function registerRecoverAdmin(program: Command): void {
  addDirectory(endUsageFaultsWith2(program.command('recover-admin')))
    .description(`give ${FIRST_ADMIN_EMAIL} another password, in a data directory that no engine runs on`)
    .addHelpText('after', EXIT_CODES_HELP)
    .action((flags: Record<string, unknown>) => runToEnd(async () => {
      const oneTimePassword = await recoverAdmin(resolve(directorySettings(flags).dataDir));
      process.stdout.write(`${FIRST_ADMIN_EMAIL} logs in with ${oneTimePassword}, and replaces it then. Its log-ins have ended.\n`);
    }));
}

/** Gives the password. Throws OperationalError `data_directory`, `data_directory_in_use`, and those of openAccountStore. */
export async function recoverAdmin(dataDir: string): Promise<string> {
  const directory = accountsDirectory(dataDir);
  if (!existsSync(join(directory, DATA_FILE))) throw new OperationalError('data_directory', `there are no accounts in ${dataDir}`);
  const claim = claimDirectory(dataDir);
  try {
    const { store, codeKey } = await openAccountStore(directory);
    try {
      const oneTimePassword = newOneTimePassword(randomBytes);
      const hash = await new PasswordHashing().hash(oneTimePassword);
      const state = new AccountsState(store, { random: randomBytes, codeKey });
      state.load();
      state.recoverAdmin(hash, systemClock.now());
      state.flush();
      await store.commit();
      return oneTimePassword;
    } finally {
      await store.close();
    }
  } finally {
    claim.release();
  }
}
