#!/usr/bin/env node
import { Command } from 'commander';
import { registerBill } from './cli/billing/bill-command.ts';
import { registerStoredTariffs } from './cli/billing/tariff-store-commands.ts';
import { registerExport } from './cli/export.ts';
import { registerImport } from './cli/import/import-command.ts';
import { registerKey } from './cli/key-command.ts';
import { registerLogIn } from './cli/log-in-command.ts';
import { registerMeter } from './cli/meter/meter-command.ts';
import { registerNotify } from './cli/notify-command.ts';
import { registerProve } from './cli/prove/prove-command.ts';
import { registerSimulate } from './cli/simulate/simulate-command.ts';
import { registerTariff } from './cli/tariff-command.ts';
import { registerUser } from './cli/user-command.ts';
import { registerBackup, registerRestore } from './engine/backup-command.ts';
import { registerDemo } from './engine/demo-command.ts';
import { registerRecoverAdmin } from './engine/recover-admin-command.ts';
import { registerStart, VERSION } from './engine/start-command.ts';
import { registerVerify } from './engine/verify-command.ts';

/** The `seg` command. `npm start` is `seg start`, `npm run demo` is `seg demo`. */
const program = new Command('seg')
  .description('Smart Energy Grid: takes in the readings of smart meters, never loses one, and turns them into windows, baselines, anomalies and a live picture.')
  .version(VERSION);

registerStart(program);
registerDemo(program);
registerSimulate(program);
registerImport(program);
registerExport(program);
registerProve(program);
registerNotify(program);
registerStoredTariffs(registerTariff(program));
registerBill(program);
registerLogIn(program);
registerUser(program);
registerMeter(program);
registerKey(program);
registerRecoverAdmin(program);
registerVerify(program);
registerBackup(program);
registerRestore(program);

await program.parseAsync();
