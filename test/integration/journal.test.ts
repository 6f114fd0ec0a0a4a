import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperationalError } from '../../src/runtime/errors.ts';
import { Journal, SEGMENT_TABLE, type SegmentFiles } from '../../src/runtime/journal.ts';
import { holdSegments, listSegments, lmdbSegments } from '../../src/runtime/lmdb-segments.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';
import type { Store, Table } from '../../src/runtime/store.ts';
import { eventually } from '../support/engine-process.ts';

interface Kind {
  files(options?: { readOnly?: boolean }): SegmentFiles;
  /** Another process takes over from one that closed everything. */
  nextProcess(): void;
  dispose(): void;
}

const MAP_BYTES = 64 * 1024 * 1024;
/** The segment that is made ahead. */
const SPARE = 'spare-log';

class LmdbKind implements Kind {
  readonly directory = mkdtempSync(join(tmpdir(), 'seg-journal-'));

  files(options: { readOnly?: boolean } = {}): SegmentFiles {
    return lmdbSegments({ directory: this.directory, mapBytes: MAP_BYTES, ...options });
  }

  nextProcess(): void {}

  dispose(): void {
    rmSync(this.directory, { recursive: true });
  }
}

class MemoryKind implements Kind {
  disk = new MemoryDisk();

  files(): SegmentFiles {
    return this.disk;
  }

  nextProcess(): void {
    this.disk = this.disk.crash();
  }

  dispose(): void {}
}

const LABEL = 'the log under test';
/** Every group of records has a segment of its own. */
const SEGMENT_PER_GROUP = { label: LABEL, segmentBytesMax: 1 };
/** Where segments say who they are and which comes next. */
const HEADER_KEY = Buffer.from('000000000000', 'hex');
const NEXT_KEY = Buffer.from('ffffffffffff', 'hex');

/** The record under a sequence: its bytes say which it is. */
const recordOf = (sequence: number, length = 40) => Buffer.alloc(length, `record ${sequence};`);
const sequencesOf = (journal: Journal, from = 0) => [...journal.records(from)].map(({ sequence }) => sequence);
const recordsOf = (journal: Journal, from = 0) => [...journal.records(from)].map(({ sequence, bytes }) => [sequence, Buffer.from(bytes).toString()]);
const expectedRecords = (...sequences: number[]) => sequences.map((sequence) => [sequence, recordOf(sequence).toString()]);

async function appendGroup(journal: Journal, ...sequences: number[]): Promise<void> {
  for (const sequence of sequences) journal.append(sequence, recordOf(sequence));
  await journal.commit();
}

/** A log of four segments, [1, 2], [3], [4, 5, 6] and [7], and nobody who has it open. */
async function fourSegments(kind: Kind, options = SEGMENT_PER_GROUP): Promise<void> {
  const journal = new Journal(kind.files(), options);
  await appendGroup(journal, 1, 2);
  await appendGroup(journal, 3);
  await appendGroup(journal, 4, 5, 6);
  await appendGroup(journal, 7);
  await journal.close();
  kind.nextProcess();
}

/** Changes what lies in a segment. */
async function tamper(kind: Kind, first: number, change: (log: Table) => void): Promise<void> {
  const store = kind.files().open(first)!;
  change(store.table(SEGMENT_TABLE));
  await store.commit();
  await store.close();
  kind.nextProcess();
}

/** Files that count what is asked of them, and refuse to make new ones while `full`. */
class WatchedFiles implements SegmentFiles {
  opened: number[] = [];
  openNow = 0;
  openAtOnce = 0;
  full: OperationalError | null = null;
  private readonly files: SegmentFiles;

  constructor(files: SegmentFiles) {
    this.files = files;
  }

  list(): number[] {
    return this.files.list();
  }

  open(first: number): Store | null {
    this.opened.push(first);
    const store = this.files.open(first);
    return store === null ? null : this.watched(store);
  }

  make(first: number): Store {
    if (this.full !== null) throw this.full;
    return this.watched(this.files.make(first));
  }

  remove(first: number): boolean {
    return this.files.remove(first);
  }

  sizeBytes(): number {
    return this.files.sizeBytes();
  }

  settled(): Promise<void> {
    return this.files.settled();
  }

  private watched(store: Store): Store {
    this.openAtOnce = Math.max(this.openAtOnce, ++this.openNow);
    return {
      table: (name) => store.table(name),
      commit: () => store.commit(),
      sizeBytes: () => store.sizeBytes(),
      close: () => {
        this.openNow--;
        return store.close();
      },
    };
  }
}

/**
 * Lets what was looked at be closed. LMDB has one environment a file in a process: opened to write while it is still open to read, it would be the one that
 * only reads. An engine opens in one way alone.
 */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const noRoom = () => new OperationalError('storage_full', 'there is no room for another', { retryable: true });

