import { InvalidArgumentError, Option, type Command } from 'commander';
import { isZone } from '../actors/people/local-time.ts';
import { dayStart } from '../actors/tariffs/calendar.ts';
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
  seg user add bob@example.org --meters meter-3@2026-03-01..2026-10-01 --zone Europe/Berlin
  seg user give bob@example.org meter-4@2026-11-15T12:00:00+01:00..
  seg user take bob@example.org meter-4@2027-01-01..
  seg user add otto@example.org --role operator --regions region-01
  seg user list --role operator
  seg user disable otto@example.org
A meter alone is somebody's always. METER@FROM..UNTIL says when: either may be left out, UNTIL is the first moment that
is not theirs any more, and a day begins at midnight of --zone.
${EXIT_CODES_HELP} An admin gives these commands: seg login first.`;

interface Address {
  url: string;
  token?: string;
}

interface AddFlags {
  name?: string;
  role: Role;
  meters: string[];
  zone: string;
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
    .option('--meters <ids>', 'of a consumer, separated by commas; METER@FROM..UNTIL for a time', listOf, [])
    .addOption(zoneOption())
    .option('--regions <ids>', 'of an operator, separated by commas, or all', (text: string) => (text === 'all' ? 'all' : listOf(text)), [] as string[] | 'all')
    .action((email: string, flags: AddFlags & Address) => runToEnd((signal) => withApi(flags, signal, (api) => addUser(api, email, flags, toStdout))));
  for (const [name, assigned] of [['give', true], ['take', false]] as const) {
    addUrl(user.command(name))
      .description(assigned ? 'have meters be somebody\'s, always or for a time (METER@FROM..UNTIL)' : 'take meters from somebody, altogether or for a time (METER@FROM.. from then on)')
      .argument('<email>')
      .argument('<meters...>')
      .addOption(zoneOption())
      .action((email: string, meters: string[], flags: Address & { zone: string }) => runToEnd((signal) => withApi(flags, signal, (api) => assignMeters(api, email, meters.flatMap(listOf), { assigned, zone: flags.zone }, toStdout))));
  }
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

export async function addUser(api: ApiClient, email: string, { name = email, role, meters, zone, regions }: AddFlags, print: Print): Promise<void> {
  const { oneTimePassword } = await api.post('/api/v1/users', { email, name, role, meters: meters.map((text) => heldMeter(text, zone)), regions });
  print(passwordText(email, String(oneTimePassword)));
}

export async function assignMeters(api: ApiClient, email: string, meters: readonly string[], { assigned, zone }: { assigned: boolean; zone: string }, print: Print): Promise<void> {
  const assignments = meters.map((text) => {
    const { meterId, from, until } = heldMeter(text, zone);
    return { user: email, meters: [meterId], assigned, from, until };
  });
  const { data } = (await api.post('/api/v1/meter-assignments', { assignments })) as { data: { meterId: string; outcome: string }[] };
  for (const { meterId, outcome } of data) print(`${meterId}: ${outcome.replaceAll('_', ' ')}\n`);
  const refused = data.filter(({ outcome }) => !DONE.includes(outcome));
  if (refused.length > 0) throw new OperationalError('refused', `${refused.length} of ${data.length} could not be done`);
}

const DONE = ['assigned', 'removed', 'unchanged'];

/** `m-1`, or `m-1@FROM..UNTIL`: times with their offset, or days that begin at midnight of the zone. Throws `usage`. */
export function heldMeter(text: string, zone: string): { meterId: string; from: string | null; until: string | null } {
  const [, meterId, from, until] = /^([^@]+)(?:@(.*?)\.\.(.*))?$/.exec(text) ?? [];
  if (meterId === undefined) throw new OperationalError('usage', `${JSON.stringify(text)} is no meter, and none with its time as METER@2026-03-01..2026-10-01`);
  return { meterId, from: momentOf(from, zone), until: momentOf(until, zone) };
}

function momentOf(text: string | undefined, zone: string): string | null {
  if (text === undefined || text === '') return null;
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))) return new Date(dayStart(zone, text)).toISOString();
  if (/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/i.test(text) && !Number.isNaN(Date.parse(text))) return new Date(text).toISOString();
  throw new OperationalError('usage', `${JSON.stringify(text)} is neither a day such as 2026-03-01 nor a time such as 2026-03-01T12:00:00+01:00`);
}

function zoneOption(): Option {
  return new Option('--zone <zone>', 'of days that are named').default(new Intl.DateTimeFormat().resolvedOptions().timeZone, 'that of this machine').argParser((text: string) => {
    if (!isZone(text)) throw new InvalidArgumentError('expected a time zone such as Europe/Berlin.');
    return text;
  });
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

function reachOf({ assignments, regions }: Record<string, unknown>): string {
  if (regions === 'all') return 'everything';
  const named = [...(assignments as Assignment[]).map(assignmentText), ...(regions as string[])];
  return named.length > 3 ? `${named.slice(0, 3).join(', ')} and ${named.length - 3} more` : named.join(', ');
}

interface Assignment {
  meterId: string;
  from: string | null;
  until: string | null;
}

function assignmentText({ meterId, from, until }: Assignment): string {
  return from === null && until === null ? meterId : `${meterId}@${from ?? ''}..${until ?? ''}`;
}

function passwordText(email: string, password: string): string {
  return `${email} logs in with ${password} within a week, and replaces it then.\n`;
}

function listOf(text: string): string[] {
  return text.split(',').map((item) => item.trim()).filter((item) => item !== '');
}
