import { RegistryActor, type RegistryModules } from '../actors/registry/actor.ts';
import type { ImportOptions, ImportRow, MeterPatch, MeterPut, RegistryQuery, RowOutcome } from '../actors/registry/protocol.ts';
import type { RegistryPort } from '../http/registry-port.ts';
import type { MeterId } from '../model/ids.ts';
import type { Page } from '../model/queries.ts';
import type { RegisteredMeter } from '../model/registered-meter.ts';
import type { TimerHandle } from '../runtime/clock.ts';
import { openRegistryStore, registryDirectory } from './open-registry-store.ts';

/** The registry of meters on the main thread: the store stays open; the actor over it is made anew when a commit failed, as after a full disk. What is on disk is read meanwhile. */

const RESTART_MS = 1_000;

export type EngineRegistryModules = Omit<RegistryModules, 'onFailure'>;

/** Opens the store in the data directory, or makes it. Rejects with OperationalError `corrupt`, `format`, `storage_full`, `storage_failed`. */
export async function startRegistry(dataDir: string, modules: Omit<EngineRegistryModules, 'store'>): Promise<EngineRegistry> {
  return new EngineRegistry({ ...modules, store: await openRegistryStore(registryDirectory(dataDir)) });
}

export class EngineRegistry implements RegistryPort {
  private readonly modules: EngineRegistryModules;
  private actor: RegistryActor;
  private restart: TimerHandle | null = null;
  private isStopped = false;

  /** `store` is the registry's from now on, and closed by `stop`. */
  constructor(modules: EngineRegistryModules) {
    this.modules = modules;
    this.actor = this.startActor();
  }

  async meter(meterId: MeterId): Promise<RegisteredMeter | null> {
    return this.actor.meter(meterId);
  }

  async page(query: RegistryQuery): Promise<Page<RegisteredMeter>> {
    return this.actor.page(query);
  }

  put(put: MeterPut): Promise<RegisteredMeter> {
    return this.actor.put(put);
  }

  change(patch: MeterPatch): Promise<RegisteredMeter> {
    return this.actor.change(patch);
  }

  remove(meterId: MeterId, version: number | null): Promise<void> {
    return this.actor.remove(meterId, version);
  }

  importRows(rows: Iterable<ImportRow>, options: ImportOptions): Promise<RowOutcome[]> {
    return this.actor.importRows(rows, options);
  }

  /** Writes what waits, and closes the store. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.restart?.cancel();
    await this.actor.stop();
    await this.modules.store.close();
  }

  private startActor(): RegistryActor {
    const actor = new RegistryActor({ ...this.modules, onFailure: () => this.restartSoon() });
    actor.start();
    return actor;
  }

  private restartSoon(): void {
    if (this.isStopped || this.restart !== null) return;
    this.restart = this.modules.timers.after(RESTART_MS, () => {
      this.restart = null;
      this.actor = this.startActor();
      this.modules.log.info({}, 'the registry of meters can be changed again');
    });
  }
}