describe.each([
  ['in LMDB', () => new LmdbKind()],
  ['in memory', () => new MemoryKind()],
])('a log %s', (_name, make: () => Kind) => {
  let kind: Kind;
  const journals: Journal[] = [];

  /** A journal that is closed at the end of the test. */
  const journalOn = (files: SegmentFiles, options: { label: string; segmentBytesMax: number; readOnly?: boolean } = SEGMENT_PER_GROUP) => {
    const journal = new Journal(files, options);
    journals.push(journal);
    return journal;
  };
  const open = (options = SEGMENT_PER_GROUP) => journalOn(kind.files(), options);
  const openToRead = () => journalOn(kind.files({ readOnly: true }), { ...SEGMENT_PER_GROUP, readOnly: true });
  /** To one that only reads, and to one that writes. */
  const expectRefused = async (message: string) => {
    for (const readOnly of [true, false]) {
      expect(() => new Journal(kind.files({ readOnly }), { ...SEGMENT_PER_GROUP, readOnly })).toThrow(message);
      await settled();
    }
  };
  const reopen = async (journal: Journal, options = SEGMENT_PER_GROUP) => {
    await journal.close();
    kind.nextProcess();
    return open(options);
  };

  beforeEach(() => {
    kind = make();
  });

  afterEach(async () => {
    for (const journal of journals.splice(0)) await journal.close();
    kind.dispose();
  });

  describe('that is written', () => {
    it('is empty at first, and begins with whatever comes first', async () => {
      const journal = open();
      expect([journal.first, journal.lastSequence(), sequencesOf(journal), journal.keptFrom(5)]).toEqual([null, 0, [], null]);
      await journal.commit();
      journal.release(5);
      expect(kind.files().list()).toEqual([]);
      await appendGroup(journal, 7, 8);
      expect([journal.first, journal.lastSequence(), recordsOf(journal)]).toEqual([7, 8, expectedRecords(7, 8)]);
    });

    it('exists from its start on, though there is no record in it', async () => {
      let journal = open();
      await journal.start();
      expect([journal.first, journal.lastSequence(), sequencesOf(journal)]).toEqual([1, 0, []]);
      journal = await reopen(journal);
      await journal.start();
      expect([journal.first, journal.lastSequence(), kind.files().list()]).toEqual([1, 0, [1]]);
      await appendGroup(journal, 1);
      expect(recordsOf(journal)).toEqual(expectedRecords(1));
    });

    it('shows a group once it is committed, over as many segments as there are', async () => {
      const journal = open();
      journal.append(1, recordOf(1));
      journal.append(2, recordOf(2));
      expect([sequencesOf(journal), journal.lastSequence()]).toEqual([[], 0]);
      await journal.commit();
      await appendGroup(journal, 3);
      await appendGroup(journal, 4, 5, 6);
      expect(kind.files().list()).toEqual([1, 3, 4]);
      expect([journal.first, journal.lastSequence()]).toEqual([1, 6]);
      for (let from = 0; from <= 8; from++) expect(recordsOf(journal, from), `from ${from}`).toEqual(expectedRecords(...[1, 2, 3, 4, 5, 6].filter((sequence) => sequence >= from)));
    });

    it('gives records that are the reader\'s own', async () => {
      const journal = open();
      await appendGroup(journal, 1, 2);
      await appendGroup(journal, 3);
      const read = [...journal.records(0)];
      expect(read.map(({ bytes }) => bytes.byteLength)).toEqual([40, 40, 40]);
      for (const { bytes } of read) bytes.fill(0);
      expect(recordsOf(journal)).toEqual(expectedRecords(1, 2, 3));
      await appendGroup(journal, 4);
      expect(read.every(({ bytes }) => bytes.every((byte) => byte === 0))).toBe(true);
    });

    it('takes a sequence beyond 32 bits, and records of no and of many bytes', async () => {
      const journal = open();
      const sequences = [2 ** 33, 2 ** 33 + 1, 2 ** 33 + 2];
      journal.append(sequences[0], new Uint8Array(0));
      journal.append(sequences[1], recordOf(1, 3_000_000));
      await journal.commit();
      await appendGroup(journal, sequences[2]);
      const again = await reopen(journal);
      expect([...again.records(0)].map(({ sequence, bytes }) => [sequence, bytes.byteLength])).toEqual([[sequences[0], 0], [sequences[1], 3_000_000], [sequences[2], 40]]);
      expect([again.first, again.lastSequence()]).toEqual([sequences[0], sequences[2]]);
    });

    it('goes on where it ended when it is opened again, in the same segment until that is full', async () => {
      let journal = open({ label: LABEL, segmentBytesMax: 1e6 });
      await appendGroup(journal, 1, 2);
      journal = await reopen(journal, { label: LABEL, segmentBytesMax: 1e6 });
      expect([journal.first, journal.lastSequence(), recordsOf(journal)]).toEqual([1, 2, expectedRecords(1, 2)]);
      await appendGroup(journal, 3);
      expect(kind.files().list()).toEqual([1]);
      journal = await reopen(journal);
      // Its first group belongs to the segment that it found.
      await appendGroup(journal, 4);
      await appendGroup(journal, 5);
      expect([kind.files().list(), recordsOf(journal)]).toEqual([[1, 5], expectedRecords(1, 2, 3, 4, 5)]);
    });
  });

  describe('that rolls', () => {
    it('does so between two groups, never within one', async () => {
      const journal = open({ label: LABEL, segmentBytesMax: 100_000 });
      journal.append(1, recordOf(1, 90_000));
      for (let sequence = 2; sequence < 20; sequence++) journal.append(sequence, recordOf(sequence, 90_000));
      await journal.commit();
      expect(kind.files().list()).toEqual([1]);
      await appendGroup(journal, 20);
      expect(kind.files().list()).toEqual([1, 20]);
      await appendGroup(journal, 21);
      expect(kind.files().list()).toEqual([1, 20]);
    });

    it('fills a segment before it begins the next, also over several lives', async () => {
      const options = { label: LABEL, segmentBytesMax: 1_000_000 };
      let journal = open(options);
      for (let sequence = 1; sequence <= 24; sequence++) {
        journal.append(sequence, recordOf(sequence, 100_000));
        await journal.commit();
        if (sequence % 5 === 0) journal = await reopen(journal, options);
      }
      const segments = [...kind.files().list(), 25];
      // LMDB's own pages, and a reopened segment takes its first group in any case: a record more or less.
      for (let i = 1; i + 1 < segments.length; i++) expect(segments[i] - segments[i - 1]).toBeGreaterThanOrEqual(8);
      expect(segments.length - 1).toBeGreaterThanOrEqual(2);
      expect(sequencesOf(journal)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    });

    it('goes on in the old segment while there is no room for another', async () => {
      const files = new WatchedFiles(kind.files());
      const journal = journalOn(files);
      await appendGroup(journal, 1, 2);
      files.full = noRoom();
      await appendGroup(journal, 3, 4);
      await appendGroup(journal, 5);
      expect([kind.files().list(), recordsOf(journal)]).toEqual([[1], expectedRecords(1, 2, 3, 4, 5)]);
      files.full = null;
      await appendGroup(journal, 6);
      expect([kind.files().list(), recordsOf(journal)]).toEqual([[1, 6], expectedRecords(1, 2, 3, 4, 5, 6)]);
    });

    it('passes on what more room would not mend, and that there is no room for a first segment', async () => {
      const files = new WatchedFiles(kind.files());
      const journal = journalOn(files);
      files.full = noRoom();
      expect(() => journal.append(1, recordOf(1))).toThrow('there is no room for another');
      files.full = null;
      await appendGroup(journal, 1);
      files.full = new OperationalError('storage_failed', 'the disk is broken');
      expect(() => journal.append(2, recordOf(2))).toThrow('the disk is broken');
      files.full = null;
      await appendGroup(journal, 2);
      expect(recordsOf(journal)).toEqual(expectedRecords(1, 2));
    });
  });

  describe('that is read', () => {
    it('opens the segments it needs and no other, one after the other, and leaves none open', async () => {
      await fourSegments(kind);
      const files = new WatchedFiles(kind.files());
      const journal = journalOn(files);
      const openedBy = (read: () => unknown) => {
        files.opened = [];
        files.openAtOnce = 0;
        read();
        expect([files.openNow, files.openAtOnce]).toEqual([0, 1]);
        return files.opened;
      };
      expect(openedBy(() => sequencesOf(journal, 0))).toEqual([1, 3, 4, 7]);
      expect(openedBy(() => sequencesOf(journal, 2))).toEqual([1, 3, 4, 7]);
      expect(openedBy(() => sequencesOf(journal, 3))).toEqual([3, 4, 7]);
      expect(openedBy(() => sequencesOf(journal, 6))).toEqual([4, 7]);
      expect(openedBy(() => sequencesOf(journal, 7))).toEqual([7]);
      expect(openedBy(() => sequencesOf(journal, 99))).toEqual([7]);
      expect(openedBy(() => journal.lastSequence())).toEqual([7]);
      // Who stops early leaves nothing open either.
      expect(openedBy(() => {
        for (const { sequence } of journal.records(0)) if (sequence === 3) break;
      })).toEqual([1, 3]);
    });

    it('does not open the segment it writes to once more', async () => {
      const files = new WatchedFiles(kind.files());
      const journal = journalOn(files);
      await appendGroup(journal, 1);
      await appendGroup(journal, 2);
      files.opened = [];
      expect(recordsOf(journal, 2)).toEqual(expectedRecords(2));
      expect([files.opened, files.openNow]).toEqual([[], 1]);
    });
  });

  describe('that is released', () => {
    it('keeps from the begin of the segment that holds a record', async () => {
      await fourSegments(kind);
      const journal = open();
      expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 1e9].map((sequence) => journal.keptFrom(sequence))).toEqual([1, 1, 1, 3, 4, 4, 4, 7, 7, 7]);
    });

    it('loses the segments all of whose records may go, and always keeps one', async () => {
      await fourSegments(kind);
      let journal = open();
      for (const [sequence, left] of [[0, [1, 3, 4, 7]], [2, [1, 3, 4, 7]], [3, [3, 4, 7]], [6, [4, 7]], [7, [7]], [8, [7]], [1e9, [7]]] as const) {
        journal.release(sequence);
        expect([sequence, kind.files().list(), journal.first]).toEqual([sequence, left, left[0]]);
      }
      expect([recordsOf(journal), journal.lastSequence(), journal.keptFrom(1)]).toEqual([expectedRecords(7), 7, 7]);
      journal = await reopen(journal);
      expect([journal.first, recordsOf(journal), journal.lastSequence()]).toEqual([7, expectedRecords(7), 7]);
      await appendGroup(journal, 8);
      await appendGroup(journal, 9);
      journal = await reopen(journal);
      expect(recordsOf(journal)).toEqual(expectedRecords(7, 8, 9));
    });

    it('keeps what its files will not let go, and asks again the next time', async () => {
      await fourSegments(kind);
      const files = kind.files();
      const remove = files.remove.bind(files);
      files.remove = () => false;
      const journal = journalOn(files);
      journal.release(7);
      expect([journal.first, recordsOf(journal)]).toEqual([1, expectedRecords(1, 2, 3, 4, 5, 6, 7)]);
      files.remove = remove;
      journal.release(6);
      expect([journal.first, files.list()]).toEqual([4, [4, 7]]);
    });

    it('says of segments what they take on disk', async () => {
      const journal = open();
      journal.append(1, recordOf(1, 1_000_000));
      await journal.commit();
      await appendGroup(journal, 2);
      const before = journal.sizeBytes();
      expect(before).toBeGreaterThanOrEqual(1_000_000);
      journal.release(2);
      expect(before - journal.sizeBytes()).toBeGreaterThanOrEqual(1_000_000);
    });
  });

  describe('with a segment that is missing or not its own', () => {
    beforeEach(() => fourSegments(kind));

    it.each([
      [3, 'the log segment that begins with record 3 is missing'],
      [4, 'the log segment that begins with record 4 is missing'],
      [7, 'the log segment that begins with record 7 is missing'],
    ])('is refused: %d', async (first, message) => {
      kind.files().remove(first);
      await expectRefused(message);
      // Looking changes nothing.
      expect(kind.files().list()).toEqual([1, 3, 4, 7].filter((other) => other !== first));
    });

    it('is refused with two missing in a row, and with all but the oldest', () => {
      for (const first of [3, 4]) kind.files().remove(first);
      expect(() => open()).toThrow('the log segment that begins with record 3 is missing');
      kind.files().remove(7);
      expect(() => open()).toThrow('the log segment that begins with record 3 is missing');
    });

    it('begins later without its oldest: that one may have been released', () => {
      kind.files().remove(1);
      const journal = open();
      expect([journal.first, recordsOf(journal)]).toEqual([3, expectedRecords(3, 4, 5, 6, 7)]);
    });

    it.each([1, 3, 7])('is refused when nothing is left in one: %d', async (first) => {
      await tamper(kind, first, (log) => {
        for (const { key } of log.range(HEADER_KEY, Buffer.alloc(7, 255))) log.remove(key);
      });
      await expectRefused(`the log segment that begins with record ${first} holds nothing any more`);
      expect(kind.files().list()).toEqual([1, 3, 4, 7]);
    });

    it.each([
      ['another label', { label: 'shard 3 of 4' }, 'wrong_journal', /that of record 4 of shard 3 of 4, not of the log under test: its files were moved; bring them back, or restore a backup/],
      ['another place', { first: 9 }, 'wrong_journal', /that of record 9 of the log under test/],
      ['another format', { format: 2 }, 'format', /has format 2, this engine reads 1; use the engine that wrote it/],
      ['another one before it', { previous: 2 }, 'corrupt', /the log segment that begins with record 2 is missing|record 4 is missing/],
      ['none before it', { previous: null }, 'corrupt', /is missing/],
    ])('is refused when one names %s', async (_what, change, code, message) => {
      await tamper(kind, 4, (log) => {
        const header = JSON.parse(Buffer.from(log.get(HEADER_KEY)!).toString()) as object;
        log.put(HEADER_KEY, Buffer.from(JSON.stringify({ ...header, ...change })));
      });
      const refused = refusalOf(() => open());
      expect([refused.code, refused.retryable]).toEqual([code, false]);
      expect(refused.message).toMatch(message);
    });

    it.each([
      ['no JSON', '{"format":'],
      ['no object', 'null'],
      ['a header of something else', '{"name":1}'],
    ])('is refused when a header is %s', async (_what, text) => {
      await tamper(kind, 3, (log) => log.put(HEADER_KEY, Buffer.from(text)));
      expect(refusalOf(() => open())).toMatchObject({ code: 'corrupt', message: 'the log segment that begins with record 3 has an unreadable header' });
    });

    it.each([1, 4, 7])('is refused when one has records and no header, and nothing of it is removed: %d', async (first) => {
      await tamper(kind, first, (log) => log.remove(HEADER_KEY));
      expect(refusalOf(() => open())).toMatchObject({ code: 'corrupt', message: `the log segment that begins with record ${first} does not say what it is` });
      expect(kind.files().list()).toEqual([1, 3, 4, 7]);
    });

    it.each(['', '4x', '2'])('is refused when one does not say readably which comes next: "%s"', async (text) => {
      await tamper(kind, 3, (log) => log.put(NEXT_KEY, Buffer.from(text)));
      expect(refusalOf(() => open())).toMatchObject({ code: 'corrupt', message: 'the log segment that begins with record 3 has an unreadable end' });
    });

    it('is refused when one names another that comes next', async () => {
      await tamper(kind, 3, (log) => log.put(NEXT_KEY, Buffer.from('6')));
      expect(() => open()).toThrow('the log segment that begins with record 6 is missing');
    });

    it('is refused under another label', () => {
      expect(refusalOf(() => open({ ...SEGMENT_PER_GROUP, label: 'another log' }))).toMatchObject({ code: 'wrong_journal' });
    });
  });

  describe('whose process died while it began a segment', () => {
    it.each([
      ['right after making it', async () => {}],
      // LMDB makes the table before the first commit.
      ['with the table in it', async () => {
        const store = kind.files().open(8)!;
        store.table(SEGMENT_TABLE);
        await store.close();
      }],
    ])('goes on without it: %s', async (_when, touch) => {
      await fourSegments(kind);
      await kind.files().make(8).close();
      await touch();
      kind.nextProcess();
      const reader = openToRead();
      expect([recordsOf(reader), reader.lastSequence(), kind.files().list()]).toEqual([expectedRecords(1, 2, 3, 4, 5, 6, 7), 7, [1, 3, 4, 7, 8]]);
      await settled();
      let journal = open();
      expect([recordsOf(journal), kind.files().list()]).toEqual([expectedRecords(1, 2, 3, 4, 5, 6, 7), [1, 3, 4, 7]]);
      await appendGroup(journal, 8);
      await appendGroup(journal, 9);
      journal = await reopen(journal);
      expect([recordsOf(journal), kind.files().list()]).toEqual([expectedRecords(1, 2, 3, 4, 5, 6, 7, 8, 9), [1, 3, 4, 7, 9]]);
    });

    it('goes on when the empty one could not be removed, and lies in the middle or at the begin by then', async () => {
      await fourSegments(kind);
      await kind.files().make(8).close();
      kind.nextProcess();
      const stubborn = kind.files();
      const remove = stubborn.remove.bind(stubborn);
      stubborn.remove = () => false;
      let journal = journalOn(stubborn);
      await appendGroup(journal, 8);
      await appendGroup(journal, 9);
      await journal.close();
      // In memory they are the files of the next process too.
      stubborn.remove = remove;
      expect([recordsOf(openToRead()), kind.files().list()]).toEqual([expectedRecords(1, 2, 3, 4, 5, 6, 7, 8, 9), [1, 3, 4, 7, 8, 9]]);
      await settled();
      for (const first of [1, 3, 4, 7]) kind.files().remove(first);
      kind.nextProcess();
      journal = open();
      expect([recordsOf(journal), kind.files().list()]).toEqual([expectedRecords(9), [9]]);
    });

    it('uses the empty one if it begins with the same record', async () => {
      await kind.files().make(1).close();
      kind.nextProcess();
      let journal = open();
      expect([journal.first, journal.lastSequence(), sequencesOf(journal)]).toEqual([null, 0, []]);
      await journal.start();
      await appendGroup(journal, 1);
      journal = await reopen(journal);
      expect([journal.first, recordsOf(journal)]).toEqual([1, expectedRecords(1)]);
    });
  });

  it('lies in files that give null for a segment that is not there, and make none', async () => {
    await fourSegments(kind);
    for (const readOnly of [true, false]) {
      const files = kind.files({ readOnly });
      expect([files.open(2), files.open(8), files.list()]).toEqual([null, null, [1, 3, 4, 7]]);
    }
  });

  it('only reads when it is to: no segment is made, sealed or removed', async () => {
    await fourSegments(kind);
    // As after a crash before 4 could say that 7 comes next.
    await tamper(kind, 4, (log) => log.remove(NEXT_KEY));
    await kind.files().make(8).close();
    const reader = openToRead();
    await reader.commit();
    expect([reader.first, reader.lastSequence(), recordsOf(reader, 3)]).toEqual([1, 7, expectedRecords(3, 4, 5, 6, 7)]);
    await settled();
    expect(kind.files().list()).toEqual([1, 3, 4, 7, 8]);
    const store = kind.files().open(4)!;
    expect(store.table(SEGMENT_TABLE).get(NEXT_KEY)).toBe(undefined);
    await store.close();
  });
});

