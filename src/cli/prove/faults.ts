import { cpSync, renameSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { damageWhatMayBeLost, damageWhatMustStay, directoryBytes } from './file-damage.ts';
import { SmallDisk } from './small-disk.ts';
import type { ProvenEngine } from './proven-engine.ts';
import type { SeededChance } from './seeded-chance.ts';

/** What `seg prove` does to an engine under load, one fault a round. */

export const FAULT_KINDS = [
  'kill',
  'kill-recovery',
  'kill-shutdown',
  'stop',
  'disk-full',
  'shard-throw',
  'shard-exit',
  'shard-spin',
  'ingest-throw',
  'ingest-exit',
  'ingest-spin',
  'lose-files',
  'damage-files',
  'threads',
  'clock',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Drawn again and again once every kind has had its turn; those that cost a second, not ten. */
const CHEAP_KINDS: readonly FaultKind[] = ['kill', 'kill', 'kill', 'kill-recovery', 'kill-recovery', 'kill-shutdown', 'stop', 'shard-throw', 'shard-exit', 'ingest-throw', 'ingest-exit', 'lose-files', 'damage-files', 'threads', 'clock'];
/** Every kind comes up at least once in so many rounds. */
const DECK_SIZE = 40;

/** A start is killed within this time: before it has read a file, while it reads its log, right after it is ready. */
const RECOVERY_MS_MAX = 1_500;
const SHUTDOWN_MS_MAX = 150;
/** A thread that spins is found out after 10 s of silence; one that crashes at once. */
const SPIN_NOTICED_MS_MAX = 15_000;
const CRASH_NOTICED_MS_MAX = 2_000;
const SHARDS_MAX = 3;
const INGEST_THREADS_MAX = 3;
/** Readings of now are at most 5 min early for a clock that is behind; more would be rejected, rightly. */
const CLOCK_OFFSET_MS = { min: -4 * 60_000, max: 20 * 60_000 };
const SMALL_DISK_SPARE_BYTES = 32 * 1024 * 1024;
/** A shard that finds the disk full says so with its next commit. */
const FULL_NOTICED_MS_MAX = 10_000;
const FULL_MS_MAX = 1_500;

/** Faults in the order of their rounds: all kinds first, in an order of chance, then decks with more of the cheap ones. */
export function* faultOrder(kinds: readonly FaultKind[], chance: SeededChance): Generator<FaultKind, never> {
  const cheap = CHEAP_KINDS.filter((kind) => kinds.includes(kind));
  for (let deckNumber = 0; ; deckNumber++) {
    const deck = chance.shuffle([...kinds]);
    yield* deck;
    if (cheap.length > 0) for (let i = deck.length; i < DECK_SIZE; i++) yield chance.oneOf(cheap);
  }
}

/** What a fault needs of the run. */
export interface FaultScene {
  engine: ProvenEngine;
  chance: SeededChance;
  /** Requests refused or unanswered so far. */
  refusals(): number;
  /** Leaves out of the unavailability what `seg prove` does itself, such as copying files. */
  offTheClock<T>(work: () => Promise<T>): Promise<T>;
  /** Holds all windows of the engine at `apiUrl` against the oracle; null when they are right, else what is not. */
  proveRight(apiUrl: string): Promise<string | null>;
}

/** What has happened, for the round's line; `unclear`: the engine neither refused in words nor was right. */
export interface Struck {
  detail: string;
  unclear?: string;
}

export function strike(kind: FaultKind, scene: FaultScene): Promise<Struck> {
  const { engine, chance } = scene;
  switch (kind) {
    case 'kill':
      return killed(scene);
    case 'kill-recovery':
      return killedInRecovery(scene);
    case 'kill-shutdown':
      return killedInShutdown(scene);
    case 'stop':
      return stopped(scene);
    case 'disk-full':
      return diskFull(scene);
    case 'shard-throw':
    case 'shard-exit':
    case 'shard-spin':
    case 'ingest-throw':
    case 'ingest-exit':
    case 'ingest-spin': {
      const [thread, fault] = kind.split('-');
      const count = thread === 'shard' ? engine.settings.shards : engine.settings.ingestThreads;
      return threadBroken(scene, `${thread}-${chance.whole(0, count - 1)}`, fault);
    }
    case 'lose-files':
      return filesLost(scene);
    case 'damage-files':
      return filesDamaged(scene);
    case 'threads':
      return threadsChanged(scene);
    case 'clock':
      return clockMoved(scene);
  }
}

async function killed({ engine }: FaultScene): Promise<Struck> {
  await engine.kill9();
  await engine.start();
  return { detail: 'kill -9' };
}

async function killedInRecovery({ engine, chance }: FaultScene): Promise<Struck> {
  await engine.kill9();
  // Half of the time the starts that are killed have meters to spread anew.
  if (chance.next() < 0.5) engine.settings.shards = chance.whole(1, SHARDS_MAX);
  const kills = chance.whole(1, 3);
  const afterMs: number[] = [];
  for (let i = 0; i < kills; i++) {
    engine.spawn();
    afterMs.push(chance.whole(0, RECOVERY_MS_MAX));
    await sleep(afterMs[i]);
    await engine.kill9();
  }
  await engine.start();
  return { detail: `kill -9, then starts with ${engine.settings.shards} shards killed after ${afterMs.join(', ')} ms` };
}

async function killedInShutdown({ engine, chance }: FaultScene): Promise<Struck> {
  engine.askToStop();
  const afterMs = chance.whole(0, SHUTDOWN_MS_MAX);
  await sleep(afterMs);
  await engine.kill9();
  await engine.start();
  return { detail: `kill -9 ${afterMs} ms after SIGTERM` };
}

async function stopped({ engine }: FaultScene): Promise<Struck> {
  const { code, signal } = await engine.stop();
  await engine.start();
  return { detail: 'SIGTERM', unclear: code === 0 ? undefined : `an orderly stop ended with ${signal ?? code}` };
}

/**
 * A thread with uWebSockets in it that hangs cannot be ended from outside: when the supervisor terminates it, uWebSockets ends the whole
 * process ("Returning from a request handler without responding"; uws-pack 20.0.8, Node 22.23). Nothing acknowledged is lost, and whoever runs the
 * engine as a service has it started again, as this does; so for this fault alone an end of the process is no trouble.
 */
async function threadBroken({ engine }: FaultScene, thread: string, fault: string): Promise<Struck> {
  const endsBefore = engine.unwantedEnds.length;
  await engine.fault({ thread, fault });
  // Until it is noticed the engine looks whole.
  await engine.becomesBroken(fault === 'spin' ? SPIN_NOTICED_MS_MAX : CRASH_NOTICED_MS_MAX);
  await engine.becomesWhole();
  const ended = fault === 'spin' && thread.startsWith('ingest') ? engine.unwantedEnds.splice(endsBefore).length : 0;
  return { detail: ended === 0 ? `${thread}: ${fault}` : `${thread}: ${fault}; THE PROCESS ENDED and was started again` };
}

async function filesLost({ engine, chance }: FaultScene): Promise<Struck> {
  await (chance.next() < 0.5 ? engine.kill9() : engine.stop());
  const detail = damageWhatMayBeLost(engine.settings.dataDir, chance);
  await engine.start();
  return { detail };
}

/** The damaged engine listens on another port, so that it acknowledges nothing that the copy would not have. */
async function filesDamaged(scene: FaultScene): Promise<Struck> {
  const { engine, chance } = scene;
  await (chance.next() < 0.5 ? engine.kill9() : engine.stop());
  return scene.offTheClock(async () => {
    const { dataDir } = engine.settings;
    const copy = `${dataDir}.copy`;
    cpSync(dataDir, copy, { recursive: true });
    const damage = damageWhatMustStay(dataDir, chance);
    const { outcome, unclear } = await engine.trial((apiUrl) => scene.proveRight(apiUrl));
    rmSync(dataDir, { recursive: true, force: true });
    renameSync(copy, dataDir);
    await engine.start();
    return { detail: `${damage}: ${outcome}`, unclear: unclear ? `${damage}: ${outcome}` : undefined };
  });
}

async function threadsChanged({ engine, chance }: FaultScene): Promise<Struck> {
  const how = chance.oneOf(['stop', 'kill -9'] as const);
  await (how === 'stop' ? engine.stop() : engine.kill9());
  const { shards, ingestThreads } = engine.settings;
  engine.settings.shards = chance.whole(1, SHARDS_MAX);
  engine.settings.ingestThreads = chance.whole(1, INGEST_THREADS_MAX);
  await engine.start();
  return { detail: `${how}; shards ${shards} → ${engine.settings.shards}, ingest threads ${ingestThreads} → ${engine.settings.ingestThreads}` };
}

async function clockMoved({ engine, chance }: FaultScene): Promise<Struck> {
  const clockOffsetMs = chance.whole(CLOCK_OFFSET_MS.min, CLOCK_OFFSET_MS.max);
  await engine.fault({ clockOffsetMs });
  await sleep(300);
  return { detail: `clocks ${(clockOffsetMs / 60_000).toFixed(1)} min from the system's` };
}

// A full disk ----------------------------------------------------------------------------------------------------------------

/** Moves the engine's data to a small disk, where `strike` can fill it. `back` moves it home. */
export async function moveToSmallDisk(engine: ProvenEngine, path: string): Promise<{ back(): Promise<void> } | null> {
  const home = engine.settings.dataDir;
  const disk = SmallDisk.mount(path, directoryBytes(home) * 1.5 + SMALL_DISK_SPARE_BYTES);
  if (disk === null) return null;
  await engine.stop();
  const data = `${disk.path}/data`;
  cpSync(home, data, { recursive: true });
  engine.settings.dataDir = data;
  engine.smallDisk = disk;
  await engine.start();
  return {
    async back() {
      await engine.stop();
      rmSync(home, { recursive: true, force: true });
      cpSync(data, home, { recursive: true });
      engine.settings.dataDir = home;
      engine.smallDisk = null;
      disk.unmount();
      await engine.start();
    },
  };
}

async function diskFull({ engine, chance, refusals }: FaultScene): Promise<Struck> {
  const disk = engine.smallDisk!;
  const before = refusals();
  const deadline = Date.now() + FULL_NOTICED_MS_MAX;
  disk.fill();
  while (refusals() === before && Date.now() < deadline) {
    await sleep(50);
    // The engine frees pages of its own; take those as well.
    disk.fill();
  }
  const noticed = refusals() > before;
  const forMs = chance.whole(100, FULL_MS_MAX);
  await sleep(forMs);
  disk.free();
  await engine.becomesWhole();
  return { detail: noticed ? `full for ${forMs} ms, refused meanwhile` : 'full, and the engine had room enough in its own files' };
}
