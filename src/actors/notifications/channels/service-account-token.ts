import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Clock } from '../../../runtime/clock.ts';
import { jsonObject, type HttpClient, type HttpExchange } from './http-client.ts';
import { httpDate, retryAfterMs } from './retry-after.ts';

/**
 * Access tokens for a service account by the JWT grant, as documented at developers.google.com/identity/protocols/oauth2/service-account (RFC 7523): one is asked for when there is none that is good for a while yet,
 * and by one request whoever waits for it.
 */

export interface ServiceAccount {
  projectId: string;
  clientEmail: string;
  /** PKCS #8 in PEM. */
  privateKey: string;
  privateKeyId: string | null;
}

export type TokenAnswer = { token: string } | { code: string; text: string; retryAfterMs: number | null };

/** Google takes no longer one. */
const ASSERTION_S = 3_600;
/** A token is not used in its last minutes: the request that carries it may take its time. */
const SPARE_MS = 120_000;
/** A clock that differs by less is not why an assertion was refused: Google allows for some minutes. */
const SKEW_MS_MIN = 30_000;

export class ServiceAccountToken {
  private readonly account: ServiceAccount;
  private readonly tokenUrl: string;
  private readonly scope: string;
  private readonly http: HttpClient;
  private readonly clock: Clock;
  private readonly key: KeyObject;
  private token: string | null = null;
  /** On the clock that never jumps. */
  private goodUntil = 0;
  private underWay: Promise<TokenAnswer> | null = null;

  constructor(options: { account: ServiceAccount; tokenUrl: string; scope: string }, modules: { http: HttpClient; clock: Clock }) {
    this.account = options.account;
    this.tokenUrl = options.tokenUrl;
    this.scope = options.scope;
    this.http = modules.http;
    this.clock = modules.clock;
    this.key = createPrivateKey(options.account.privateKey);
  }

  get(): Promise<TokenAnswer> {
    if (this.token !== null && this.clock.monotonic() < this.goodUntil) return Promise.resolve({ token: this.token });
    this.underWay ??= this.ask().finally(() => {
      this.underWay = null;
    });
    return this.underWay;
  }

  /** The provider takes this one no longer; a newer one stays. */
  forget(token: string): void {
    if (this.token === token) this.token = null;
  }

  private async ask(): Promise<TokenAnswer> {
    const askedAt = this.clock.now();
    const first = await this.exchange(askedAt);
    const skewMs = first.kind === 'answered' && isRefusedGrant(first) ? (httpDate(first.headers.date ?? '') ?? askedAt) - askedAt : 0;
    // An assertion from a clock that is wrong is refused like one that was revoked; Google's own clock stands in its answer.
    return this.answerOf(Math.abs(skewMs) < SKEW_MS_MIN ? first : await this.exchange(this.clock.now() + skewMs));
  }

  private async exchange(nowMs: number): Promise<HttpExchange> {
    const { clientEmail, privateKeyId } = this.account;
    const issuedAt = Math.floor(nowMs / 1_000);
    const assertion = await new SignJWT({ scope: this.scope })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(privateKeyId === null ? {} : { kid: privateKeyId }) })
      .setIssuer(clientEmail)
      .setAudience(this.tokenUrl)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ASSERTION_S)
      .sign(this.key);
    const form = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
    return this.http.exchange({ method: 'POST', url: new URL(this.tokenUrl), headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }, body: form.toString() });
  }

  private answerOf(exchange: HttpExchange): TokenAnswer {
    if (exchange.kind !== 'answered') return { code: exchange.code, text: `no access token: ${exchange.text}`, retryAfterMs: null };
    const reply = jsonObject(exchange.body);
    const { access_token: token, expires_in: lifeS, error, error_description: description } = reply ?? {};
    if (exchange.status === 200 && typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) {
      this.token = token;
      this.goodUntil = this.clock.monotonic() + (typeof lifeS === 'number' && lifeS > 0 ? lifeS * 1_000 : 0) - SPARE_MS;
      return { token };
    }
    const after = retryAfterMs(exchange.headers, this.clock.now());
    const code = typeof error === 'string' ? error : String(exchange.status);
    return { code, text: `no access token: status ${exchange.status}, ${code}${typeof description === 'string' ? `: ${description}` : ''}`, retryAfterMs: after };
  }
}

function isRefusedGrant({ status, body }: { status: number; body: string }): boolean {
  return status === 400 && jsonObject(body)?.error === 'invalid_grant';
}
