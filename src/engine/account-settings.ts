import { isIPv4 } from 'node:net';
import { duration, onOff, optionalText, settingType, text } from '../runtime/config-values.ts';
import { setting } from '../runtime/config.ts';

/** Settings of accounts. */

const issuerUrl = settingType<string | null>('an address such as https://id.example.org/realms/grid', (raw) => {
  if (raw === null) return { value: null };
  const url = typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : null;
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '') return { problem: null };
  // Keys that come over a line that others can write to are anybody's.
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname.replace(/^\[|\]$/g, '')))) return { problem: 'an issuer is reached by https, or on this machine' };
  // As it stands in its tokens, to the letter.
  return { value: String(raw) };
});

/** RFC 6749, 3.3. */
const SCOPES = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const scopes = settingType<string>('scopes with blanks between, openid among them, such as openid profile email', (raw) =>
  typeof raw === 'string' && SCOPES.test(raw) && raw.split(' ').includes('openid') ? { value: raw } : { problem: null },
);

export const ACCOUNT_SETTINGS = {
  auth: setting(onOff(), {
    default: 'on',
    description: 'Whether people log in. off is for one person on one machine: whoever reaches the ports can read and write everything, so they are on loopback alone.',
  }),
  registration: setting(onOff(), { default: 'off', description: 'Whether anybody may make an account, as a consumer without meters. Needs smtpUrl.' }),
  signingKeyLifeMs: setting(duration({ min: '1h', max: '365d' }), { default: '30d', description: 'How long a key signs access tokens before the next takes its place.' }),
  oidcIssuer: setting(issuerUrl, { default: null, defaultText: 'none', description: 'Issuer of tokens (OpenID Connect) that vouches for people in the place of passwords here.' }),
  oidcAudience: setting(optionalText('an audience'), { default: null, defaultText: 'none', description: 'What has to stand in its tokens as `aud`. Needed with oidcIssuer.' }),
  oidcRolesClaim: setting(text('the name of a claim'), { default: 'roles', description: 'Claim with roles, as a list or a text; dots lead into objects. Who has none of consumer, operator and admin in it is a consumer.' }),
  oidcRegionsClaim: setting(text('the name of a claim'), { default: 'regions', description: 'Claim with the regions of an operator, or `all`.' }),
  oidcClientId: setting(optionalText('a name'), { default: null, defaultText: 'none', description: 'What oidcIssuer calls this engine. With it people sign in on the dashboard by a browser that is sent there, and come back to /api/v1/auth/oidc/callback.' }),
  oidcClientSecret: setting(optionalText('a secret'), { default: null, defaultText: 'none', secret: true, description: 'By which oidcIssuer knows that it is this engine. Without it this is a public client, which PKCE alone holds.' }),
  oidcScopes: setting(scopes, { default: 'openid profile email', description: 'What the engine asks oidcIssuer for when people sign in. Some issuers give a refresh token, by which log-ins last longer than an hour, with offline_access alone.' }),
  oidcKeepAdmin: setting(onOff(), { default: 'off', description: 'Whether admin@localhost can log in with a password beside oidcIssuer.' }),
};

export interface AccountSettings {
  auth: boolean;
  host: string;
  registration: boolean;
  smtpUrl: string | null;
  oidcIssuer: string | null;
  oidcAudience: string | null;
  oidcClientId: string | null;
  oidcClientSecret: string | null;
  publicUrl: string | null;
}

export function accountContradictions(config: AccountSettings): { key: keyof AccountSettings; message: string }[] {
  const found: { key: keyof AccountSettings; message: string }[] = [];
  if (!config.auth && !isLoopbackHost(config.host)) found.push({ key: 'host', message: 'without accounts (auth is off) only 127.0.0.1, ::1 or localhost is allowed, because whoever reaches the ports can read and write everything' });
  if (config.registration && config.smtpUrl === null) found.push({ key: 'registration', message: 'who registers gets a link by mail, so it needs smtpUrl too' });
  if (config.registration && config.oidcIssuer !== null) found.push({ key: 'registration', message: 'people come from oidcIssuer, so nobody registers here' });
  if (config.oidcIssuer !== null && config.oidcAudience === null) found.push({ key: 'oidcIssuer', message: 'needs oidcAudience too, or tokens for any other program would do' });
  if (config.oidcClientId !== null && config.oidcIssuer === null) found.push({ key: 'oidcClientId', message: 'needs oidcIssuer too, which is who calls this engine so' });
  if (config.oidcClientSecret !== null && config.oidcClientId === null) found.push({ key: 'oidcClientSecret', message: 'needs oidcClientId too, which it belongs to' });
  if (config.oidcIssuer !== null && config.oidcIssuer === config.publicUrl) found.push({ key: 'oidcIssuer', message: 'is publicUrl, so nobody could tell its tokens from the engine\'s own' });
  return found;
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
