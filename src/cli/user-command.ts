import { Option, type Command } from 'commander';
import { ROLES, type Role } from '../model/access.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { ApiClient } from './api-client.ts';
import { EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from './command-end.ts';
import { addUrl, toStdout, withApi, type Print } from './engine-command.ts';
import { textTable } from './text-table.ts';

const USERS_PER_PAGE = 1_000;

const HELP = `
Examples:
  seg user add ada@example.org --role consumer --meters meter-1,meter-2
  seg user add otto@example.org --role operator --regions region-01
  seg user list --role operator
  seg user disable otto@example.org
${EXIT_CODES_HELP} An admin gives these commands: seg login first.`;

interface Address {
  url: string;
  token?: string;
}

interface AddFlags {
  name?: string;
  role: Role;
  meters: string[];
  regions: string[] | 'all';
}

/** Adds `seg user`. */
export function registerUser(program: Command): void {
  const user = endUsageFaultsWith2(program.command('user')).description('people who may log in to a running engine').addHelpText('after', HELP);
  addUrl(user.command('add'))
    .description('make an account; its password is shown once, and has to be replaced at the first log-in')
    .argument('<email>')
    .option('--name <name>', 'what the person is called (default: the address)')
    .addOption(new Option('--role <role>', 'what they may do').choices(ROLES).default('consumer'))
    .option('--meters <ids>', 'of a consumer, separated by commas', listOf, [])
    .option('--regions <ids>', 'of an operator, separated by commas, or all', (text: string) => (text === 'all' ? 'all' : listOf(text)), [] as string[] | 'all')
    .action((email: string, flags: AddFlags & Address) => runToEnd((signal) => withApi(flags, signal, (api) => addUser(api, email, flags, toStdout))));
  addUrl(user.command('list'))
    .description('list accounts')
    .addOption(new Option('--role <role>', 'of one role').choices(ROLES))
    .action((flags: Address & { role?: Role }) => runToEnd((signal) => withApi(flags, signal, (api) => listUsers(api, flags.role, toStdout))));
  for (const [name, disabled] of [['disable', true], ['enable', false]] as const) {
    addUrl(user.command(name))
      .description(disabled ? 'have somebody let in no more, and end their log-ins' : 'let somebody in again')
      .argument('<email>')
      .action((email: string, flags: Address) => runToEnd((signal) => withApi(flags, signal, (api) => setDisabled(api, email, disabled, toStdout))));
  }
  addUrl(user.command('reset-password'))
    .description('give somebody another password, which is shown once and has to be replaced')
    .argument('<email>')
    .action((email: string, flags: Address) => runToEnd((signal) => withApi(flags, signal, (api) => resetPassword(api, email, toStdout))));
}

export async function addUser(api: ApiClient, email: string, { name = email, role, meters, regions }: AddFlags, print: Print): Promise<void> {
  const { oneTimePassword } = await api.post('/api/v1/users', { email, name, role, meters, regions });
  print(passwordText(email, String(oneTimePassword)));
}

export async function listUsers(api: ApiClient, role: Role | undefined, print: Print): Promise<void> {
  const rows: string[][] = [];
  for await (const { data } of api.pages('/api/v1/users', { limit: String(USERS_PER_PAGE), ...(role === undefined ? {} : { role }) })) {
    for (const user of data) rows.push([String(user.email ?? user.name), String(user.role), reachOf(user), user.disabled === true ? 'disabled' : '', String(user.id)]);
  }
  print(rows.length === 0 ? 'There are none.\n' : textTable(['address', 'role', 'reaches', '', 'id'].map((title) => ({ title })), rows));
}

export async function setDisabled(api: ApiClient, email: string, disabled: boolean, print: Print): Promise<void> {
  await api.patch(`/api/v1/users/${encodeURIComponent(await idOf(api, email))}`, { disabled });
  print(`${email} is ${disabled ? 'disabled; log-ins have ended' : 'let in again'}.\n`);
}

export async function resetPassword(api: ApiClient, email: string, print: Print): Promise<void> {
  const { oneTimePassword } = await api.post(`/api/v1/users/${encodeURIComponent(await idOf(api, email))}/password-reset`, {});
  print(passwordText(email, String(oneTimePassword)));
}

async function idOf(api: ApiClient, email: string): Promise<string> {
  const { data } = (await api.document('/api/v1/users', { email, limit: '10' })) as { data: { id: string; email: string | null }[] };
  const found = data.find((user) => user.email === email.toLowerCase());
  if (found === undefined) throw new OperationalError('not_found', `there is no user ${email}`);
  return found.id;
}

function reachOf({ meters, regions }: Record<string, unknown>): string {
  if (regions === 'all') return 'everything';
  const named = [...(meters as string[]), ...(regions as string[])];
  return named.length > 3 ? `${named.slice(0, 3).join(', ')} and ${named.length - 3} more` : named.join(', ');
}

function passwordText(email: string, password: string): string {
  return `${email} logs in with ${password} within a week, and replaces it then.\n`;
}

function listOf(text: string): string[] {
  return text.split(',').map((item) => item.trim()).filter((item) => item !== '');
}
