import { OperationalError } from '../../runtime/errors.ts';
import type { Reply, Requester } from '../../runtime/request-channel.ts';
import type { StateLog } from './changelog.ts';
import type { GroupMember } from './kafka/group-member.ts';
import type { LogAppender } from './kafka/log-appender.ts';
import type { LogPiece, LogReader } from './kafka/log-reader.ts';
import type { LogOffsets } from './kafka/log-offsets.ts';
import type { StateWriter } from './kafka/state-writer.ts';
import { packKeyValues, unpackKeyValues } from './key-values.ts';
import { controlRecord } from '../shard/log-record.ts';
import type { LogBounds, PartitionLog } from './partition-log.ts';
import type { LogAppend } from './protocol.ts';

/** What the threads that fold partitions ask of the one that talks to Kafka, and both ends of it. */

export type LogQuestion =
  /** To be the partition's only writer from now on. */
  | { kind: 'take'; partition: number }
  /** Nothing is asked about the partition any more. */
  | { kind: 'release'; partition: number }
  | { kind: 'readLog'; partition: number; offset: number }
  | { kind: 'append'; message: LogAppend }
  | { kind: 'readState'; partition: number; offset: number }
  /** `changes`: key-values.ts; transferred, as every buffer here. */
  | { kind: 'commitState'; partition: number; changes: ArrayBuffer }
  /** Up to where the partition is folded, for people's tools. */
  | { kind: 'note'; partition: number; offset: number };

export interface LogAnswers {
  take: Taken;
  release: null;
  readLog: LogPiece;
  append: null;
  readState: { changes: ArrayBuffer; next: number; isEnd: boolean };
  commitState: number;
  note: null;
}

/** A partition is this node's. */
export interface Taken {
  /** Offset behind all of its state in the changelog. */
  stateEnd: number;
  log: LogBounds;
  /** What was noted of it last; null: nothing ever. */
  noted: number | null;
}

export type LogAnswer = LogAnswers[LogQuestion['kind']];

/** Whoever asks waits as long as the brokers are away: timers count in 31 bits. */
const PATIENCE_MS = 2 ** 31 - 1;

/** The asking end. */
export class LogLink {
  private readonly requester: Pick<Requester<LogQuestion, LogAnswer>, 'request'>;

  constructor(requester: Pick<Requester<LogQuestion, LogAnswer>, 'request'>) {
    this.requester = requester;
  }

  take(partition: number): Promise<Taken> {
    return this.ask({ kind: 'take', partition });
  }

  /** Never rejects. */
  release(partition: number): void {
    this.ask({ kind: 'release', partition }).catch(() => {});
  }

  /** Never rejects. */
  note(partition: number, offset: number): void {
    this.ask({ kind: 'note', partition, offset }).catch(() => {});
  }

  logOf(partition: number): PartitionLog {
    return {
      read: (offset) => this.ask({ kind: 'readLog', partition, offset }),
      append: async (record) => {
        const value = controlRecord(record);
        await this.ask({ kind: 'append', message: { partition, key: null, value, kind: 'control', contentType: 'msgpack', judgedAtMs: null } });
      },
    };
  }

  stateOf(partition: number): StateLog {
    return {
      commit: (changes) => {
        const packed = packKeyValues(changes);
        return this.ask({ kind: 'commitState', partition, changes: packed }, [packed]);
      },
      read: async (offset) => {
        const { changes, next, isEnd } = await this.ask({ kind: 'readState', partition, offset });
        return { changes: unpackKeyValues(changes), next, isEnd };
      },
    };
  }

  private ask<K extends LogQuestion['kind']>(question: Extract<LogQuestion, { kind: K }>, transfer: ArrayBuffer[] = []): Promise<LogAnswers[K]> {
    return this.requester.request(question, { deadlineMs: PATIENCE_MS, transfer }) as Promise<LogAnswers[K]>;
  }
}

export interface LogServiceModules {
  reader: LogReader;
  appender: LogAppender;
  writer: StateWriter;
  offsets: LogOffsets;
  member: GroupMember;
}

/** The answering end. */
export class LogService {
  private readonly modules: LogServiceModules;
  private notes = new Map<number, number>();
  private readonly taken = new Set<number>();

  constructor(modules: LogServiceModules) {
    this.modules = modules;
  }

  /** Never throws: what Kafka does not do fails the question alone. */
  answer(question: LogQuestion, reply: Reply<LogAnswer>): void {
    const { writer, reader, appender } = this.modules;
    const settle = <Result extends LogAnswer>(work: Promise<Result>, transferOf: (result: Result) => ArrayBuffer[] = () => []): void => {
      work.then(
        (result) => reply.ok(result, transferOf(result)),
        (error: unknown) => reply.fail(error instanceof OperationalError ? error : new OperationalError('kafka_log', (error as Error).message, { cause: error })),
      );
    };
    switch (question.kind) {
      case 'take':
        settle(this.take(question.partition));
        return;
      case 'release':
        reader.forget(question.partition);
        writer.release(question.partition);
        this.taken.delete(question.partition);
        this.notes.delete(question.partition);
        reply.ok(null);
        return;
      case 'readLog':
        settle(reader.read(question.partition, question.offset), ({ block }) => [block]);
        return;
      case 'append':
        appender.append({ messages: [question.message] }, { ok: () => reply.ok(null), fail: (error) => reply.fail(error) });
        return;
      case 'readState':
        settle(this.readState(question.partition, question.offset), ({ changes }) => [changes]);
        return;
      case 'commitState':
        settle(writer.commit(question.partition, unpackKeyValues(question.changes)));
        return;
      case 'note':
        this.notes.set(question.partition, question.offset);
        reply.ok(null);
    }
  }

  /** Partitions that this node has. */
  owned(): number[] {
    return [...this.taken];
  }

  /** Hands what was noted since the last time to the group. */
  writeNotes(): Promise<void> {
    const { notes } = this;
    this.notes = new Map();
    return this.modules.member.note(notes);
  }

  private async take(partition: number): Promise<Taken> {
    const { writer, offsets, member } = this.modules;
    await member.confirm(partition);
    this.taken.add(partition);
    const stateEnd = await writer.take(partition);
    const [log, noted] = await Promise.all([offsets.bounds(partition), member.noted(partition)]);
    return { stateEnd, log, noted };
  }

  private async readState(partition: number, offset: number): Promise<LogAnswers['readState']> {
    const { changes, next, isEnd } = await this.modules.writer.read(partition, offset);
    return { changes: packKeyValues(changes), next, isEnd };
  }
}
