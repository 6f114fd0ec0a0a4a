import { Checkpoint } from './checkpoint.ts';
import { controlRecord } from './log-record.ts';
import { openOutbox } from './outbox.ts';
import { packRememberedIds } from './reading-id-record.ts';
import { recover } from './recovery.ts';
import type { ShardStore } from './shard-store.ts';
import { ShardState, type ShardStateConfig } from './state.ts';

/**
 * A log means what it meant under the settings it was written with: a longer lateness would leave windows open in the replay that were closed and
 * added to their regions when the records came, and a shorter correction horizon would reject readings that were acknowledged. So
 * the store keeps the settings, and before others apply, its log is replayed under the old ones and everything is written. Windows that
 * the old and the new lateness judge differently are closed with it.
 */

/** Of the last checkpoint under the old settings. */
const STEP = { pagesPerStepMax: 512 };

/** How the store's log is to be replayed: as its settings say, or, while it has none, as `config` does. */
export function replayConfig(store: ShardStore, config: ShardStateConfig): ShardStateConfig {
  return { ...(store.settings() ?? config), partitionCount: config.partitionCount };
}

/** Makes `config` the settings of the store; call before `recover`, and before anything is appended. Throws what `recover` and commits throw. */
export async function settleSettings(store: ShardStore, config: ShardStateConfig): Promise<void> {
  const stored = store.settings();
  if (stored !== null && JSON.stringify(stored) === JSON.stringify(config)) return;
  if (stored !== null) {
    const { state, lastSequence } = await writeOut(store, replayConfig(store, config), (state, sequence) => state.changeLateness(config.latenessMs, sequence));
    const records = packRememberedIds(state).map((words) => controlRecord({ kind: 'rememberedIds', nowMs: 0, words }));
    // What is new in the log means the same under both settings, so it may be there before the switch.
    records.forEach((bytes, i) => store.journal.append(lastSequence + 1 + i, bytes));
    await store.journal.commit();
    store.putLogFrom(lastSequence + 1);
    store.putAppliedPosition({ sequence: lastSequence });
  }
  store.putSettings(config);
  await store.commit();
}

/**
 * Recovers a store and writes everything that only its log holds. `change` may change the state once more, as a record of the sequence that it is
 * given would. Gives the state, and the sequence up to which it stands.
 */
export async function writeOut(store: ShardStore, config: ShardStateConfig, change?: (state: ShardState, sequence: number) => void): Promise<{ state: ShardState; lastSequence: number }> {
  const state = new ShardState(config, { stored: store, loadPart: (...key) => store.loadPart(...key) });
  const checkpoint = new Checkpoint(state, store, STEP);
  // What is written here must not pass the consumers by.
  checkpoint.outbox = openOutbox(store, null);
  let { lastSequence } = recover(state, store, checkpoint);
  if (change !== undefined) {
    // A record of its own, which does nothing: the tables must not stand for more than the log holds.
    store.journal.append(++lastSequence, controlRecord({ kind: 'tick', nowMs: 0, slices: [] }));
    await store.journal.commit();
    change(state, lastSequence);
  }
  while (checkpoint.isDue) {
    checkpoint.begin(lastSequence, STEP.pagesPerStepMax);
    await store.commit();
    checkpoint.done();
  }
  return { state, lastSequence };
}