describe('a log whose commits fail', () => {
  it('holds nothing of a failed group, and its sequences are used again', async () => {
    const disk = new MemoryDisk();
    const journal = new Journal(disk, { label: LABEL, segmentBytesMax: 1e6 });
    await appendGroup(journal, 1);
    disk.failNext('storage_full');
    for (const sequence of [2, 3]) journal.append(sequence, Buffer.from('refused'));
    await expect(journal.commit()).rejects.toMatchObject({ code: 'storage_full', retryable: true });
    expect([recordsOf(journal), journal.lastSequence()]).toEqual([expectedRecords(1), 1]);
    await appendGroup(journal, 2);
    expect([recordsOf(journal), recordsOf(new Journal(disk.crash(), SEGMENT_PER_GROUP))]).toEqual([expectedRecords(1, 2), expectedRecords(1, 2)]);
  });

  it('begins its next segment once it can', async () => {
    const disk = new MemoryDisk();
    const journal = new Journal(disk, SEGMENT_PER_GROUP);
    await appendGroup(journal, 1);
    disk.failNext('storage_full', 2);
    for (let attempt = 0; attempt < 2; attempt++) await expect(appendGroup(journal, 2, 3)).rejects.toMatchObject({ code: 'storage_full' });
    expect([disk.list(), recordsOf(journal)]).toEqual([[1, 2], expectedRecords(1)]);
    // Nothing goes that has no successor yet.
    journal.release(2);
    expect(disk.list()).toEqual([1, 2]);
    await appendGroup(journal, 2);
    await appendGroup(journal, 3);
    expect([disk.list(), recordsOf(journal)]).toEqual([[1, 2, 3], expectedRecords(1, 2, 3)]);
    journal.release(2);
    const again = new Journal(disk.crash(), SEGMENT_PER_GROUP);
    expect([again.first, recordsOf(again)]).toEqual([2, expectedRecords(2, 3)]);
  });

  it('makes its first segment once it can', async () => {
    const disk = new MemoryDisk();
    const journal = new Journal(disk, SEGMENT_PER_GROUP);
    disk.failNext('storage_full');
    await expect(journal.start()).rejects.toMatchObject({ code: 'storage_full' });
    await journal.start();
    await appendGroup(journal, 1);
    expect(recordsOf(new Journal(disk.crash(), SEGMENT_PER_GROUP))).toEqual(expectedRecords(1));
  });

  it('has not failed when all that failed is the old segment\'s word for the new one, which is said again', async () => {
    let commits = 0;
    const disk: MemoryDisk = new MemoryDisk({
      takeCommit: async () => {
        // Of the second group: its own, then that of the segment before.
        if (++commits === 3) disk.failNext('storage_full');
      },
    });
    const journal = new Journal(disk, SEGMENT_PER_GROUP);
    await appendGroup(journal, 1);
    await appendGroup(journal, 2);
    expect([commits, recordsOf(journal), disk.list()]).toEqual([3, expectedRecords(1, 2), [1, 2]]);
    journal.release(2);
    expect(disk.list()).toEqual([1, 2]);
    await journal.commit();
    expect(commits).toBe(4);
    disk.remove(2);
    expect(() => new Journal(disk, SEGMENT_PER_GROUP)).toThrow('the log segment that begins with record 2 is missing');
  });

  it('says so when nobody knows whether the old segment names the new one', async () => {
    let commits = 0;
    const disk: MemoryDisk = new MemoryDisk({
      takeCommit: async () => {
        if (++commits === 3) disk.failNext('storage_failed');
      },
    });
    const journal = new Journal(disk, SEGMENT_PER_GROUP);
    await appendGroup(journal, 1);
    await expect(appendGroup(journal, 2)).rejects.toMatchObject({ code: 'storage_failed', retryable: false });
    expect(recordsOf(new Journal(disk.crash(), SEGMENT_PER_GROUP))).toEqual(expectedRecords(1, 2));
  });
});

