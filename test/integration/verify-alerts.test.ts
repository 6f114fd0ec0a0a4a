import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ALERTS_FORMAT, alertsDirectory, openAlertStore } from '../../src/engine/open-alert-store.ts';
import { verifyAlerts } from '../../src/engine/verify-record-stores.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

describe('the store of alerts', () => {
  let dataDir: string;
  let directory: string;
  beforeEach(() => {
    dataDir = temporaryDirectory();
    directory = alertsDirectory(dataDir);
  });
  afterEach(() => removeDirectory(dataDir));

  const fill = async (text: string): Promise<Uint8Array> => {
    const { store, linkSecret } = await openAlertStore(directory);
    const table = new RecordTable<object>(store, 'alerts');
    for (let i = 0; i < 500; i++) table.put(`alert-${i}`, { text });
    await store.commit();
    await store.close();
    return linkSecret;
  };
  const damage = (change: (bytes: Buffer) => void): void => {
    const bytes = readFileSync(join(directory, 'data.mdb'));
    change(bytes);
    writeFileSync(join(directory, 'data.mdb'), bytes);
  };

  test('is made once: the key of links in messages stays', async () => {
    const secret = await fill('x');
    expect(secret.length).toBe(32);
    expect(await fill('y')).toEqual(secret);
  });

  test('is not there in a directory without alerts, and sound after use', async () => {
    expect(await verifyAlerts(dataDir)).toBeNull();
    await fill('x');
    expect(await verifyAlerts(dataDir)).toEqual({ findings: [], found: 0, records: 501 });
  });

  test('is refused when another engine wrote it', async () => {
    const { store } = await openAlertStore(directory);
    new RecordTable<object>(store, 'meta').put('store', { format: ALERTS_FORMAT + 1, linkSecret: '' });
    await store.commit();
    await store.close();
    await expect(openAlertStore(directory)).rejects.toMatchObject({ code: 'format', message: expect.stringContaining(`have format ${ALERTS_FORMAT + 1}, this engine reads ${ALERTS_FORMAT}`) as string });
    expect((await verifyAlerts(dataDir))!.findings).toEqual([{ where: 'the store', problem: expect.stringContaining('use the engine that wrote them') as string }]);
  });

  test('shows a flipped byte in a value, and a damaged page, without opening what might end the process', async () => {
    await fill('find me in the file');
    const sound = join(dataDir, 'sound');
    mkdirSync(sound);
    cpSync(directory, sound, { recursive: true });
    // All of them: some lie in pages that are free.
    damage((bytes) => {
      for (let at = bytes.indexOf('find me'); at !== -1; at = bytes.indexOf('find me', at + 1)) bytes[at + 2] ^= 1;
    });
    const flipped = (await verifyAlerts(dataDir))!;
    expect([flipped.found, flipped.findings[0]?.where]).toEqual([1, 'table "alerts"']);
    cpSync(sound, directory, { recursive: true });
    damage((bytes) => bytes.fill(0xff, 4_096 * 3 + 8, 4_096 * 8));
    expect((await verifyAlerts(dataDir))!.found).toBeGreaterThan(0);
    await expect(openAlertStore(directory)).rejects.toMatchObject({ code: 'corrupt' });
  });
});
