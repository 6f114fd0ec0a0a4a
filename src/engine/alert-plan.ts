import { readFileSync } from 'node:fs';
import type { ChannelName } from '../model/contact.ts';
import { systemTimers, type Clock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { ChannelSettings } from './alert-channels.ts';
import { AlertRulesFile } from './alert-rules-file.ts';
import { areAlertsOn } from './alert-settings.ts';
import type { EngineConfig } from './engine-config.ts';

/** How the settings make alerts and the ways to people. */

export interface AlertPlan {
  rules: AlertRulesFile;
  channels: ChannelSettings;
}

/** null: this engine has none. Rejects with OperationalError `invalid_config` with what is wrong with the files that settings name. */
export async function planAlerts(config: EngineConfig, { clock, log }: { clock: Clock; log: Log }): Promise<AlertPlan | null> {
  if (!areAlertsOn(config)) return null;
  const channels = channelSettings(config);
  const faults = [...(await emailProblems(channels)), ...(await pushProblems(channels))];
  if (faults.length > 0) throw new OperationalError('invalid_config', `The settings cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  return { rules: new AlertRulesFile(config.alertRulesFile, { clock, timers: systemTimers, log }), channels };
}

/** Loaded where it is on alone, as in alert-channels.ts. */
async function emailProblems({ email }: ChannelSettings): Promise<string[]> {
  if (email === null) return [];
  const { emailFaults } = await import('../actors/notifications/channels/email.ts');
  return emailFaults(email).map(({ problem }) => `smtpUrl and smtpFrom: ${problem}`);
}

async function pushProblems({ push }: ChannelSettings): Promise<string[]> {
  if (push === null) return [];
  const { fcmFaults } = await import('../actors/notifications/channels/push-fcm.ts');
  return fcmFaults(push).map(({ problem }) => `fcmServiceAccountFile and fcmBaseUrl: ${problem}`);
}

/** Ways whose settings are there. */
export function channelNames({ email, sms, push }: ChannelSettings): ChannelName[] {
  const named = { email, sms, push };
  return ['webhook', 'live', ...(['email', 'sms', 'push'] as const).filter((name) => named[name] !== null)];
}

function channelSettings(config: EngineConfig): ChannelSettings {
  const { smtpUrl, smtpFrom, twilioAccountSid, twilioAuthToken, twilioFrom, twilioBaseUrl, fcmServiceAccountFile, fcmBaseUrl } = config;
  return {
    // The settings were checked: what is needed beside is there.
    email: smtpUrl === null ? null : { url: smtpUrl, from: smtpFrom! },
    sms: twilioAccountSid === null ? null : { accountSid: twilioAccountSid, authToken: twilioAuthToken!, from: twilioFrom!, baseUrl: twilioBaseUrl },
    push: fcmServiceAccountFile === null ? null : { serviceAccount: jsonOf(fcmServiceAccountFile), baseUrl: fcmBaseUrl },
  };
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    // The message of a fault in JSON would show a piece of the key.
    const why = error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message;
    throw new OperationalError('invalid_config', `The settings cannot be used:\n  - fcmServiceAccountFile: cannot read ${path}: ${why}`);
  }
}
