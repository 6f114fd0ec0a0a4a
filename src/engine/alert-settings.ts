import { onOffOrAuto, optionalText, settingType, type SettingType } from '../runtime/config-values.ts';
import { setting } from '../runtime/config.ts';

/** Settings of alerts and of the ways to people. A way without its settings is off. */

export const TWILIO_BASE_URL = 'https://api.twilio.com';
export const FCM_BASE_URL = 'https://fcm.googleapis.com';

/** An address of a web service, without what does not belong into one; `/` at its end is left out. */
function webAddress(expects: string): SettingType<string> {
  return settingType<string>(expects, (raw) => {
    const url = typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : null;
    const isPlain = url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.search === '' && url.hash === '';
    return isPlain ? { value: url.href.replace(/\/$/, '') } : { problem: null };
  });
}

const optional = <T>({ type, expects }: SettingType<T>): SettingType<T | null> =>
  settingType<T | null>(expects, (raw) => {
    if (raw === null) return { value: null };
    const parsed = type.safeParse(raw);
    return parsed.success ? { value: parsed.data } : { problem: null };
  });

const mailServer = settingType<string | null>('a URL such as smtps://user:password@mail.example.org:465', (raw) => {
  if (raw === null) return { value: null };
  const url = typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : null;
  return url !== null && ['smtp:', 'smtps:'].includes(url.protocol) && url.hostname !== '' && url.search === '' && url.hash === '' ? { value: url.href } : { problem: null };
});
const mailAddress = settingType<string | null>('an address such as alerts@example.org or Smart Energy Grid <alerts@example.org>', (raw) =>
  raw === null || (typeof raw === 'string' && /^(?:[^<>@\r\n]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(raw)) ? { value: raw } : { problem: null },
);
const twilioAccount = settingType<string | null>('an account SID: AC and 32 hexadecimal digits', (raw) => (raw === null || (typeof raw === 'string' && /^AC[0-9a-fA-F]{32}$/.test(raw)) ? { value: raw } : { problem: null }));
const twilioSender = settingType<string | null>('a number such as +41791234567, or the SID of a messaging service (MG…)', (raw) =>
  raw === null || (typeof raw === 'string' && /^(\+[1-9]\d{6,14}|MG[0-9a-fA-F]{32})$/.test(raw)) ? { value: raw } : { problem: null },
);

export const ALERT_SETTINGS = {
  alerts: setting(onOffOrAuto(), {
    default: 'auto',
    description: 'Whether this engine raises alerts and tells people. auto: on, and off where the log is in Kafka: of the engines that share one exactly one may have it on, or people hear everything twice.',
  }),
  alertRulesFile: setting(optionalText('a file'), { default: null, defaultText: 'the engine\'s own', description: 'Rules, routes and escalations as JSON. Read again when it changes; one with faults leaves the rules as they are.' }),
  publicUrl: setting(optional(webAddress('an address such as https://grid.example.org')), { default: null, defaultText: 'none', description: 'Address at which people reach the dashboard, for links in messages; without it they have none.' }),
  smtpUrl: setting(mailServer, { default: null, defaultText: 'none', secret: true, description: 'Mail server that takes e-mails: smtp:// (with STARTTLS where it is offered) or smtps://, with user and password.' }),
  smtpFrom: setting(mailAddress, { default: null, defaultText: 'none', description: 'Whom e-mails are from. Needed with smtpUrl.' }),
  twilioAccountSid: setting(twilioAccount, { default: null, defaultText: 'none', description: 'Account at Twilio, for SMS.' }),
  twilioAuthToken: setting(optionalText('a token'), { default: null, defaultText: 'none', secret: true, description: 'Its token. Needed with twilioAccountSid.' }),
  twilioFrom: setting(twilioSender, { default: null, defaultText: 'none', description: 'Number, or messaging service, that SMS come from. Needed with twilioAccountSid.' }),
  twilioBaseUrl: setting(webAddress('an address such as https://api.twilio.com'), { default: TWILIO_BASE_URL, description: 'Where Twilio, or what speaks as it does, is reached.' }),
  fcmServiceAccountFile: setting(optionalText('a file'), { default: null, defaultText: 'none', description: 'Key file of the service account at Firebase, for push messages.' }),
  fcmBaseUrl: setting(webAddress('an address such as https://fcm.googleapis.com'), { default: FCM_BASE_URL, description: 'Where Firebase Cloud Messaging is reached.' }),
};

export interface AlertSettings {
  log: 'lmdb' | 'kafka';
  alerts: boolean | null;
  smtpUrl: string | null;
  smtpFrom: string | null;
  twilioAccountSid: string | null;
  twilioAuthToken: string | null;
  twilioFrom: string | null;
}

export function areAlertsOn({ alerts, log }: Pick<AlertSettings, 'alerts' | 'log'>): boolean {
  return alerts ?? log === 'lmdb';
}

export function alertContradictions(config: AlertSettings): { key: keyof AlertSettings; message: string }[] {
  const found: { key: keyof AlertSettings; message: string }[] = [];
  if (config.smtpUrl !== null && config.smtpFrom === null) found.push({ key: 'smtpUrl', message: 'e-mails need smtpFrom too' });
  if (config.twilioAccountSid !== null && (config.twilioAuthToken === null || config.twilioFrom === null)) found.push({ key: 'twilioAccountSid', message: 'SMS need twilioAuthToken and twilioFrom too' });
  return found;
}
