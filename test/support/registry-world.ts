import { RegistryActor } from '../../src/actors/registry/actor.ts';
import type { ImportOptions, RegistryQuery } from '../../src/actors/registry/protocol.ts';
import type { MeterId, RegionId } from '../../src/model/ids.ts';
import { changedFacts, type MeterChange, type MeterFacts, type RegisteredMeter } from '../../src/model/registered-meter.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

/** A real registry over a store in memory, in time that a test moves. */

export const START_MS = Date.UTC(2026, 10, 27, 12);
export const ALL: RegistryQuery = { regions: null, customerClass: null, status: null, text: null, limit: 100, cursor: null };
export const WRITE: ImportOptions = { by: 'Ada', isDryRun: false, takesNewRegions: false };

export const id = (text: string): MeterId => text as MeterId;
export const region = (text: string): RegionId => text as RegionId;

/** The facts of a meter in the north of which no more is known than what is given. */
export function facts(change: MeterChange = {}): MeterFacts {
  return { ...changedFacts(null, change), region: change.region ?? region('north') };
}

export class RegistryWorld {
  readonly time = new VirtualTime(START_MS);
  readonly regions = new Set(['north', 'south']);
  readonly failures: unknown[] = [];
  store = new MemoryStore();
  actor = this.startActor();

  /** The process dies, and another begins with what is on disk. */
  restart(underWay: 'lost' | 'kept' = 'kept'): void {
    this.store = this.store.crash(underWay);
    this.actor = this.startActor();
  }

  put(meterId: string, change: MeterChange = {}, version: number | null = null): Promise<RegisteredMeter> {
    return this.actor.put({ meterId: id(meterId), facts: facts(change), version, by: 'Ada', takesNewRegions: false });
  }

  change(meterId: string, change: MeterChange, version: number | null = null): Promise<RegisteredMeter> {
    return this.actor.change({ meterId: id(meterId), change, version, by: 'Bob' });
  }

  /** All pages of a list. */
  all(query: Partial<RegistryQuery> = {}): RegisteredMeter[] {
    const found: RegisteredMeter[] = [];
    let cursor: string | null = null;
    do {
      const page: { data: RegisteredMeter[]; nextCursor: string | null } = this.actor.page({ ...ALL, ...query, cursor });
      found.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  }

  private startActor(): RegistryActor {
    const { time, store } = this;
    const actor = new RegistryActor({ store, clock: time, timers: time, log: nullLog, regions: () => this.regions, onFailure: (error) => void this.failures.push(error) });
    actor.start();
    return actor;
  }
}

/** The code that something was refused with. */
export async function refusal(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'nothing',
    (error: { code?: string }) => error.code ?? String(error),
  );
}
