import { randomUUID } from 'node:crypto';
import type { AuditEntry, WriteAnswer, WriteKey } from '../actors/accounts/protocol.ts';
import type { Clock } from '../runtime/clock.ts';
import type { AccountsPort } from './accounts-port.ts';

/** A write on its way into the audit log: what is about to be changed, and by whom, is on disk before it is, and what came of it takes the place of that. What is refused before anything could change is noted once it is answered. */
export class WriteNote {
  private readonly accounts: AccountsPort;
  private readonly write: Omit<AuditEntry, 'at' | 'status'>;
  private readonly clock: Pick<Clock, 'now'>;
  private readonly secretAnswer: boolean;
  private begunAs: string | null = null;
  private isEnded = false;

  constructor(accounts: AccountsPort, write: Omit<AuditEntry, 'at' | 'status'>, { clock, secretAnswer }: { clock: Pick<Clock, 'now'>; secretAnswer: boolean }) {
    this.accounts = accounts;
    this.write = write;
    this.clock = clock;
    this.secretAnswer = secretAnswer;
  }

  /** Nothing may be changed before it resolves. Rejects with an OperationalError that is worth another try. */
  begin(key: WriteKey | null): Promise<void> {
    this.begunAs = randomUUID();
    return this.accounts.beginWrite(this.begunAs, { ...this.write, at: this.clock.now(), key });
  }

  /** `answer`: for who sends its key again; null: there is none, or the key is free. The first call counts. */
  end(status: number, answer: WriteAnswer | null): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.accounts.endWrite({ id: this.begunAs, entry: { ...this.write, at: this.clock.now(), status }, answer: answer !== null && this.secretAnswer ? 'secret' : answer });
  }

  /** It was noted before, as that which it repeats. */
  drop(): void {
    this.isEnded = true;
  }
}
