import { isIPv6 } from 'node:net';
import { OperationalError } from '../../runtime/errors.ts';

/**
 * How often somebody may guess passwords. Counted before the guess, so that many at once count as well, and taken back when it was right. In memory: a restart begins anew, which costs an attacker more than it gives.
 * Whether there is such an account makes no difference.
 */

interface Allowance {
  /** Guesses without waiting. */
  free: number;
  /** Wait after the first that is not free; doubles with each. */
  waitMs: number;
  waitMsMax: number;
  /** After this long without a guess the count begins anew. */
  forgetMs: number;
}

/** Of one address at one account: somebody who mistypes, or guesses. */
const PAIR: Allowance = { free: 5, waitMs: 1_000, waitMsMax: 15 * 60_000, forgetMs: 60 * 60_000 };
/** Of one account from anywhere. The wait stays short: anybody can bring it about for somebody else. */
const ACCOUNT: Allowance = { free: 50, waitMs: 1_000, waitMsMax: 30_000, forgetMs: 60 * 60_000 };
/** Of one address at any account: an office behind one address, or somebody who tries one password at many. */
const ADDRESS: Allowance = { free: 100, waitMs: 1_000, waitMsMax: 5 * 60_000, forgetMs: 60 * 60_000 };
/** Counts kept of each kind; the oldest go. Making one be forgotten takes that many guesses, each of which waits for a hash. */
const COUNTS_MAX = 20_000;

interface Count {
  guesses: number;
  lastMs: number;
  notBeforeMs: number;
}

export class TooManyAttempts extends OperationalError {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('too_many_attempts', 'too many wrong passwords');
    this.retryAfterMs = retryAfterMs;
  }
}

export class LogInThrottle {
  private readonly kinds: readonly { allowance: Allowance; counts: Map<string, Count> }[] = [PAIR, ACCOUNT, ADDRESS].map((allowance) => ({ allowance, counts: new Map<string, Count>() }));

  /** Counts a guess; gives what takes it back when it was right. Throws TooManyAttempts, and counts nothing then. `account` is a login key or what was given as one. */
  begin(account: string, address: string, nowMs: number): () => void {
    const network = networkOf(address);
    // A proxy in front has this machine's address for everybody: nobody must be able to have all of them wait.
    const isAnybody = isLoopback(network);
    const named = [isAnybody ? null : JSON.stringify([account, network]), account, isAnybody ? null : network];
    const counted = this.kinds.flatMap(({ allowance, counts }, i) => (named[i] === null ? [] : [{ allowance, counts, key: named[i] }]));
    const waitMs = Math.max(...counted.map(({ counts, key }) => (counts.get(key)?.notBeforeMs ?? 0) - nowMs));
    if (waitMs > 0) throw new TooManyAttempts(waitMs);
    for (const { allowance, counts, key } of counted) countGuess(counts, key, allowance, nowMs);
    return () => {
      // Who knows the password has not been guessing; of others at the account nothing is said.
      for (const { allowance, counts, key } of counted) {
        if (allowance === PAIR) counts.delete(key);
        else takeBack(counts, key);
      }
    };
  }
}

function countGuess(counts: Map<string, Count>, key: string, { free, waitMs, waitMsMax, forgetMs }: Allowance, nowMs: number): void {
  const before = counts.get(key);
  const isOld = before === undefined || nowMs - before.lastMs > forgetMs || nowMs < before.lastMs - forgetMs;
  const guesses = isOld ? 1 : before.guesses + 1;
  const over = guesses - free;
  counts.delete(key);
  counts.set(key, { guesses, lastMs: nowMs, notBeforeMs: over < 0 ? 0 : nowMs + Math.min(waitMsMax, waitMs * 2 ** Math.min(over, 30)) });
  if (counts.size > COUNTS_MAX) counts.delete(counts.keys().next().value!);
}

function takeBack(counts: Map<string, Count>, key: string): void {
  const count = counts.get(key);
  if (count === undefined) return;
  count.guesses--;
  count.notBeforeMs = 0;
}

function isLoopback(network: string): boolean {
  return network.startsWith('127.') || network === '::1';
}

/** Of an IPv6 address the /64, which one line has all of; an IPv4 address in any of its forms as itself. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  // A URL writes it in the one form of RFC 5952, the last part in hexadecimal.
  const plain = new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1);
  if (plain === '::1') return plain;
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(plain);
  if (mapped !== null) return mapped.slice(1).flatMap((part) => [parseInt(part, 16) >> 8, parseInt(part, 16) & 255]).join('.');
  const [head, tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