describe('a log whose process dies', () => {
  /** Commits a group a segment until the process dies in its n-th commit; gives the disk it leaves, and the last group that was on disk for sure. */
  async function dieAt(commit: number, fate: 'lost' | 'kept'): Promise<{ disk: MemoryDisk; acknowledged: number }> {
    let commits = 0;
    let died = (): void => {};
    const death = new Promise<void>((resolve) => (died = resolve));
    const disk = new MemoryDisk({
      takeCommit: async () => {
        if (++commits !== commit) return;
        died();
        await new Promise(() => {});
      },
    });
    let acknowledged = 0;
    const life = (async () => {
      const journal = new Journal(disk, SEGMENT_PER_GROUP);
      for (let sequence = 1; sequence <= 4; sequence++) {
        await appendGroup(journal, sequence);
        acknowledged = sequence;
      }
    })();
    await Promise.race([death, life]);
    return { disk: disk.crash(fate, fate, {}), acknowledged };
  }

  // One commit for the first group, two for each of the others: theirs, and that of the segment before.
  const places = Array.from({ length: 7 }, (_, i) => i + 1).flatMap((commit) => (['lost', 'kept'] as const).map((fate) => [commit, fate] as const));

  it.each(places)('in commit %d, which is %s, knows what was committed and goes on; then no segment can go missing', async (commit, fate) => {
    const { disk, acknowledged } = await dieAt(commit, fate);
    let journal = new Journal(disk, SEGMENT_PER_GROUP);
    const last = journal.lastSequence();
    const isSealing = commit > 1 && commit % 2 === 1;
    expect(last - acknowledged).toBe(isSealing || fate === 'kept' ? 1 : 0);
    const all = Array.from({ length: last }, (_, i) => i + 1);
    expect(recordsOf(journal)).toEqual(expectedRecords(...all));
    await appendGroup(journal, last + 1);
    await appendGroup(journal, last + 2);
    const left = disk.crash();
    journal = new Journal(left, SEGMENT_PER_GROUP);
    expect(recordsOf(journal)).toEqual(expectedRecords(...all, last + 1, last + 2));
    const segments = left.list();
    expect(segments.length).toBeGreaterThan(1);
    let whole = left;
    for (const first of segments.slice(1)) {
      const robbed = whole.crash();
      whole = whole.crash();
      robbed.remove(first);
      expect(() => new Journal(robbed, SEGMENT_PER_GROUP), `without ${first} of ${segments.join(', ')}`).toThrow(`the log segment that begins with record ${first} is missing`);
    }
  });

  it('before an old segment names the new one has it named by the next that writes', async () => {
    const { disk } = await dieAt(3, 'lost');
    expect(disk.list()).toEqual([1, 2]);
    expect(disk.open(1)!.table(SEGMENT_TABLE).get(NEXT_KEY)).toBe(undefined);
    await new Journal(disk, { label: LABEL, segmentBytesMax: 1e6 }).commit();
    expect(Buffer.from(disk.open(1)!.table(SEGMENT_TABLE).get(NEXT_KEY)!).toString()).toBe('2');
    disk.remove(2);
    expect(() => new Journal(disk, SEGMENT_PER_GROUP)).toThrow('the log segment that begins with record 2 is missing');
  });
});

