import type { Clock } from '../runtime/clock.ts';
import type { HeaderFields } from './exchange.ts';
import type { Problem } from './problem-details.ts';

/** How many requests somebody may send: a bucket of tokens each, which fills evenly. */

/** Of both limits: the time in which a bucket fills from empty. */
const WINDOW_SECONDS = 60;
/** Buckets that are not full: past it the one that was used least lately is forgotten, that is, full. 10 MB. */
const BUCKETS_MAX = 100_000;

export interface RateLimitsOptions {
  /** Requests a minute of one account, also all at once; 0: as many as come. */
  perAccount: number;
  /** Of one address, whoever sends them. */
  perAddress: number;
}

/** `account` is who asks, `address` the peer. */
export type RateLimitPolicy = 'account' | 'address';

export class RateLimits {
  private readonly limits: Readonly<Record<RateLimitPolicy, number>>;
  private readonly clock: Pick<Clock, 'monotonic'>;
  /** By policy and key; the least lately used first. */
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  constructor({ perAccount, perAddress }: RateLimitsOptions, { clock }: { clock: Pick<Clock, 'monotonic'> }) {
    this.limits = { account: perAccount, address: perAddress };
    this.clock = clock;
  }

  /** Takes a token; null where there is no limit. */
  take(policy: RateLimitPolicy, key: string): TakenToken | null {
    const limit = this.limits[policy];
    if (limit === 0) return null;
    const now = this.clock.monotonic();
    const name = `${policy} ${key}`;
    const bucket = this.buckets.get(name);
    const filled = bucket === undefined ? limit : Math.min(limit, bucket.tokens + ((now - bucket.at) / 1_000 / WINDOW_SECONDS) * limit);
    const isTaken = filled >= 1;
    const tokens = isTaken ? filled - 1 : filled;
    this.buckets.delete(name);
    this.buckets.set(name, { tokens, at: now });
    if (this.buckets.size > BUCKETS_MAX) this.buckets.delete(this.buckets.keys().next().value!);
    return { policy, limit, isTaken, tokens };
  }
}

export interface TakenToken {
  policy: RateLimitPolicy;
  limit: number;
  /** False: there was none. */
  isTaken: boolean;
  /** Left. */
  tokens: number;
}

/** As draft-ietf-httpapi-ratelimit-headers has them: how much there is in which time, how much is left, and when all of it is there again. */
export function rateLimitHeaders({ policy, limit, tokens }: TakenToken): HeaderFields {
  return [
    ['ratelimit-policy', `"${policy}";q=${limit};w=${WINDOW_SECONDS}`],
    ['ratelimit', `"${policy}";r=${Math.floor(tokens)};t=${Math.ceil(((limit - tokens) / limit) * WINDOW_SECONDS)}`],
  ];
}

export function tooManyRequests({ policy, limit, tokens }: TakenToken): Problem {
  const whose = policy === 'account' ? 'One account' : 'One address';
  return {
    status: 429,
    code: 'rate_limited',
    detail: `${whose} may send ${limit} requests a minute. Wait, or ask for more at once: lists and windows come in pages of up to thousands.`,
    retryAfterSeconds: ((1 - tokens) / limit) * WINDOW_SECONDS,
    extras: { 'violated-policies': [policy] },
  };
}
