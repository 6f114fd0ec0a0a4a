import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startGateway } from '../../src/http/gateway.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { apiTables } from '../support/api-table.ts';
import { fakeAccounts } from '../support/fake-accounts.ts';
import { fakeEngine } from '../support/fake-engine.ts';

const FILE = new URL('../../docs/API.md', import.meta.url);
const [BEGIN, END] = ['<!-- operations: made by `SEG_WRITE_DOCS=1 npx vitest run test/integration/api-tables.test.ts` -->', '<!-- end of operations -->'];

test('docs/API.md says who may do what as it is', async () => {
  const gateway = await startGateway({ host: '127.0.0.1', port: 0, queriesInFlightMax: 1, requestIdPrefix: 't' }, { engine: fakeEngine(), accounts: fakeAccounts(), clock: systemClock, timers: systemTimers, log: nullLog });
  await gateway.close(0);
  const text = readFileSync(FILE, 'utf8');
  const [before, rest] = text.split(BEGIN);
  const [, after] = rest.split(END);
  const made = `${before}${BEGIN}\n\n${apiTables(gateway.operations)}\n${END}${after}`;
  if (process.env.SEG_WRITE_DOCS === '1') writeFileSync(FILE, made);
  expect(readFileSync(FILE, 'utf8')).toBe(made);
});
