import { findPlantedBug } from './planted-bugs.ts';
import type { SeedWork } from './seed-processes.ts';
import { runSeeds } from './seeds.ts';

/** One of SeedProcesses: takes a piece of work, says what came of it, and ends when nobody is there to hear. */

process.on('message', (work: SeedWork) => {
  const result = work.kind === 'seeds' ? runSeeds(work.piece) : findPlantedBug(work.bug, work.steps);
  result.then(
    (found) => process.send!(found),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
