import { OperationalError } from '../../runtime/errors.ts';
import type { KeyedRecord } from '../../runtime/record-table.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import { EndIndex } from './end-index.ts';
import { newSecret, sha256, type RandomBytes } from './secrets.ts';

/** Links that are sent by mail: each is good for one thing, once, for some hours. Of a link the hash is kept. A newer one of a kind for an address takes the place of the one before. */

const LIFE_MS = { register: 24 * 3_600_000, reset: 3_600_000 } as const;
export type LinkKind = keyof typeof LIFE_MS;
/** Links that wait at once: what strangers who register can make the store grow by. */
export const LINKS_MAX = 100_000;
const TOKEN_PATTERN = /^segl_[A-Za-z0-9_-]{43}$/;

export interface Link {
  kind: LinkKind;
  email: string;
  /** Of who registers. */
  name: string;
  /** Of who gets another password. */
  userId: string | null;
  expiresAt: number;
}

export class LinkBook {
  private readonly links: StagedTable<Link>;
  private readonly ofAddresses: StagedTable<string>;
  private readonly ends: EndIndex;
  private readonly random: RandomBytes;
  private count = 0;

  constructor(staged: StagedStore, random: RandomBytes) {
    this.links = staged.table('links');
    this.ofAddresses = staged.table('address-links');
    this.ends = new EndIndex(staged, 'link-ends');
    this.random = random;
  }

  load(): void {
    this.count = this.ends.count();
  }

  /** Gives the token for the mail. Throws `too_many_mails`. */
  make(link: Omit<Link, 'expiresAt'>, nowMs: number): string {
    if (this.count >= LINKS_MAX) throw new OperationalError('too_many_mails', 'too many links are waiting to be used');
    const token = newSecret('segl_', this.random);
    const hash = sha256(token);
    const addressKey = `${link.kind}/${link.email}`;
    const before = this.ofAddresses.get(addressKey);
    if (before !== null) this.links.remove(before);
    const expiresAt = nowMs + LIFE_MS[link.kind];
    this.links.put(hash, { ...link, expiresAt });
    this.ofAddresses.put(addressKey, hash);
    this.ends.add(expiresAt, hash);
    this.count++;
    return token;
  }

  /** Throws `invalid_link` for what is none, is used, or is too old. */
  require(token: string, kind: LinkKind, nowMs: number): Link {
    const link = TOKEN_PATTERN.test(token) ? this.links.get(sha256(token)) : null;
    if (link === null || link.kind !== kind || link.expiresAt <= nowMs) throw new OperationalError('invalid_link', 'the link is used or too old');
    return link;
  }

  /** Throws as `require`. */
  spend(token: string, kind: LinkKind, nowMs: number): Link {
    const link = this.require(token, kind, nowMs);
    this.links.remove(sha256(token));
    this.ofAddresses.remove(`${kind}/${link.email}`);
    return link;
  }

  /** What was sent to somebody who has gone, or whose password changed in another way. */
  drop(kind: LinkKind, email: string): void {
    const hash = this.ofAddresses.get(`${kind}/${email}`);
    if (hash === null) return;
    this.links.remove(hash);
    this.ofAddresses.remove(`${kind}/${email}`);
  }

  /** Has some count no more; gives how many, 0 when there are none. */
  dropSome(max: number): number {
    const some: KeyedRecord<Link>[] = [];
    for (const row of this.links.range({ from: '', to: afterPrefix('') })) if (some.push(row) === max) break;
    for (const { key, record: { kind, email } } of some) {
      this.links.remove(key);
      this.ofAddresses.remove(`${kind}/${email}`);
    }
    return some.length;
  }

  nextEndMs(): number {
    return this.ends.nextMs();
  }

  sweep(nowMs: number): void {
    for (const hash of this.ends.takeOver(nowMs)) {
      this.count--;
      const link = this.links.get(hash);
      if (link === null) continue;
      this.links.remove(hash);
      if (this.ofAddresses.get(`${link.kind}/${link.email}`) === hash) this.ofAddresses.remove(`${link.kind}/${link.email}`);
    }
  }
}
