import { openReadingBatch } from '../../model/reading-batch.ts';
import { Checkpoint } from '../shard/checkpoint.ts';
import { openOutbox } from '../shard/outbox.ts';
import { Replay, restoreTables } from '../shard/recovery.ts';
import type { SettingsChange, ShardStore } from '../shard/shard-store.ts';
import { ShardState, type ShardStateConfig } from '../shard/state.ts';
import { unpackMessages } from './message-block.ts';
import type { DecodedLogMessage } from './message-decoding.ts';
import type { LogMessage } from './protocol.ts';
import type { LogBounds, PartitionLog } from './partition-log.ts';

/**
 * A log means what it meant under the settings it was folded with (shard/settled-settings.ts). Here it goes on while nobody looks: so first the state says from which record on other
 * settings count, then it is brought up to that record under the old ones and written out. Whoever takes the partition in between, with whatever settings, does the same to the end, and then his own.
 *
 * The memory of readingIds is lost with it: they are remembered for 5 min at most, and a reading that is repeated under its own time is a duplicate all the same.
 */

/** Of the last checkpoint under the old settings. */
const STEP = { pagesPerStepMax: 512 };

export interface SettingsChangeModules {
  store: ShardStore;
  partitionLog: Pick<PartitionLog, 'read'>;
  decode(message: LogMessage): DecodedLogMessage;
}

/** Makes `wanted` the settings of the store. Throws what reads and commits throw. Returns how often it had to write everything out. */
export async function settleLogSettings(wanted: ShardStateConfig, bounds: LogBounds, modules: SettingsChangeModules): Promise<number> {
  const { store } = modules;
  for (let changes = 0; ; ) {
    const stored = store.settings();
    const change = store.settingsChange();
    if (stored === null) store.putSettings(wanted);
    else if (change !== null) {
      await writeOut(stored, change, bounds.begin, modules);
      changes++;
    } else if (JSON.stringify(stored) === JSON.stringify(wanted)) return changes;
    else store.putSettingsChange({ sequence: bounds.end, settings: wanted });
    await store.commit();
  }
}

/** Brings the tables up to the record, under the settings that count until then, and queues those that count from there on. */
async function writeOut(stored: ShardStateConfig, { sequence: last, settings }: SettingsChange, logBegin: number, { store, partitionLog, decode }: SettingsChangeModules): Promise<void> {
  const state = new ShardState(stored, { stored: store, loadPart: (...key) => store.loadPart(...key) });
  const checkpoint = new Checkpoint(state, store, STEP);
  // What this writes consumers have to hear of, too.
  checkpoint.outbox = openOutbox(store, null);
  restoreTables(state, store);
  const applied = store.appliedPosition().sequence;
  state.beginReplay(applied);
  const replay = new Replay(state, store, applied, checkpoint);
  let mark = store.logMark();
  for (let offset = Math.max(store.logFrom() - 1, logBegin); offset < last; ) {
    const { block, next } = await partitionLog.read(offset);
    for (const message of unpackMessages(block)) {
      if (message.offset >= last) break;
      const decoded = decode(message);
      replay.apply(decoded.kind === 'control' ? decoded.record : { kind: 'batch', nowMs: decoded.nowMs, batch: openReadingBatch(decoded.packed.buffer, 0, decoded.packed.bytes) }, message.offset + 1);
      mark = { sequence: message.offset + 1, timestampMs: message.timestampMs };
    }
    offset = next;
  }
  state.endReplay();
  state.changeLateness(settings.latenessMs, last);
  while (checkpoint.isDue) {
    checkpoint.begin(last, STEP.pagesPerStepMax);
    if (mark !== null) store.putLogMark(mark);
    await store.commit();
    checkpoint.done();
  }
  const picture = state.pictures.inForceAt(last + 1);
  if (picture !== null) store.putPicture(picture);
  store.putAppliedPosition({ sequence: last });
  store.putLogFrom(last + 1);
  store.putReplayFrom(last + 1);
  store.putSettings(settings);
  store.removeSettingsChange();
}
