import { Command } from 'commander';
import { registerExport } from '../../src/cli/export.ts';
import { registerImport } from '../../src/cli/import/import-command.ts';
import { registerSimulate } from '../../src/cli/simulate/simulate-command.ts';

/** The three commands on their own, so that tests can run them as processes. */
const program = new Command('seg');
registerSimulate(program);
registerImport(program);
registerExport(program);
await program.parseAsync();
