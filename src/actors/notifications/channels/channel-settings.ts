import { OperationalError } from '../../../runtime/errors.ts';

/** What is wrong with one setting of a channel; `problem` completes "expected …" or is a sentence. No value stands in it: it may be a secret. */
export interface SettingFault {
  setting: string;
  problem: string;
}

/** Throws `invalid_settings` with all faults in one message. */
export function refuseFaults(channel: string, faults: readonly SettingFault[]): void {
  if (faults.length === 0) return;
  throw new OperationalError('invalid_settings', `${channel}: ${faults.map(({ setting, problem }) => `${setting}: ${problem}`).join('; ')}`);
}

/** An address that requests go to: http or https, without credentials, query or fragment. */
export function baseUrlFaults(setting: string, raw: string): SettingFault[] {
  const url = urlOf(raw);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return [{ setting, problem: 'expected a URL with http or https' }];
  if (url.username !== '' || url.password !== '') return [{ setting, problem: 'expected a URL without user and password' }];
  if (url.search !== '' || url.hash !== '') return [{ setting, problem: 'expected a URL without ? and #' }];
  return [];
}

export function urlOf(raw: string): URL | null {
  return typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : null;
}

/** Times in milliseconds, whole and above 0. */
export function timeFaults(times: Readonly<Record<string, number>>): SettingFault[] {
  return Object.entries(times)
    .filter(([, ms]) => !Number.isSafeInteger(ms) || ms < 1 || ms > TIME_MS_MAX)
    .map(([setting]) => ({ setting, problem: `expected whole milliseconds from 1 to ${TIME_MS_MAX}` }));
}

/** An hour: no answer of a provider is worth a longer wait. */
const TIME_MS_MAX = 3_600_000;
