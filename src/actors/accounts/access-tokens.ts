import { calculateJwkThumbprint, errors, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import type { Clock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { JWK } from './jwk.ts';
import type { TokenFault } from './protocol.ts';
import { newId, type RandomBytes } from './secrets.ts';
import type { SigningKey } from './signing-key-book.ts';

/** Access tokens: JWT (RFC 9068), signed with Ed25519 and nothing else, whatever their head says. They name a session, which is looked up each time; so they end with it, and carry no rights of their own. */

export const ACCESS_TOKEN_MS = 10 * 60_000;
/** Ours have some 500 characters; other issuers put more into theirs. */
export const TOKEN_CHARS_MAX = 8_192;
const ALGORITHM = 'EdDSA';
const AUDIENCE = 'seg-api';
const TYPE = 'at+jwt';

export interface AccessClaims {
  userId: string;
  sessionId: string;
  /** Epoch ms. */
  expiresAt: number;
}

export const NO_TOKEN: TokenFault = { code: 'invalid_token', detail: 'This is no access token of this engine.' };
export const EXPIRED_TOKEN: TokenFault = { code: 'expired_token', detail: 'The access token has ended. POST /api/v1/auth/refresh gives another.' };

type VerifyKey = Awaited<ReturnType<typeof importJWK>>;

export class AccessTokens {
  private readonly issuer: string;
  private readonly clock: Clock;
  private readonly random: RandomBytes;
  private verifyKeys: ReadonlyMap<string, VerifyKey> = new Map();
  private signing: { kid: string; key: VerifyKey } | null = null;
  private publicKeys: readonly object[] = [];

  constructor(issuer: string, { clock, random }: { clock: Clock; random: RandomBytes }) {
    this.issuer = issuer;
    this.clock = clock;
    this.random = random;
  }

  /** From the newest, which signs, to those that only verify. */
  async useKeys(keys: readonly SigningKey[]): Promise<void> {
    const imported = await Promise.all(keys.map(async ({ kid, publicJwk }) => [kid, await importJWK(publicJwk, ALGORITHM)] as const));
    const [newest] = keys;
    this.signing = newest === undefined ? null : { kid: newest.kid, key: await importJWK(newest.privateJwk, ALGORITHM) };
    this.verifyKeys = new Map(imported);
    this.publicKeys = keys.map(({ kid, publicJwk: { kty, crv, x } }) => ({ kty, crv, x, kid, alg: ALGORITHM, use: 'sig' }));
  }

  /** RFC 7517, for whoever wants to verify tokens too. */
  jwks(): { keys: readonly object[] } {
    return { keys: this.publicKeys };
  }

  async sign({ userId, sessionId }: Pick<AccessClaims, 'userId' | 'sessionId'>): Promise<{ token: string; expiresAt: number }> {
    if (this.signing === null) throw new OperationalError('unavailable', 'there is no key yet to sign tokens with', { retryable: true });
    const issuedS = Math.floor(this.clock.now() / 1_000);
    const expiresS = issuedS + ACCESS_TOKEN_MS / 1_000;
    const token = await new SignJWT({ sid: sessionId })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: this.signing.kid })
      .setIssuer(this.issuer)
      .setAudience(AUDIENCE)
      .setSubject(userId)
      .setIssuedAt(issuedS)
      .setExpirationTime(expiresS)
      .setJti(newId('', this.random))
      .sign(this.signing.key);
    return { token, expiresAt: expiresS * 1_000 };
  }

  /** Whose token it is by itself; whether the session goes on is another question. Never rejects. */
  async verify(token: string): Promise<AccessClaims | TokenFault> {
    if (!isJwt(token)) return NO_TOKEN;
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => this.keyOf(kid), {
        algorithms: [ALGORITHM],
        issuer: this.issuer,
        audience: AUDIENCE,
        typ: TYPE,
        requiredClaims: ['exp', 'iat', 'sub', 'sid', 'jti'],
        currentDate: new Date(this.clock.now()),
      });
      return claimsOf(payload) ?? NO_TOKEN;
    } catch (error) {
      return error instanceof errors.JWTExpired ? EXPIRED_TOKEN : NO_TOKEN;
    }
  }

  private keyOf(kid: string | undefined): VerifyKey {
    const key = kid === undefined ? undefined : this.verifyKeys.get(kid);
    if (key === undefined) throw new errors.JWKSNoMatchingKey();
    return key;
  }
}

/** Whether it has the form of one, before anything is decoded. */
export function isJwt(token: string): boolean {
  return token.length <= TOKEN_CHARS_MAX && /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token);
}

function claimsOf({ sub, sid, exp }: JWTPayload): AccessClaims | null {
  return typeof sub === 'string' && typeof sid === 'string' && exp !== undefined ? { userId: sub, sessionId: sid, expiresAt: exp * 1_000 } : null;
}

/** A key to sign with; its name follows from it (RFC 7638). */
export async function newSigningKey(nowMs: number): Promise<Omit<SigningKey, 'followedAt'>> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true });
  const publicJwk = (await exportJWK(publicKey)) as JWK;
  const privateJwk = (await exportJWK(privateKey)) as JWK;
  return { kid: await calculateJwkThumbprint(publicJwk), privateJwk, publicJwk, createdAt: nowMs };
}
