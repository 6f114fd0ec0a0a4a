import { availableParallelism } from 'node:os';
import { Option, type Command } from 'commander';
import { endUsageFaultsWith2, EXIT, EXIT_CODES_HELP } from '../cli/command-end.ts';
import { describeConfig, readConfigFile } from '../runtime/config.ts';
import { OperationalError } from '../runtime/errors.ts';
import { createLog } from '../runtime/log.ts';
import { nearestName } from '../runtime/nearest-name.ts';
import { installSignalHandlers } from '../runtime/shutdown.ts';
import { CONFIG_FILE, ENV_PREFIX, engineConfigSchema, loadEngineConfig, type EngineConfig } from './engine-config.ts';
import type { Engine } from './engine.ts';
import { VERSION } from './version.ts';

const HELP = `
Settings come from flags, SEG_ variables and ${CONFIG_FILE} in the working directory, in this order.
${EXIT_CODES_HELP}`;

/** Adds `seg start`. `commands`: all that there are, of which the program may have loaded this one alone. */
export function registerStart(program: Command, commands: readonly string[]): void {
  addSettings(endUsageFaultsWith2(program.command('start', { isDefault: true })).description('run the engine'))
    .addHelpText('after', HELP)
    // As the default command it is given whatever is no command, and its own complaint would be about the number of arguments.
    .allowExcessArguments()
    .action((flags: Record<string, unknown>, command: Command) => {
      const [stray] = command.args;
      if (stray !== undefined) command.error(unknownCommand(stray, commands));
      return runEngine(() => loadSettings(flags));
    });
}

function unknownCommand(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return `error: there is no command "${name}"${nearest === null ? '' : `, did you mean ${nearest}?`} (\`seg --help\` lists all)`;
}

/** Adds a flag for every setting of the engine. */
export function addSettings(command: Command): Command {
  command.option('--config <file>', `settings file (default: ${CONFIG_FILE} if there is one)`);
  for (const row of describeConfig(engineConfigSchema({ cores: availableParallelism() }), ENV_PREFIX)) {
    // Defaults stay with the schema: a flag that is not given must not hide a variable or the file.
    command.addOption(new Option(`${row.flag} <value>`, `${row.description} (default: ${row.defaultText}; ${row.env})`));
  }
  return command;
}

/** The engine's settings; throws OperationalError `invalid_config` that lists every fault. */
export function loadSettings(flags: Record<string, unknown>): EngineConfig {
  const { config, ...args } = flags;
  const file = typeof config === 'string' ? readConfigFile(config, true) : readConfigFile(CONFIG_FILE, false);
  return loadEngineConfig({ cores: availableParallelism() }, { args, env: process.env, file });
}

/** Past the log: what stands there stays. */
function showFirstAdmin(email: string, oneTimePassword: string): void {
  process.stderr.write(`\nThere is one account, and nobody has used it yet:\n\n  address   ${email}\n  password  ${oneTimePassword}\n\nIt has to be replaced at the first log-in. Until then each start shows another.\n\n`);
}

/**
 * Runs an engine until a signal or until it fails; sets the exit code. `onReady` may add what belongs to the run.
 */
export async function runEngine(settings: () => EngineConfig, onReady?: (engine: Engine, config: EngineConfig) => void): Promise<void> {
  let engine: Engine;
  try {
    const config = settings();
    // Half a second of a core: faults of the settings are said before it.
    const { startEngine } = await import('./engine.ts');
    // As spans and metrics name this thread.
    const log = createLog({ level: config.logLevel, name: 'main', pretty: config.logPretty ?? undefined });
    engine = await startEngine(config, { log, version: VERSION, onFirstAdmin: showFirstAdmin });
    // Before it says that it is ready: whoever waited for that may stop it at once.
    installSignalHandlers(engine.shutdown);
    log.info({ ports: engine.ports, dataDir: config.dataDir, shards: config.shards }, `ready: readings on port ${engine.ports.ingest}, dashboard and API on http://${config.host}:${engine.ports.http}`);
    onReady?.(engine, config);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    process.stderr.write(`seg: ${error.message}\n`);
    process.exit(error.code === 'invalid_config' ? EXIT.usage : EXIT.failed);
  }
  const reason = await engine.failed;
  await engine.stop(reason.message);
  process.exit(EXIT.failed);
}
