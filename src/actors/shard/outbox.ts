import { invariant } from '../../runtime/errors.ts';
import { parsePlace, placeText, type EffectPlace } from './effect-place.ts';
import { checksumIn, openOutboxRecord, type OutboxRecord, type OutboxRecordBuilder } from './outbox-record.ts';
import type { ShardStore } from './shard-store.ts';

/**
 * What has changed, in the order in which it went to disk, for the systems beside the engine: one record of keys (outbox-record.ts) for each checkpoint step, in
 * the step's transaction, under numbers without gaps. What they stand for is read when it is sent (effect-reader.ts).
 *
 * A store has an outbox from the first start with a consumer until the first start without. Once it is on, whoever writes pages writes it too, or a
 * consumer would miss what was written meanwhile.
 */
export interface OutboxOptions {
  consumers: readonly string[];
  /** Past this the oldest records go although somebody has not read them; they begin with a scan again. */
  bytesMax: number;
}

/** Records that one step removes at most. */
const TRIM_STEP_MAX = 2_000;

/** What a step queued, until its commit is known to have succeeded or failed. */
interface Step {
  record: { checksum: number; bytes: number } | null;
  trimmed: { first: number; bytesBefore: number };
  consumers: ReadonlySet<string>;
}

/**
 * Brings a store's outbox in line with the consumers that there are: makes it for the first, forgets those that are no more, removes it with the last.
 * `generation` names a new one: no two of a data directory may have the same. Throws what commits throw.
 */
export async function settleOutbox(store: ShardStore, consumers: readonly string[], generation: string): Promise<void> {
  const isOn = consumers.length > 0;
  const found = store.outboxGeneration();
  for (const consumer of store.consumerPositions().keys()) {
    if (found === null || !consumers.includes(consumer)) store.removeConsumer(consumer);
  }
  if (found !== null && !isOn) store.removeOutboxGeneration();
  await store.commit();
  if (found !== null && isOn) return;
  while (store.trimOutbox(TRIM_STEP_MAX) > 0) await store.commit();
  if (!isOn) return;
  store.putOutboxGeneration(generation);
  await store.commit();
}

/** The store's outbox, or null when it has none. Without `options` it only takes records and lets none go. */
export function openOutbox(store: ShardStore, options: OutboxOptions | null): Outbox | null {
  const generation = store.outboxGeneration();
  return generation === null ? null : new Outbox(store, generation, options);
}

export class Outbox {
  readonly generation: string;
  private readonly store: ShardStore;
  private readonly options: OutboxOptions | null;
  private readonly places = new Map<string, EffectPlace>();
  /** Consumers whose place the store does not know yet. */
  private unsaved = new Set<string>();
  private firstSequence = 1;
  private lastSequence = 0;
  /** Bytes of all records that ever were before the first, and up to the last. */
  private bytesBefore = 0;
  private bytesEnd = 0;
  private lastChecksum = 0;
  private step: Step | null = null;

  /** Use `openOutbox`. */
  constructor(store: ShardStore, generation: string, options: OutboxOptions | null) {
    this.store = store;
    this.generation = generation;
    this.options = options;
    const ends = store.outboxEnds();
    if (ends !== null) {
      this.firstSequence = ends.first;
      this.lastSequence = ends.last;
      const last = this.recordAt(ends.last);
      this.bytesBefore = this.recordAt(ends.first).bytesBefore;
      this.bytesEnd = last.bytesBefore + last.byteLength;
      this.lastChecksum = last.checksum;
    }
    for (const [consumer, position] of store.consumerPositions()) {
      const place = parsePlace(generation, position);
      if (place !== null) this.places.set(consumer, place);
    }
  }

  /** Sequence of the oldest record; `next` when there is none. */
  get first(): number {
    return this.firstSequence;
  }

  /** Sequence of the record to come. */
  get next(): number {
    return this.lastSequence + 1;
  }

  get bytes(): number {
    return this.bytesEnd - this.bytesBefore;
  }

  isConsumer(name: string): boolean {
    return this.options?.consumers.includes(name) ?? false;
  }

  /** first … next − 1. Throws OperationalError `corrupt`. */
  recordAt(sequence: number): OutboxRecord {
    const found = this.store.outboxRecord(sequence);
    invariant(found !== undefined, `outbox record ${sequence} is there`);
    return openOutboxRecord(found, sequence);
  }

