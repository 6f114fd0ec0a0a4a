import type { Command } from 'commander';
import { OperationalError } from '../runtime/errors.ts';
import type { ApiClient } from './api-client.ts';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from './command-end.ts';
import { addUrl, toStdout, withApi, type Print } from './engine-command.ts';
import { textTable } from './text-table.ts';

const KEYS_PER_PAGE = 1_000;

const HELP = `
Examples:
  seg key create "collector 7" --regions region-01,region-02
  seg key create "house 12" --meters meter-1 --expires 2027-01-01T00:00:00Z
  seg key revoke key_4fG…
${EXIT_CODES_HELP} An admin gives these commands: seg login first.`;

interface Address {
  url: string;
  token?: string;
}

interface ScopeFlags {
  meters?: string;
  regions?: string;
  all?: true;
  expires?: string;
}

/** Adds `seg key`. */
export function registerKey(program: Command): void {
  const key = endUsageFaultsWith2(program.command('key')).description('keys that meters and collectors send readings with').addHelpText('after', HELP);
  addUrl(key.command('create'))
    .description('make a key; it is shown this once')
    .argument('<name>', 'what it is for')
    .option('--meters <ids>', 'which meters it may send readings of, separated by commas')
    .option('--regions <ids>', 'which regions')
    .option('--all', 'all of them')
    .option('--expires <time>', 'when it ends, RFC 3339 (default: never)')
    .action((name: string, flags: ScopeFlags & Address) => runToEnd((signal) => withApi(flags, signal, (api) => createKey(api, name, flags, toStdout))));
  addUrl(key.command('list'))
    .description('list keys, without the keys themselves')
    .action((flags: Address) => runToEnd((signal) => withApi(flags, signal, (api) => listKeys(api, toStdout))));
  addUrl(key.command('revoke'))
    .description('have a key count no more')
    .argument('<id>')
    .action((id: string, flags: Address) => runToEnd((signal) => withApi(flags, signal, (api) => revokeKey(api, id, toStdout))));
}

/** Throws OperationalError `usage` where not one scope is named. */
export async function createKey(api: ApiClient, name: string, { meters, regions, all, expires }: ScopeFlags, print: Print): Promise<void> {
  const scopes = [...(meters === undefined ? [] : [{ meters: meters.split(',') }]), ...(regions === undefined ? [] : [{ regions: regions.split(',') }]), ...(all === undefined ? [] : ['all'])];
  if (scopes.length !== 1) throw new OperationalError('usage', 'give one of --meters, --regions and --all');
  const { key, deviceKey } = (await api.post('/api/v1/device-keys', { name, scope: scopes[0], expiresAt: expires ?? null })) as { key: string; deviceKey: { id: string } };
  print(`${key}\n`);
  process.stderr.write(`The key ${deviceKey.id} is shown this once; senders give it as "Authorization: Bearer …", commands as --key or SEG_KEY.\n`);
}

export async function listKeys(api: ApiClient, print: Print): Promise<void> {
  const rows: string[][] = [];
  for await (const { data } of api.pages('/api/v1/device-keys', { limit: String(KEYS_PER_PAGE) })) {
    for (const { id, name, scope, lastUsedAt, revokedAt, expiresAt } of data) {
      const state = revokedAt !== null ? `revoked ${String(revokedAt)}` : expiresAt !== null ? `until ${String(expiresAt)}` : '';
      rows.push([String(id), String(name), scopeText(scope), lastUsedAt === null ? 'never used' : `used ${String(lastUsedAt)}`, state]);
    }
  }
  print(rows.length === 0 ? 'There are none.\n' : textTable(['id', 'name', 'sends', 'last use', ''].map((title) => ({ title })), rows));
}

export async function revokeKey(api: ApiClient, id: string, print: Print): Promise<void> {
  await api.remove(`/api/v1/device-keys/${encodeURIComponent(id)}`);
  print(`${id} counts no more.\n`);
}

function scopeText(scope: unknown): string {
  if (scope === 'all') return 'everything';
  const [[what, ids]] = Object.entries(scope as Record<string, string[]>);
  return ids.length > 3 ? `${ids.length} ${what}` : `${what} ${ids.join(', ')}`;
}
