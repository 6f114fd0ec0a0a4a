import { createRemoteJWKSet, customFetch, decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import { ROLES, type Role } from '../../model/access.ts';
import { isId, type RegionId } from '../../model/ids.ts';
import { ONE_LINE } from '../../model/plain-text.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { EXPIRED_TOKEN, isJwt, NO_TOKEN } from './access-tokens.ts';
import type { ExternalPerson } from './accounts-state.ts';
import { boundedFetch } from './bounded-fetch.ts';
import type { TokenFault } from './protocol.ts';
import type { ForeignTokens } from './token-check.ts';
import { REGIONS_PER_USER_MAX } from './user-book.ts';

/** Tokens of another issuer (OpenID Connect Discovery 1.0): its keys are found by its address, kept, and asked for again when a token names one that is not among them. */

/** Of public keys alone. A secret that is shared with the issuer would have to lie here too, and `none` is no signature. */
const ALGORITHMS = ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'];
/** Between clocks of two machines. */
export const SKEW_S = 30;
export const ASK_TIMEOUT_MS = 5_000;
/** Keys are believed for so long: what an issuer withdraws goes on so long here. */
const KEYS_KEPT_MS = 10 * 60_000;
/** Tokens with unknown keys, which anybody can make, have the issuer asked no more often than this. */
const COOL_DOWN_MS = 30_000;
const TEXT_CHARS_MAX = 254;

export interface OidcOptions {
  /** As it stands in `iss`, to the letter. */
  issuer: string;
  audience: string;
  rolesClaim: string;
  regionsClaim: string;
}

/** What it says of itself: members of OpenID Connect Discovery 1.0 as they came, but for its name, which is right. */
export interface IssuerDocument {
  issuer: string;
  authorization_endpoint?: unknown;
  token_endpoint?: unknown;
  [member: string]: unknown;
}

interface Found {
  document: IssuerDocument;
  keys: ReturnType<typeof createRemoteJWKSet>;
}

export class OidcIssuer implements ForeignTokens {
  private readonly options: OidcOptions;
  private readonly clock: Clock;
  private readonly log: Log;
  private configuration: Promise<Found> | null = null;
  /** Of the clock that never jumps. */
  private notBeforeMs = -Infinity;

  constructor(options: OidcOptions, { clock, log }: { clock: Clock; log: Log }) {
    this.options = options;
    this.clock = clock;
    this.log = log;
  }

  claims(token: string): boolean {
    if (!isJwt(token)) return false;
    try {
      return decodeJwt(token).iss === this.options.issuer;
    } catch {
      return false;
    }
  }

  verify(token: string): Promise<{ person: ExternalPerson; expiresAt: number } | TokenFault> {
    return this.verifyFor(this.options.audience, token);
  }

  /** Whether it is reached without TLS: on this machine. */
  get isInsecure(): boolean {
    return this.options.issuer.startsWith('http:');
  }

  /** What it says of itself. Rejects while it cannot be asked. */
  async document(): Promise<IssuerDocument> {
    return (await this.found()).document;
  }

  /** As `verify`, of a token for another program than those of the API. */
  async verifyFor(audience: string, token: string): Promise<{ person: ExternalPerson; expiresAt: number } | TokenFault> {
    const { issuer } = this.options;
    let keys: Found['keys'];
    try {
      ({ keys } = await this.found());
    } catch (error) {
      this.log.warn({ err: error, issuer }, 'the issuer of tokens cannot be asked for its keys');
      return ISSUER_AWAY;
    }
    try {
      const { payload } = await jwtVerify(token, keys, { algorithms: ALGORITHMS, issuer, audience, requiredClaims: ['exp', 'sub', 'iat'], clockTolerance: SKEW_S, currentDate: new Date(this.clock.now()) });
      return this.personOf(payload) ?? NO_TOKEN;
    } catch (error) {
      if (error instanceof errors.JWTExpired) return EXPIRED_TOKEN;
      if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout)) return NO_TOKEN;
      this.log.warn({ err: error, issuer }, 'the issuer of tokens cannot be asked for its keys');
      return ISSUER_AWAY;
    }
  }

  /** Its configuration, looked up once. One that was not found is looked for again after a while. */
  private found(): Promise<Found> {
    if (this.configuration !== null) return this.configuration;
    if (this.clock.monotonic() < this.notBeforeMs) return Promise.reject(new Error('it could not be asked a moment ago'));
    const found = this.discover();
    this.configuration = found;
    found.catch(() => {
      this.configuration = null;
      this.notBeforeMs = this.clock.monotonic() + COOL_DOWN_MS;
    });
    return found;
  }

  private async discover(): Promise<Found> {
    const { issuer } = this.options;
    const answer = await boundedFetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, { redirect: 'error', signal: AbortSignal.timeout(ASK_TIMEOUT_MS), headers: { accept: 'application/json' } });
    if (!answer.ok) throw new Error(`its configuration was answered with ${answer.status}`);
    const document = (await answer.json()) as IssuerDocument | null;
    // Who can answer for an address is not always who it says it is.
    if (document?.issuer !== issuer) throw new Error(`its configuration is of ${JSON.stringify(document?.issuer)}`);
    const url = typeof document.jwks_uri === 'string' && URL.canParse(document.jwks_uri) ? new URL(document.jwks_uri) : null;
    if (url === null || (url.protocol !== 'https:' && new URL(issuer).protocol === 'https:')) throw new Error('its configuration names no keys that are reached by https');
    // jose asks `boundedFetch` to follow nobody elsewhere.
    return { document, keys: createRemoteJWKSet(url, { timeoutDuration: ASK_TIMEOUT_MS, cooldownDuration: COOL_DOWN_MS, cacheMaxAge: KEYS_KEPT_MS, [customFetch]: boundedFetch }) };
  }

  private personOf(payload: JWTPayload): { person: ExternalPerson; expiresAt: number } | null {
    const { sub, exp, iat, email, email_verified: isVerified, name, preferred_username: userName } = payload;
    if (typeof sub !== 'string' || shortText(sub) === null || exp === undefined || iat === undefined) return null;
    const role = roleOf(wordsOf(claimAt(payload, this.options.rolesClaim)));
    const regions = wordsOf(claimAt(payload, this.options.regionsClaim));
    const person: ExternalPerson = {
      issuer: this.options.issuer,
      subject: sub,
      // One that nobody looked at may be anybody's.
      email: isVerified === true ? shortText(email) : null,
      name: shortText(name) ?? shortText(userName) ?? sub,
      role,
      regions: role === 'admin' || regions.includes('all') ? 'all' : (regions.filter(isId).slice(0, REGIONS_PER_USER_MAX) as RegionId[]),
      issuedAt: iat * 1_000,
    };
    return { person, expiresAt: (exp + SKEW_S) * 1_000 };
  }
}

export const ISSUER_AWAY: TokenFault = { code: 'invalid_token', detail: 'The issuer of the token cannot be asked at the moment. Try again.' };

/** A claim by its name, or inside objects by names with dots between, as `realm_access.roles`. */
function claimAt(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** Issuers send lists, or texts with blanks or commas. */
function wordsOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(/[\s,]+/).filter((word) => word !== '');
  return Array.isArray(claim) ? claim.filter((word): word is string => typeof word === 'string') : [];
}

/** The one with most rights; who has none of ours is a consumer, without meters until an admin gives some. */
function roleOf(words: readonly string[]): Role {
  return [...ROLES].reverse().find((role) => words.includes(role)) ?? 'consumer';
}

/** One line; what an issuer lets people call themselves stands on pages, in lines of the audit log and beside what they do. */
function shortText(claim: unknown): string | null {
  return typeof claim === 'string' && claim !== '' && claim.length <= TEXT_CHARS_MAX && ONE_LINE.test(claim) ? claim : null;
}