describe('segments in LMDB', () => {
  let kind: LmdbKind;
  const journals: Journal[] = [];
  const open = (options: { readOnly?: boolean } = {}) => {
    const journal = new Journal(kind.files(options), { ...SEGMENT_PER_GROUP, ...options });
    journals.push(journal);
    return journal;
  };
  const path = (...names: string[]) => join(kind.directory, ...names);
  const names = () => readdirSync(kind.directory).sort();

  beforeEach(async () => {
    kind = new LmdbKind();
    await fourSegments(kind);
  });

  afterEach(async () => {
    for (const journal of journals.splice(0)) await journal.close();
    kind.dispose();
  });

  it('stay while a process holds them, and go when it lets go', () => {
    const journal = open();
    const letGo = holdSegments(kind.directory);
    const hold = names().find((name) => name.endsWith('.hold'));
    expect(hold).toMatch(new RegExp(`^hold-${process.pid}-\\d+\\.hold$`));
    journal.release(7);
    expect([listSegments(kind.directory), journal.first]).toEqual([[1, 3, 4, 7], 1]);
    letGo();
    expect(names()).not.toContain(hold);
    journal.release(7);
    expect(listSegments(kind.directory)).toEqual([7]);
    letGo();
  });

  it('do not stay for a process that is dead, or for one that has its id by now', () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const holds = [`hold-${pid}-5.hold`, `hold-${process.pid}-1.hold`];
    for (const name of holds) writeFileSync(path(name), '');
    open().release(7);
    expect(listSegments(kind.directory)).toEqual([7]);
    expect(names().filter((name) => name.endsWith('.hold'))).toEqual([]);
  });

  it('free what they took on disk', async () => {
    const journal = open();
    // More than what goes at once.
    journal.append(8, recordOf(8, 15_000_000));
    await journal.commit();
    journal.append(9, recordOf(9));
    await journal.commit();
    journal.release(9);
    const taken = () => readdirSync(kind.directory, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => sum + (statSync(path(name), { throwIfNoEntry: false })?.blocks ?? 0) * 512, 0);
    await eventually(async () => taken(), (bytes) => bytes < 1_000_000);
    // Their names go last.
    await eventually(async () => names().filter((name) => name !== SPARE), (left) => left.length === 1 && left[0] === 'log-9');
  });

  it('are made ahead, and take their name when their turn comes', async () => {
    const files = kind.files();
    const journal = new Journal(files, SEGMENT_PER_GROUP);
    journals.push(journal);
    // The first of a process is made when it is needed; 8 still goes where 7 is.
    for (const sequence of [8, 9]) await appendGroup(journal, sequence);
    await files.settled();
    const ahead = statSync(path(SPARE, 'data.mdb'));
    expect(listSegments(kind.directory)).toEqual([1, 3, 4, 7, 9]);
    await appendGroup(journal, 10);
    expect(statSync(path('log-10', 'data.mdb')).ino).toBe(ahead.ino);
    await files.settled();
    expect(statSync(path(SPARE, 'data.mdb')).ino).not.toBe(ahead.ino);
    await journal.close();
    // Half of one, that a killed process left.
    truncateSync(path(SPARE, 'data.mdb'), 100);
    const next = open();
    expect(names()).not.toContain(SPARE);
    for (const sequence of [11, 12, 13]) await appendGroup(next, sequence);
    expect(recordsOf(next)).toEqual(expectedRecords(...Array.from({ length: 13 }, (_, i) => i + 1)));
  });

  it('are made when they are needed where the one made ahead is gone', async () => {
    const files = kind.files();
    const journal = new Journal(files, SEGMENT_PER_GROUP);
    journals.push(journal);
    for (const sequence of [8, 9, 10]) {
      await appendGroup(journal, sequence);
      await files.settled();
      rmSync(path(SPARE), { recursive: true, force: true });
    }
    expect(recordsOf(journal)).toEqual(expectedRecords(...Array.from({ length: 10 }, (_, i) => i + 1)));
  });

  it('whose removal a crash cut short are removed by the next process that writes', async () => {
    mkdirSync(path('removed-log-1'));
    writeFileSync(path('removed-log-1', 'data.mdb'), 'half of it');
    open({ readOnly: true });
    await settled();
    expect(names()).toContain('removed-log-1');
    const journal = open();
    expect(names()).toEqual(['log-1', 'log-3', 'log-4', 'log-7']);
    expect(recordsOf(journal)).toEqual(expectedRecords(1, 2, 3, 4, 5, 6, 7));
  });

  it.each([
    ['a directory without a file', () => mkdirSync(path('log-8'))],
    ['a file with nothing in it', () => {
      mkdirSync(path('log-8'));
      writeFileSync(path('log-8', 'data.mdb'), '');
    }],
  ])('that were not begun yet do not count: %s', async (_what, leave) => {
    leave();
    // A backup has nothing to copy there.
    expect(listSegments(kind.directory)).toEqual([1, 3, 4, 7]);
    expect(recordsOf(open({ readOnly: true }))).toEqual(expectedRecords(1, 2, 3, 4, 5, 6, 7));
    expect(existsSync(path('log-8'))).toBe(true);
    await settled();
    const journal = open();
    expect(existsSync(path('log-8'))).toBe(false);
    leave();
    for (const sequence of [8, 9]) await appendGroup(journal, sequence);
    expect(recordsOf(open({ readOnly: true }))).toEqual(expectedRecords(1, 2, 3, 4, 5, 6, 7, 8, 9));
  });

  it('take the place of a file with nothing in it', async () => {
    const journal = open();
    await appendGroup(journal, 8);
    mkdirSync(path('log-9'));
    writeFileSync(path('log-9', 'data.mdb'), '');
    await appendGroup(journal, 9);
    expect(recordsOf(journal, 9)).toEqual(expectedRecords(9));
  });

  it.each([
    ['emptied', (file: string) => truncateSync(file, 0)],
    ['removed', (file: string) => rmSync(file)],
  ])('whose file was %s are missed, and nothing is made in their place', async (_what, damage) => {
    for (const first of [7, 4]) {
      damage(path(`log-${first}`, 'data.mdb'));
      for (const readOnly of [true, false]) {
        expect(() => open({ readOnly })).toThrow(`the log segment that begins with record ${first} holds nothing any more`);
        await settled();
      }
      expect(statSync(path(`log-${first}`, 'data.mdb'), { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    }
  });

  it.each([1, 4, 7])('that were cut short are refused before they are mapped, which would end the process: %d', async (first) => {
    const file = path(`log-${first}`, 'data.mdb');
    // Enough that not all that is missing may be pages LMDB never wrote.
    await tamper(kind, first, (log) => {
      for (let i = 0; i < 100; i++) log.put(Buffer.from([0, 0, 0, 0, first, 1, i]), Buffer.alloc(10_000, i));
    });
    const { size } = statSync(file);
    for (const part of [0.6, 0.3]) {
      truncateSync(file, Math.floor(size * part));
      for (const readOnly of [true, false]) {
        expect(refusalOf(() => open({ readOnly }))).toMatchObject({ code: 'corrupt', message: expect.stringContaining(`log-${first}/data.mdb was cut short`) });
        await settled();
      }
    }
  });

  it('whose file is none of LMDB\'s are refused', () => {
    writeFileSync(path('log-4', 'data.mdb'), Buffer.alloc(100_000, 7));
    expect(refusalOf(() => open())).toMatchObject({ code: 'corrupt', message: expect.stringContaining('does not begin as an LMDB file does') });
  });

  it('need no lock files', () => {
    for (const first of [1, 3, 4, 7]) rmSync(path(`log-${first}`, 'lock.mdb'));
    expect(recordsOf(open())).toEqual(expectedRecords(1, 2, 3, 4, 5, 6, 7));
  });

  it('are left alone next to what is none', async () => {
    for (const name of ['log-', 'log-7 (copy)', 'old-log-3', 'gen-1']) mkdirSync(path(name));
    const journal = open();
    await appendGroup(journal, 8);
    journal.release(8);
    expect(recordsOf(journal)).toEqual(expectedRecords(7, 8));
    expect(names()).toEqual(expect.arrayContaining(['gen-1', 'log-', 'log-7 (copy)', 'old-log-3']));
  });

  it('are found after the process that wrote them was killed', async () => {
    const script = `
      const { Journal } = await import(${JSON.stringify(new URL('../../src/runtime/journal.ts', import.meta.url).href)});
      const { lmdbSegments } = await import(${JSON.stringify(new URL('../../src/runtime/lmdb-segments.ts', import.meta.url).href)});
      const journal = new Journal(lmdbSegments({ directory: ${JSON.stringify(kind.directory)}, mapBytes: ${MAP_BYTES} }), ${JSON.stringify(SEGMENT_PER_GROUP)});
      for (let sequence = 8; sequence <= 12; sequence++) {
        journal.append(sequence, Buffer.alloc(40, 'record ' + sequence + ';'));
        await journal.commit();
      }
      journal.append(13, Buffer.alloc(40));
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect([child.signal, child.stderr]).toEqual(['SIGKILL', '']);
    const journal = open();
    expect(recordsOf(journal)).toEqual(expectedRecords(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  });
});

function refusalOf(open: () => unknown): OperationalError {
  try {
    open();
  } catch (error) {
    if (error instanceof OperationalError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
