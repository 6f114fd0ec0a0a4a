import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';
import type { BegunWrite, KeptWrite, WriteAnswer } from './protocol.ts';

/**
 * Writes of the API: who is about to change what, on disk before it is changed, until it is known what came of it; and answers to those that were sent with a key, for who sends the key again. A write that is left from
 * another life of the engine was under way when that ended: nobody knows whether it was done, and both the audit log and its key say so.
 */

/** Of an entry of the audit log: nobody knows what came of it. */
export const STATUS_UNKNOWN = 0;

export class WriteBook {
  private readonly begun: StagedTable<BegunWrite>;
  private readonly answers: StagedTable<KeptWrite>;

  constructor(staged: StagedStore) {
    this.begun = staged.table('begun-writes');
    this.answers = staged.table('kept-answers');
  }

  begin(id: string, write: BegunWrite): void {
    this.begun.put(id, write);
  }

  /** `answer` null: the key, if there was one, is free again. */
  end(id: string, answer: WriteAnswer | 'secret' | null): void {
    const write = this.begun.get(id);
    if (write === null) return;
    this.begun.remove(id);
    if (write.key !== null && answer !== null) this.answers.put(write.key.name, { ...write.key, answer });
  }

  /** Those that an engine before this one began and did not end; their keys are answered that nobody knows. */
  endLeft(): BegunWrite[] {
    const left = [...this.begun.range({ from: '', to: afterPrefix('') })];
    for (const { key: id, record: { key } } of left) {
      this.begun.remove(id);
      if (key !== null) this.answers.put(key.name, { ...key, answer: 'unknown' });
    }
    return left.map(({ record }) => record);
  }

  /** Answers that are kept; those whose time is over go. */
  kept(nowMs: number): KeptWrite[] {
    const all = [...this.answers.range({ from: '', to: afterPrefix('') })].map(({ record }) => record);
    for (const { name, until } of all) if (until <= nowMs) this.answers.remove(name);
    return all.filter(({ until }) => until > nowMs);
  }

  forget(name: string): void {
    this.answers.remove(name);
  }
}
