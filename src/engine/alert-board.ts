import type { Unsubscribe } from '../http/live-source.ts';
import { ALERTS_ACTIVE_MAX } from '../http/live-protocol.ts';
import type { Alert } from '../model/alert.ts';

/** Active alerts as the live stream shows them, kept on the main thread from what the alerts supervisor tells. */

/** Five times what is shown: so many have to end before older ones are missed. 1 MB. */
const KEPT_MAX = 5 * ALERTS_ACTIVE_MAX;

export class AlertBoard {
  private readonly active = new Map<string, Alert>();
  private readonly listeners = new Set<(changed: readonly Alert[]) => void>();
  private hasDropped = false;

  /** What is active is this, newest first: at the start, after the supervisor's restart, and when `isShort`. */
  replace(newest: readonly Alert[], isComplete: boolean): void {
    this.active.clear();
    this.hasDropped = !isComplete;
    this.note(newest);
  }

  /** Alerts that opened, changed or ended, whole. */
  note(changed: readonly Alert[]): void {
    for (const alert of changed) {
      if (alert.state === 'resolved') this.active.delete(alert.id);
      else this.active.set(alert.id, alert);
    }
    // Twice as many now and then, so that a storm is sorted once in a thousand alerts.
    if (this.active.size > 2 * KEPT_MAX) this.dropOldest();
    if (changed.length > 0) for (const fn of this.listeners) fn(changed);
  }

  /** Newest first. */
  newest(): Alert[] {
    return [...this.active.values()].sort(newestFirst).slice(0, ALERTS_ACTIVE_MAX);
  }

  /** True when there may be older ones that belong on the page by now: ask for them and `replace`. */
  get isShort(): boolean {
    return this.hasDropped && this.active.size < ALERTS_ACTIVE_MAX;
  }

  onAlerts(fn: (changed: readonly Alert[]) => void): Unsubscribe {
    this.listeners.add(fn);
    return () => this.listeners.delete(fn);
  }

  private dropOldest(): void {
    this.hasDropped = true;
    for (const { id } of [...this.active.values()].sort(newestFirst).slice(KEPT_MAX)) this.active.delete(id);
  }
}

function newestFirst(a: Alert, b: Alert): number {
  return b.openedAt - a.openedAt || (a.id < b.id ? 1 : -1);
}
