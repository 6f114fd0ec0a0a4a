import { BatchManifest } from '../../src/actors/ingest/batch-manifest.ts';
import { BatchQueue } from '../../src/actors/ingest/batch-queue.ts';
import { RequestRouter } from '../../src/actors/ingest/state.ts';
import { ShardActor } from '../../src/actors/shard/actor.ts';
import { Checkpoint } from '../../src/actors/shard/checkpoint.ts';
import { CheckpointSteps } from '../../src/actors/shard/checkpoint-steps.ts';
import { EnergyBlockEditor } from '../../src/actors/shard/energy-block.ts';
import { EnergyReader } from '../../src/actors/shard/energy-reader.ts';
import { JournalRetention } from '../../src/actors/shard/journal-retention.ts';
import { MeterDirectory, rowOffset } from '../../src/actors/shard/meter-pages.ts';
import { ROW } from '../../src/actors/shard/page-layout.ts';
import { SampleIndex } from '../../src/actors/shard/sample-index.ts';
import { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { Turn } from '../../src/actors/shard/turn.ts';
import { WindowRetention } from '../../src/actors/shard/window-retention.ts';
import { WindowBook } from '../../src/actors/shard/window-book.ts';
import { RegionSeeding } from '../../src/engine/region-seeding.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { openReadingBatch, readingsIn } from '../../src/model/reading-batch.ts';
import { Journal } from '../../src/runtime/journal.ts';
import { Requester } from '../../src/runtime/request-channel.ts';
import { makePlan } from './plan.ts';
import { lookFor, replaced, replacedGetter, type Finding, type Inside, type PlantedBug, type SeedLimits } from './planted-bug.ts';
import { runPlan, type RunResult } from './world.ts';

/** Mistakes that an engine like this invites; see planted-bug.ts. */

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'acknowledges before the commit',
    plant: () =>
      replaced(ShardActor, 'write', (write) => function (entry, nowMs) {
        write.call(this, entry, nowMs);
        if (entry.kind !== 'batch') return;
        entry.reply.ok({ accepted: readingsIn(entry.packed), duplicates: 0, outcomes: null });
        entry.reply = { ok() {}, fail() {} };
      }),
  },
  {
    name: 'counts a batch whose commit failed',
    plant: () =>
      replaced(ShardActor, 'commitFailed', (commitFailed) => function (error, group) {
        for (const { kind, packed, nowMs, sequence } of group) {
          if (kind !== 'batch') continue;
          const batch = openReadingBatch(packed.buffer, 0, packed.bytes);
          this.state.applyBatch(batch, nowMs, sequence, new Uint8Array(batch.count));
        }
        commitFailed.call(this, error, group);
      }),
  },
  {
    name: 'leaves a page\'s closed windows out of its checkpoint',
    plant: () =>
      replaced(Checkpoint, 'writePage', (writePage) => function (page, sequence, step) {
        page.pending = page.pending.successor();
        writePage.call(this, page, sequence, step);
      }),
  },
  {
    name: 'begins a day\'s energy anew with each checkpoint',
    plant: () => replaced(EnergyBlockEditor, 'load', (load) => function () {
      load.call(this, undefined);
    }),
  },
  {
    name: 'answers for the energy that is on disk alone',
    plant: () => replaced(EnergyReader, 'readPending', () => () => {}),
  },
  {
    name: 'forgets what a failed checkpoint took',
    plant: () =>
      replaced(Checkpoint, 'undo', () => function () {
        for (const { page } of this.step.pages) page.flushing = null;
        this.step = null;
      }),
  },
  {
    name: 'replays records that a page\'s snapshot holds',
    plant: () =>
      replaced(MeterDirectory, 'indexPage', (indexPage) => function (page) {
        indexPage.call(this, page);
        page.snapshotSequence = 0;
      }),
  },
  {
    name: 'trims the log past the oldest unwritten change',
    plant: () => replaced(JournalRetention, 'removableBefore', (removableBefore) => function (neededFrom, nowMs) {
      return removableBefore.call(this, neededFrom + 20, nowMs);
    }),
  },
  {
    name: 'removes log segments before the checkpoint that makes up for them is on disk',
    plant: () =>
      replaced(CheckpointSteps, 'begin', (begin) => function (place, extent) {
        begin.call(this, place, extent);
        this.store.journal.release(this.nextLogFrom);
      }),
  },
  {
    name: 'removes one log segment too many',
    plant: () => replaced(Journal, 'keptFrom', (keptFrom) => function (sequence) {
      const kept = keptFrom.call(this, sequence);
      return this.segments[this.segments.indexOf(kept) + 1] ?? kept;
    }),
  },
  {
    name: 'does not remember up to where windows are closed',
    plant: () =>
      replaced(WindowBook, 'closeSlot', (closeSlot) => function (page, row, granularity, at) {
        const closedAt = (rowOffset(row) + ROW.closedMs + granularity * 8) >> 3;
        const before = page.f64[closedAt];
        closeSlot.call(this, page, row, granularity, at);
        page.f64[closedAt] = before;
      }),
  },
  {
    name: 'adds to the regional sums again when it replays',
    plant: () => replacedGetter(Turn, 'isLedgerDue', true),
  },
  {
    name: 'takes the regional sums for one record newer than they are',
    plant: () => replaced(ShardStore, 'putAppliedPosition', (putAppliedPosition) => function ({ sequence }) {
      putAppliedPosition.call(this, { sequence: sequence + 1 });
    }),
  },
  {
    name: 'does not write a closed window\'s samples',
    plant: () => replaced(SampleIndex, 'write', () => (_head, count) => count * 6),
  },
  {
    name: 'does not look whether a late reading is known',
    plant: () => replaced(WindowBook, 'findSample', () => () => -1),
  },
  {
    name: 'does not raise the revision of a corrected window',
    plant: () =>
      replaced(WindowBook, 'amend', (amend) => function (...args) {
        const { keep } = this;
        this.keep = (...kept: Inside[]) => {
          if (this.record.revision > 0) this.record.revision--;
          keep.apply(this, kept);
        };
        amend.apply(this, args);
        delete this.keep;
      }),
  },
  {
    name: 'lets the clock close windows without the log',
    plant: () =>
      replaced(ShardActor, 'tick', () => function () {
        const nowMs = this.modules.clock.now();
        for (let partition = this.options.shard; partition < this.options.state.partitionCount; partition += this.options.shardCount) this.state.applyTick({ partition, fromPage: 0, toPage: Infinity }, nowMs, this.appliedSequence);
        if (this.checkpoint.isDue) this.run();
      }),
  },
  {
    name: 'forgets readingIds when it recovers',
    plant: () => replaced(ShardState, 'skipReplayed', () => () => OUTCOME.accepted),
  },
  {
    name: 'forgets rejected readings that were not written when it died',
    plant: () =>
      replaced(Checkpoint, 'addDeadLetter', (addDeadLetter) => function (letter) {
        if (!this.state.turn.replaying) addDeadLetter.call(this, letter);
      }),
  },
  {
    name: 'does not note which readings of a record did not count',
    plant: () => replaced(ShardStore, 'putUncountedReadings', () => () => {}),
  },
  {
    name: 'keeps an episode\'s end under another key',
    plant: () =>
      replaced(ShardStore, 'putAnomaly', (putAnomaly) => function (change, unsaved) {
        if (change.change !== 'ended') return putAnomaly.call(this, change, unsaved);
        return putAnomaly.call(this, { ...change, startedAt: change.startedAt + 1 }, new Map());
      }),
  },
  {
    name: 'never gives a credit back after a refusal',
    plant: () =>
      replaced(Requester, 'receive', (receive) => function (envelope) {
        const request = envelope.type === 'failure' ? this.pending.get(envelope.id) : undefined;
        receive.call(this, envelope);
        if (request !== undefined) this.pending.set(-envelope.id, { ...request, expired: true });
      }),
  },
  {
    name: 'answers one request too few when a batch fails',
    plant: () =>
      replaced(BatchManifest, 'fail', (fail) => function (failed) {
        let first = true;
        fail.call(this, (tally: Inside) => {
          if (!first) failed(tally);
          first = false;
        });
      }),
  },
  {
    name: 'leaves readings of a refused request in the queues',
    plant: () =>
      replaced(RequestRouter, 'rollback', () => function () {
        this.commit();
      }),
  },
  {
    name: 'lets its queues grow without a bound',
    plant: () => replacedGetter(BatchQueue, 'isFull', false),
  },
  {
    name: 'lets unwritten bytes grow without a bound',
    plant: () => replacedGetter(ShardActor, 'isFull', false),
  },
  {
    name: 'forgets samples that a failed checkpoint took out of memory',
    plant: () =>
      replaced(Checkpoint, 'undo', (undo) => function () {
        for (const { page } of this.step.pages) page.unwrittenSamples = [];
        undo.call(this);
      }),
  },
  {
    name: 'does not look for a late reading in the blocks of samples',
    plant: () => replaced(WindowBook, 'findInBlocks', () => () => -1),
  },
  {
    name: 'does not ask a shard that came back for its regional windows',
    plant: () => replaced(RegionSeeding, 'shardDown', () => () => {}),
  },
  {
    name: 'takes windows away that its database has not',
    plant: () => replaced(WindowRetention, 'isDelivered', () => () => true),
  },
  {
    name: 'forgets the extremes of windows that it took away',
    plant: () => replaced(ShardStore, 'settledPart', () => () => undefined),
  },
  {
    name: 'takes windows away that a correction may still reach',
    plant: () =>
      replaced(WindowRetention, 'oldNumbers', (oldNumbers) => function (page) {
        return oldNumbers.call(this, page).map((number: number, i: number) => (number === 0 ? 0 : number + (i < 64 ? 30 : 2)));
      }),
  },
];