  /** Of the record; 0 for the one before the first of all, null when it is not there any more or not there yet. */
  checksumOf(sequence: number): number | null {
    if (sequence === this.lastSequence) return this.lastChecksum;
    return sequence < this.firstSequence || sequence > this.lastSequence ? null : this.recordAt(sequence).checksum;
  }

  // Consumers --------------------------------------------------------------------------------------------------------------

  /** What is remembered of the consumer; null: nothing. */
  placeOf(consumer: string): EffectPlace | null {
    return this.places.get(consumer) ?? null;
  }

  /**
   * Records up to this one have been written by every consumer. −1 while one is given everything there is: what it has then, nobody knows.
   */
  get deliveredUpTo(): number {
    let upTo = Infinity;
    for (const consumer of this.options?.consumers ?? []) {
      const place = this.places.get(consumer);
      upTo = Math.min(upTo, place?.kind === 'outbox' ? place.sequence - 1 : -1);
    }
    return upTo;
  }

  /** The consumer asks for what comes after the place: so it has nothing of that, whatever it said before. */
  askedFrom(consumer: string, place: EffectPlace): void {
    const known = this.places.get(consumer);
    if (known?.kind !== 'outbox' || (place.kind === 'outbox' && place.sequence >= known.sequence)) return;
    this.places.set(consumer, { ...place });
    this.unsaved.add(consumer);
  }

  /** Everything before the position is written. One that means nothing here is left alone. */
  acknowledge(consumer: string, position: string): void {
    const place = parsePlace(this.generation, position);
    if (place === null || place.sequence > this.next || !this.isConsumer(consumer)) return;
    // Numbers of windows given early die with this process.
    if (place.kind === 'outbox') place.early = null;
    const known = this.places.get(consumer);
    if (known !== undefined && placeText(this.generation, known) === placeText(this.generation, place)) return;
    this.places.set(consumer, place);
    this.unsaved.add(consumer);
  }

  // Steps ------------------------------------------------------------------------------------------------------------------

  /** True when a step would change something here though it has no keys. */
  get isDue(): boolean {
    return this.unsaved.size > 0 || this.isRemovable(this.firstSequence, this.bytesBefore, this.neededFrom());
  }

  /** Queues a step's record, unless it is empty, and what has become of older ones and the consumers; `done` or `undo` follows. */
  begin(builder: OutboxRecordBuilder): void {
    const { store } = this;
    let record: Step['record'] = null;
    if (!builder.isEmpty) {
      const bytes = builder.finish({ previousChecksum: this.lastChecksum, bytesBefore: this.bytesEnd });
      store.putOutboxRecord(this.next, bytes);
      record = { checksum: checksumIn(bytes), bytes: bytes.length };
    }
    for (const consumer of this.unsaved) store.putConsumerPosition(consumer, placeText(this.generation, this.places.get(consumer)!));
    this.step = { record, trimmed: this.trim(), consumers: this.unsaved };
    this.unsaved = new Set();
  }

  done(): void {
    const { record, trimmed } = this.step!;
    this.step = null;
    this.firstSequence = trimmed.first;
    this.bytesBefore = trimmed.bytesBefore;
    if (record === null) return;
    this.lastSequence++;
    this.bytesEnd += record.bytes;
    this.lastChecksum = record.checksum;
  }

  /** The step's commit failed. */
  undo(): void {
    for (const consumer of this.step!.consumers) this.unsaved.add(consumer);
    this.step = null;
  }

  /** Queues the removal of some records that may go; gives what will be the first. */
  private trim(): Step['trimmed'] {
    const neededFrom = this.neededFrom();
    let first = this.firstSequence;
    let { bytesBefore } = this;
    while (first < this.firstSequence + TRIM_STEP_MAX && this.isRemovable(first, bytesBefore, neededFrom)) {
      this.store.removeOutboxRecord(first);
      first++;
      ({ bytesBefore } = this.recordAt(first));
    }
    return { first, bytesBefore };
  }

  /** `bytesBefore` of the record. The newest stays: the numbers go on from it. */
  private isRemovable(sequence: number, bytesBefore: number, neededFrom: number): boolean {
    if (this.options === null || sequence >= this.lastSequence) return false;
    return sequence < neededFrom || this.bytesEnd - bytesBefore > this.options.bytesMax;
  }

  /** The first record that a consumer may still ask for, less one: by its checksum the place is known. */
  private neededFrom(): number {
    let needed = this.lastSequence;
    for (const consumer of this.options?.consumers ?? []) needed = Math.min(needed, (this.places.get(consumer)?.sequence ?? 0) - 1);
    return needed;
  }
}
