#!/usr/bin/env node
import { Command } from 'commander';
import { VERSION } from './engine/version.ts';

type Register = (program: Command) => unknown;

/** In the order of the help, each with the words that it begins with. Loaded when one is asked for: the engine takes most of a second of a core to load, a command that asks one over HTTP a tenth. */
const COMMANDS: readonly { words: readonly string[]; load(): Promise<Register> }[] = [
  { words: ['start'], load: startCommand },
  { words: ['demo'], load: async () => (await import('./engine/demo-command.ts')).registerDemo },
  { words: ['simulate'], load: async () => (await import('./cli/simulate/simulate-command.ts')).registerSimulate },
  { words: ['import'], load: async () => (await import('./cli/import/import-command.ts')).registerImport },
  { words: ['export'], load: async () => (await import('./cli/export.ts')).registerExport },
  { words: ['prove'], load: async () => (await import('./cli/prove/prove-command.ts')).registerProve },
  { words: ['notify'], load: async () => (await import('./cli/notify-command.ts')).registerNotify },
  { words: ['tariff'], load: tariffCommands },
  { words: ['bill'], load: async () => (await import('./cli/billing/bill-command.ts')).registerBill },
  { words: ['login', 'logout'], load: async () => (await import('./cli/log-in-command.ts')).registerLogIn },
  { words: ['user'], load: async () => (await import('./cli/user-command.ts')).registerUser },
  { words: ['meter'], load: async () => (await import('./cli/meter/meter-command.ts')).registerMeter },
  { words: ['key'], load: async () => (await import('./cli/key-command.ts')).registerKey },
  { words: ['recover-admin'], load: async () => (await import('./engine/recover-admin-command.ts')).registerRecoverAdmin },
  { words: ['verify'], load: async () => (await import('./engine/verify-command.ts')).registerVerify },
  { words: ['backup'], load: async () => (await import('./engine/backup-command.ts')).registerBackup },
  { words: ['restore'], load: async () => (await import('./engine/backup-command.ts')).registerRestore },
];

/** It is given whatever is no command, and says which one may be meant. */
async function startCommand(): Promise<Register> {
  const { registerStart } = await import('./engine/start-command.ts');
  return (program) => registerStart(program, COMMANDS.flatMap(({ words }) => words));
}

async function tariffCommands(): Promise<Register> {
  const [{ registerTariff }, { registerStoredTariffs }] = [await import('./cli/tariff-command.ts'), await import('./cli/billing/tariff-store-commands.ts')];
  return (program) => registerStoredTariffs(registerTariff(program));
}

/** The `seg` command. `npm start` is `seg start`, `npm run demo` is `seg demo`. */
const program = new Command('seg')
  .description('Smart Energy Grid: takes in the readings of smart meters, never loses one, and turns them into windows, baselines, anomalies and a live picture.')
  .version(VERSION);

const asked = COMMANDS.filter(({ words }) => words.includes(process.argv[2]));
// The help tells of all, and so does the complaint about a word that none begins with.
for (const { load } of asked.length > 0 ? asked : COMMANDS) (await load())(program);

await program.parseAsync();
