import type { JWK } from './jwk.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/** Keys that access tokens are signed with. The newest signs; one that was followed by another verifies until the last token it signed has ended, and goes. */

export interface SigningKey {
  kid: string;
  /** Ed25519, with its private part. */
  privateJwk: JWK;
  publicJwk: JWK;
  createdAt: number;
  /** When the next took its place; null: it signs. */
  followedAt: number | null;
}

export class SigningKeyBook {
  private readonly keys: StagedTable<SigningKey>;

  constructor(staged: StagedStore) {
    this.keys = staged.table('signing-keys');
  }

  /** Those that count: the one that signs, then the others. */
  all(): SigningKey[] {
    return [...this.keys.range({ from: '', to: afterPrefix('') })].map(({ record }) => record).sort((a, b) => (a.followedAt === null ? -1 : b.followedAt === null ? 1 : b.followedAt - a.followedAt));
  }

  /** It signs from now on; those that no token needs any more go. */
  add(key: Omit<SigningKey, 'followedAt'>, nowMs: number, tokenLifeMs: number): void {
    for (const before of this.all()) {
      if (before.followedAt === null) this.keys.put(before.kid, { ...before, followedAt: nowMs });
      else if (nowMs > before.followedAt + tokenLifeMs) this.keys.remove(before.kid);
    }
    this.keys.put(key.kid, { ...key, followedAt: null });
  }
}
