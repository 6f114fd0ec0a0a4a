import type { EngineProcess, ResidentMemory } from './engine-process.ts';

/** An engine's memory, looked at once a second while a load runs. */

const EVERY_MS = 1_000;

export class MemoryWatch {
  /** In order of time; at least one. */
  readonly samples: ResidentMemory[] = [];
  private readonly timer: NodeJS.Timeout;

  constructor(engine: EngineProcess) {
    const look = (): void => void this.samples.push(engine.memory());
    look();
    this.timer = setInterval(look, EVERY_MS);
  }

  end(): void {
    clearInterval(this.timer);
  }

  mean(): ResidentMemory {
    return this.each((values) => values.reduce((sum, value) => sum + value, 0) / values.length);
  }

  highest(): ResidentMemory {
    return this.each((values) => Math.max(...values));
  }

  private each(of: (values: number[]) => number): ResidentMemory {
    const figure = (name: keyof ResidentMemory): number => of(this.samples.map((sample) => sample[name]));
    return { rssMb: figure('rssMb'), anonMb: figure('anonMb'), fileMb: figure('fileMb') };
  }
}
