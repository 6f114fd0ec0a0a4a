/**
 * Mistakes made in the running code, one at a time: what a checker does not notice is a checker that is missing. They reach into private parts;
 * when one of those is renamed, planting fails loudly.
 */
export interface PlantedBug {
  name: string;
  /** Makes the mistake; gives what takes it back. */
  plant(): () => void;
}

// Private parts have no types from outside.
export type Inside = any;

/** Puts `make(original)` in the place of a method. */
export function replaced(owner: { prototype: object }, method: string, make: (original: (...args: Inside[]) => Inside) => (this: Inside, ...args: Inside[]) => Inside): () => void {
  const prototype = owner.prototype as Record<string, Inside>;
  const original = prototype[method];
  if (typeof original !== 'function') throw new Error(`there is no ${method} to plant a bug in`);
  const planted = make(original);
  prototype[method] = function (this: Inside, ...args: Inside[]) {
    try {
      return planted.apply(this, args);
    } catch (error) {
      if (isOfPlant(error)) brokenPlants.push(error);
      throw error;
    }
  };
  return () => {
    prototype[method] = original;
  };
}

/** What a plant itself stumbled over: a private part that is another by now. A crash would otherwise pass for a bug that was found. */
let brokenPlants: TypeError[] = [];
const OF_PLANTS = /^\s+at .*\/test\/sim\/[^\n]*/;

function isOfPlant(error: unknown): error is TypeError {
  return error instanceof TypeError && OF_PLANTS.test((error.stack ?? '').split('\n').find((line) => /^\s+at /.test(line)) ?? '');
}

/** Lets a getter give this and nothing else. */
export function replacedGetter(owner: { prototype: object }, name: string, value: unknown): () => void {
  const original = Object.getOwnPropertyDescriptor(owner.prototype, name);
  if (original?.get === undefined) throw new Error(`there is no getter ${name} to plant a bug in`);
  Object.defineProperty(owner.prototype, name, { configurable: true, get: () => value });
  return () => Object.defineProperty(owner.prototype, name, original);
}

export interface Finding {
  name: string;
  /** Seeds tried, those that failed, and which was the first; 0 when none did. */
  seeds: number;
  failed: number;
  first: number;
  problem: string;
}

/** How many seeds are tried, from 1 on. */
export interface SeedLimits {
  /** In any case. */
  seeds: number;
  /** When none of those finds the bug, until one does. */
  seedsMax: number;
}

/** Plants a bug, runs seed after seed, and takes it back. `run` gives what is wrong with a seed's run, if anything is. Throws when the plant itself is out of date. */
export async function lookFor({ name, plant }: PlantedBug, run: (seed: number) => Promise<{ problem: string | null }>, { seeds, seedsMax }: SeedLimits): Promise<Finding> {
  const finding: Finding = { name, seeds: 0, failed: 0, first: 0, problem: '' };
  brokenPlants = [];
  const takeBack = plant();
  // Some of them break promises of the runtime; what is rejected then belongs to the bug.
  const onRejection = (): void => {};
  process.on('unhandledRejection', onRejection);
  try {
    while (finding.seeds < seeds || (finding.failed === 0 && finding.seeds < seedsMax)) {
      const seed = ++finding.seeds;
      const { problem } = await run(seed);
      if (brokenPlants.length > 0) throw new Error(`planting "${name}" does not fit the code any more: ${brokenPlants[0].message}`, { cause: brokenPlants[0] });
      if (problem === null) continue;
      finding.failed++;
      if (finding.first !== 0) continue;
      finding.first = seed;
      finding.problem = problem;
    }
  } finally {
    takeBack();
    process.off('unhandledRejection', onRejection);
  }
  return finding;
}
