import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { OperationalError } from '../../runtime/errors.ts';
import { normalPassword } from './password-rules.ts';
import type { RandomBytes } from './secrets.ts';

/**
 * Hashes of passwords: scrypt (RFC 7914), in libuv's threads. What is kept names its own parameters, as `scrypt$17$8$1$salt$hash`, so that these can be raised: an old hash still verifies and is made anew when its
 * password is next given.
 */

export interface HashCost {
  /** log2 of N. */
  logN: number;
  r: number;
  p: number;
}

/** What OWASP's Password Storage Cheat Sheet asks of scrypt: 128 MiB and some 0.3 s a hash. */
export const HASH_COST: HashCost = { logN: 17, r: 8, p: 1 };
/** What a kept hash may ask for: more is none of ours, and would only take memory. */
const LOG_N_MAX = 20;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
/** 256 MiB, and half of libuv's four threads; commits to the disk need the others. */
const AT_ONCE_MAX = 2;
/** Some 10 s of waiting; past it 503. */
const WAITING_MAX = 64;
const FORMAT = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]{43})$/;

export class PasswordHashing {
  private readonly cost: HashCost;
  private readonly random: RandomBytes;
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];
  /** What is verified where there is no account: of a password that nobody knows. */
  private readonly nobodys: string;

  constructor(cost: HashCost = HASH_COST, random: RandomBytes = randomBytes) {
    this.cost = cost;
    this.random = random;
    this.nobodys = format(cost, random(SALT_BYTES), random(HASH_BYTES));
  }

  /** Rejects with `mailbox_full` (retryable). */
  async hash(password: string): Promise<string> {
    const salt = this.random(SALT_BYTES);
    return format(this.cost, salt, await this.derive(password, salt, this.cost));
  }

  /** Whether it is the password of the hash. `null` takes as long, and is never. Rejects as `hash`. */
  async verify(password: string, kept: string | null): Promise<boolean> {
    const match = FORMAT.exec(kept ?? this.nobodys);
    if (match === null) throw new OperationalError('corrupt', 'a kept password hash has no known form');
    const [, logN, r, p, salt, hash] = match;
    const derived = await this.derive(password, Buffer.from(salt, 'base64url'), { logN: Number(logN), r: Number(r), p: Number(p) });
    return timingSafeEqual(derived, Buffer.from(hash, 'base64url')) && kept !== null;
  }

  /** Whether a kept hash was made at another cost than is asked for now. */
  isOutdated(kept: string): boolean {
    const { logN, r, p } = this.cost;
    return !kept.startsWith(`scrypt$${logN}$${r}$${p}$`);
  }

  private async derive(password: string, salt: Buffer, { logN, r, p }: HashCost): Promise<Buffer> {
    if (logN > LOG_N_MAX) throw new OperationalError('corrupt', 'a kept password hash asks for more memory than any of ours');
    await this.enter();
    try {
      const N = 2 ** logN;
      // Twice what RFC 7914 needs, and a little: OpenSSL counts more.
      const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r + 1024 * 1024 };
      return await new Promise((resolve, reject) => {
        scrypt(normalPassword(password), salt, HASH_BYTES, options, (error, derived) => (error === null ? resolve(derived) : reject(error)));
      });
    } finally {
      this.leave();
    }
  }

  private enter(): Promise<void> | void {
    if (this.underWay < AT_ONCE_MAX) {
      this.underWay++;
      return;
    }
    if (this.waiting.length >= WAITING_MAX) throw new OperationalError('mailbox_full', `${WAITING_MAX} passwords are waiting to be looked at; try again shortly`, { retryable: true });
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Hands its place on. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.underWay--;
    else next();
  }
}

function format({ logN, r, p }: HashCost, salt: Buffer, hash: Buffer): string {
  return ['scrypt', logN, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}
