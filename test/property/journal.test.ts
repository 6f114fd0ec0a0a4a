import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperationalError } from '../../src/runtime/errors.ts';
import { Journal } from '../../src/runtime/journal.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';

/**
 * A log on a disk that fails and a process that dies, against a plain array of what was promised: a group is there whole or not at all, and it is there if
 * its commit said so.
 */

type Step =
  /** A group of records of these lengths. Its n-th commit fails (the second is that of the segment before it), or the process dies in it. */
  | { kind: 'append'; lengths: number[]; trouble: 'none' | 'storage_full' | 'storage_failed' | 'lost' | 'kept'; atCommit: number }
  /** Up to this part of what there is, or a little beyond it. */
  | { kind: 'release'; percent: number }
  | { kind: 'reopen' }
  | { kind: 'crash' };

const append = fc.record({
  kind: fc.constant('append' as const),
  lengths: fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 4 }),
  trouble: fc.oneof({ weight: 3, arbitrary: fc.constant('none' as const) }, { weight: 2, arbitrary: fc.constantFrom('storage_full' as const, 'storage_failed' as const, 'lost' as const, 'kept' as const) }),
  atCommit: fc.integer({ min: 1, max: 2 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: append },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), percent: fc.integer({ min: 0, max: 120 }) }) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'reopen' as const }, { kind: 'crash' as const }) },
);

interface Promised {
  sequence: number;
  text: string;
}

/** How often which of the rarer things came up, over all runs. */
const seen = { rolls: 0, failed: 0, sealsFailed: 0, doubtful: 0, keptUntold: 0, released: 0, missed: 0 };

class LogUnderTest {
  private readonly segmentBytesMax: number;
  private disk: MemoryDisk;
  private journal: Journal;
  private readonly promised: Promised[] = [];
  /** Records before this one may be gone. */
  private releasedTo = 1;
  private groups = 0;
  private commits = 0;
  private trouble: { kind: string; atCommit: number; died: () => void } | null = null;

  constructor(segmentBytesMax: number) {
    this.segmentBytesMax = segmentBytesMax;
    this.disk = new MemoryDisk({ takeCommit: () => this.takeCommit() });
    this.journal = this.open();
  }

  async take(next: Step): Promise<void> {
    switch (next.kind) {
      case 'append':
        await this.append(next);
        break;
      case 'release':
        this.release(Math.round((next.percent / 100) * (this.last + 1)));
        break;
      case 'reopen':
        await this.journal.close();
        this.die('lost');
        break;
      case 'crash':
        this.die('lost');
    }
    this.check();
  }

  /** Whatever happened before: once a group is committed in peace, no segment but the oldest goes unmissed. */
  async end(): Promise<void> {
    for (let i = 0; i < 2; i++) await this.take({ kind: 'append', lengths: [50], trouble: 'none', atCommit: 1 });
    for (const first of this.disk.list().slice(1)) {
      const robbed = this.disk.crash();
      this.die('lost');
      robbed.remove(first);
      expect(() => new Journal(robbed, { label: 'test', segmentBytesMax: 1 }), `without ${first}`).toThrow('is missing');
      seen.missed++;
    }
  }

  private get last(): number {
    return this.promised.at(-1)?.sequence ?? 0;
  }

  private open(): Journal {
    return new Journal(this.disk, { label: 'test', segmentBytesMax: this.segmentBytesMax });
  }

  private async takeCommit(): Promise<void> {
    const { trouble } = this;
    if (trouble === null || ++this.commits !== trouble.atCommit) return;
    if (trouble.kind === 'storage_full' || trouble.kind === 'storage_failed') this.disk.failNext(trouble.kind);
    else {
      trouble.died();
      await new Promise(() => {});
    }
  }

  private async append({ lengths, trouble, atCommit }: Extract<Step, { kind: 'append' }>): Promise<void> {
    const group = lengths.map((length, i) => ({ sequence: this.last + 1 + i, text: `${++this.groups}`.padEnd(length, '.').slice(0, length) }));
    const segmentsBefore = this.disk.list().length;
    let died = (): void => {};
    const death = new Promise<'died'>((resolve) => (died = () => resolve('died')));
    this.commits = 0;
    this.trouble = trouble === 'none' ? null : { kind: trouble, atCommit, died };
    for (const { sequence, text } of group) this.journal.append(sequence, Buffer.from(text));
    const outcome = await Promise.race([this.journal.commit().then(() => 'committed' as const, (error: unknown) => error), death]);
    const came = this.commits >= atCommit && this.trouble !== null;
    this.trouble = null;
    if (this.disk.list().length > segmentsBefore) seen.rolls++;
    if (outcome === 'committed') {
      if (came) seen.sealsFailed++;
      this.promised.push(...group);
    } else if (outcome === 'died') {
      this.die(trouble as 'lost' | 'kept');
      // The group's own commit is the first.
      const isThere = this.takeOver(group);
      expect(isThere).toBe(trouble === 'kept' || atCommit > 1);
      if (isThere) seen.keptUntold++;
    } else {
      expect(outcome).toBeInstanceOf(OperationalError);
      seen.failed++;
      if ((outcome as OperationalError).retryable) return;
      // Nobody knows what is there, so somebody has to look.
      seen.doubtful++;
      this.die('lost');
      this.takeOver(group);
    }
  }

  /** Takes a group into what was promised if it turns out to be there. */
  private takeOver(group: Promised[]): boolean {
    const isThere = this.journal.lastSequence() > this.last;
    if (isThere) this.promised.push(...group);
    return isThere;
  }

  private release(sequence: number): void {
    const keptFrom = this.journal.keptFrom(sequence);
    const before = this.disk.list().length;
    this.journal.release(sequence);
    this.releasedTo = Math.max(this.releasedTo, sequence);
    seen.released += before - this.disk.list().length;
    // A full segment that could not name its successor stays.
    if (keptFrom !== null) expect(this.journal.first!).toBeLessThanOrEqual(keptFrom);
  }

  private die(fate: 'lost' | 'kept'): void {
    this.disk = this.disk.crash(fate);
    this.journal = this.open();
  }

  private check(): void {
    const { journal, promised } = this;
    const first = journal.first ?? 1;
    expect(first).toBeLessThanOrEqual(Math.max(1, this.releasedTo));
    const expected = promised.filter(({ sequence }) => sequence >= first);
    expect(this.read(0)).toEqual(expected);
    const middle = Math.floor((first + this.last) / 2);
    expect(this.read(middle)).toEqual(expected.filter(({ sequence }) => sequence >= middle));
    // The newest is there for as long as there is one.
    expect(journal.lastSequence()).toBe(this.last);
  }

  private read(from: number): Promised[] {
    return [...this.journal.records(from)].map(({ sequence, bytes }) => ({ sequence, text: Buffer.from(bytes).toString() }));
  }
}

describe('a log', () => {
  it('holds what it promised through failing commits, deaths and releases, and nothing else', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(1, 100, 400), fc.array(step, { minLength: 1, maxLength: 30 }), async (segmentBytesMax, steps) => {
        const log = new LogUnderTest(segmentBytesMax);
        for (const next of steps) await log.take(next);
        await log.end();
      }),
      { numRuns: 1_000 },
    );
    for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(20);
  });
});
