import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BILLING_FORMAT, billingDirectory, openBillingStore } from '../../src/engine/open-billing-store.ts';
import { verifyBilling } from '../../src/engine/verify-record-stores.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { EngineProcess, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

describe('the store of bills', () => {
  let dataDir: string;
  let directory: string;
  beforeEach(() => {
    dataDir = temporaryDirectory();
    directory = billingDirectory(dataDir);
  });
  afterEach(() => removeDirectory(dataDir));

  const fill = async (format = BILLING_FORMAT): Promise<string> => {
    const { store, generation } = await openBillingStore(directory);
    new RecordTable<object>(store, 'meta').put('store', { format, generation });
    await store.commit();
    await store.close();
    return generation;
  };

  test('is made once, and sound after use; a directory without has none', async () => {
    expect(await verifyBilling(dataDir)).toBeNull();
    const generation = await fill();
    expect(await fill()).toBe(generation);
    expect(await verifyBilling(dataDir)).toEqual({ findings: [], found: 0, records: 1 });
  });

  test('of another format is refused, and keeps the engine from starting with a word', async () => {
    await fill(BILLING_FORMAT + 1);
    await expect(openBillingStore(directory)).rejects.toMatchObject({ code: 'format' });
    expect((await verifyBilling(dataDir))!.findings).toEqual([{ where: 'the store', problem: expect.stringContaining('use the engine that wrote them') as string }]);
    const engine = EngineProcess.spawn({ dataDir, settings: { SHARDS: '1' } });
    expect(await engine.exited()).not.toBe(0);
    expect(engine.transcript()).toMatch(/bills cannot be started: the bills in .* have format 3, this engine reads 2.*SEG_BILLING=off/);
  });

  test('of the format before is taken over, and is of this one then', async () => {
    const generation = await fill(1);
    expect(await verifyBilling(dataDir)).toEqual({ findings: [], found: 0, records: 1 });
    const { store, generation: found } = await openBillingStore(directory);
    expect([found, new RecordTable<object>(store, 'meta').get('store')]).toEqual([generation, { format: BILLING_FORMAT, generation }]);
    await store.close();
    await fill(0);
    await expect(openBillingStore(directory)).rejects.toMatchObject({ code: 'format' });
  });

  test('that is damaged is found without being opened', async () => {
    await fill();
    const file = join(directory, 'data.mdb');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length / 2));
    await expect(openBillingStore(directory)).rejects.toMatchObject({ code: 'corrupt' });
    expect((await verifyBilling(dataDir))!.found).toBeGreaterThan(0);
  });
});
