import type { StagedStore, StagedTable } from '../../runtime/staged-store.ts';

/** Hashes of passwords, apart from users: no answer about a user can have one in it by mistake. */

export interface PasswordRecord {
  /** As password-hashing.ts writes it. */
  hash: string;
  /** Given by an admin: it opens nothing but changing it. */
  isOneTime: boolean;
  /** Of a one-time password; null: never. */
  expiresAt: number | null;
}

export class PasswordBook {
  private readonly passwords: StagedTable<PasswordRecord>;

  constructor(staged: StagedStore) {
    this.passwords = staged.table('passwords');
  }

  of(userId: string): PasswordRecord | null {
    return this.passwords.get(userId);
  }

  set(userId: string, record: PasswordRecord): void {
    this.passwords.put(userId, record);
  }

  remove(userId: string): void {
    this.passwords.remove(userId);
  }
}
