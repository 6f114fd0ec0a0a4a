import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { channelNames, planAlerts } from '../../src/engine/alert-plan.ts';
import { loadEngineConfig } from '../../src/engine/engine-config.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nullLog } from '../../src/runtime/log.ts';

describe('what the settings make of alerts', () => {
  const directory = mkdtempSync(join(tmpdir(), 'seg-plan-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const plan = (env: Record<string, string> = {}) => planAlerts(loadEngineConfig({ cores: 2 }, { args: {}, env, file: null }), { clock: systemClock, log: nullLog });

  test('is nothing where they are off', async () => {
    expect(await plan({ SEG_ALERTS: 'off' })).toBeNull();
  });

  test('opens the ways to people whose settings are there', async () => {
    expect(channelNames((await plan())!.channels)).toEqual(['webhook', 'live']);
    expect(channelNames((await plan({ SEG_SMTP_URL: 'smtps://u:p@mail:465', SEG_SMTP_FROM: 'grid@example.org' }))!.channels)).toEqual(['webhook', 'live', 'email']);
  });

  test('refuses a key file that is none, and shows nothing of it', async () => {
    const file = join(directory, 'key.json');
    const faults = async (text: string): Promise<string> => {
      writeFileSync(file, text);
      try {
        await plan({ SEG_FCM_SERVICE_ACCOUNT_FILE: file });
      } catch (error) {
        return (error as Error).message;
      }
      return 'none';
    };
    await expect(plan({ SEG_FCM_SERVICE_ACCOUNT_FILE: join(directory, 'nothing') })).rejects.toThrow(/fcmServiceAccountFile: cannot read .*nothing: ENOENT/);
    expect(await faults('geheim')).toMatch(/fcmServiceAccountFile: cannot read .*key\.json: it is no JSON$/);
    expect(await faults('{"type": "service_account", "private_key": "geheim"}')).toMatch(/fcmServiceAccountFile and fcmBaseUrl: expected/);
    expect(await faults('{"type": "service_account", "private_key": "geheim"}')).not.toContain('geheim');
  });
});
