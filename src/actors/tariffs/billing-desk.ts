import type { Log } from '../../runtime/log.ts';
import type { EnergySource } from './energy-source.ts';
import type { TariffsState } from './tariffs-state.ts';

/** What work that takes more than a turn has: it reads and changes the books in turns of the supervisor, and thinks and waits between them. */
export interface BillingDesk {
  /**
   * Runs within a turn; resolves when what it changed is committed. What it gives must not be changed. Rejects with the OperationalError that `apply` throws, having changed nothing, or `unavailable` when the
   * supervisor has ended: then there is nothing more to do.
   */
  turn<T>(apply: (state: TariffsState, nowMs: number) => T): Promise<T>;
  energy: EnergySource;
  log: Log;
  /** Waits. Never resolves once the supervisor has ended. */
  pause(ms: number): Promise<void>;
  /** Lets others have the thread, and goes on at once where nobody waits. Never resolves once the supervisor has ended. */
  giveWay(): Promise<void>;
  readonly isEnded: boolean;
}
