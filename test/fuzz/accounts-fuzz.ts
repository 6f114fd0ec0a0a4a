import { addCanaries, CANARY_MARKS, CANARY_REGION } from '../support/canary-household.ts';
import type { RequestExample } from '../support/request-examples.ts';
import { SEEDED_SETTINGS, seedEngine } from '../support/seeded-engine.ts';
import { SignedInEngine } from '../support/signed-in-engine.ts';
import type { FuzzCaller } from './api-fuzz.ts';

/** An engine with accounts to be fuzzed as everybody: there is something of a household, an operator and an admin, and something of a household and a region that only the admin may see. */

export interface AccountsUnderFuzz {
  people: SignedInEngine;
  callers: readonly FuzzCaller[];
  examples: Readonly<Record<string, RequestExample>>;
}

/** They would end the log-ins that ask, which are needed to the end. */
export const NOT_FUZZED = ['logOutEverywhere'];

export async function startAccountsUnderFuzz(): Promise<AccountsUnderFuzz> {
  const people = await SignedInEngine.start({ ...SEEDED_SETTINGS, REGION_CAPACITIES: `hot=10,${CANARY_REGION}=10` });
  try {
    const examples = await seedEngine(people.engine, people.headers);
    const foreign = await addCanaries(people);
    const consumer = await people.addUser('consumer@example.org', { role: 'consumer', meters: ['meter:1'] });
    const operator = await people.addUser('operator@example.org', { role: 'operator', regions: ['north', 'hot'] });
    // Whom an admin may disable, remove and rename; whose password others guess.
    const ada = await people.addUser('ada@example.org', { role: 'consumer', meters: ['meter:1'] });
    const { deviceKey } = await people.made('POST', '/api/v1/device-keys', { name: 'old', scope: { regions: ['north'] } });
    const ids: Record<string, string> = { 'u-consumer': ada.id, key_1: deviceKey.id };
    const named = Object.fromEntries(Object.entries(examples).map(([id, example]) => [id, { ...example, path: example.path?.map((name) => ids[name] ?? name) }]));
    const callers: FuzzCaller[] = [
      { name: 'nobody', token: null, isStranger: true, marks: [...CANARY_MARKS, 'lovelace'], foreign },
      { name: 'consumer', token: consumer.token, marks: CANARY_MARKS, foreign },
      { name: 'operator', token: operator.token, marks: CANARY_MARKS, foreign },
      { name: 'admin', token: people.admin.token },
    ];
    return { people, callers, examples: named };
  } catch (error) {
    await people.engine.dispose();
    throw error;
  }
}