const SEEDS = 30;
/** Every bug is looked for with so many seeds, and when none of those finds it with more. */
const LIMITS: SeedLimits = { seeds: SEEDS, seedsMax: 500 };

/** The simulator's run of a seed, as `lookFor` takes it. */
export function runOf(steps: number): (seed: number) => Promise<RunResult> {
  return (seed) => runPlan(makePlan(seed, steps));
}

/** Plants one of PLANTED_BUGS and looks for it. */
export function findPlantedBug(bug: number, steps: number): Promise<Finding> {
  return lookFor(PLANTED_BUGS[bug], runOf(steps), LIMITS);
}

/** Prints a table, a row as soon as it is known and those before it are. Gives the findings. */
export async function printFindings(findings: readonly Promise<Finding>[]): Promise<Finding[]> {
  const known: Finding[] = [];
  console.log(`| planted bug | seeds until found | seeds that find it, of ${SEEDS} | what the checker said |\n| --- | ---: | ---: | --- |`);
  for (const finding of findings) {
    const { name, seeds, failed, first, problem } = await finding;
    known.push(await finding);
    const said = problem.replace(/\s+/g, ' ').replaceAll('|', '/');
    console.log(`| ${name} | ${first === 0 ? `not in ${seeds}` : first} | ${seeds > SEEDS ? `${failed} of ${seeds}` : failed} | ${said.length > 110 ? `${said.slice(0, 110)}…` : said} |`);
  }
  return known;
}
