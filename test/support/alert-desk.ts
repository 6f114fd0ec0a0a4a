import { AlertBook } from '../../src/actors/alerts/alert-book.ts';
import type { AlertChange, CommandOutcome } from '../../src/actors/alerts/alert-change.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import type { RaisedSignal } from '../../src/actors/alerts/signal.ts';
import type { AlertsPort, SupervisorQuestion } from '../../src/http/alerts-port.ts';
import type { Alert, Decision } from '../../src/model/alert.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { cleared, raised } from './alert-signals.ts';
import type { FakeGrid } from './fake-grid.ts';

/** The real alert book behind the gateway, and a FakeGrid whose live stream is told of what it does. Of people only what was decided about them is there. */
export class AlertDesk implements AlertsPort {
  /** What the notifications supervisor decided, of any alert. */
  deliveryDecisions: Decision[] = [];
  private readonly grid: FakeGrid;
  private readonly store = new MemoryStore();
  private readonly book = new AlertBook(DEFAULT_RULES, this.store, { outbox: { consumers: [], generation: 'g' } });

  constructor(grid: FakeGrid) {
    this.grid = grid;
    this.book.load();
    grid.snapshot = { ...grid.snapshot, alerts: { state: 'up', problem: null, active: { bySeverity: { INFO: 0, WARN: 0, CRITICAL: 0 }, suppressed: 0 }, channels: [] } };
  }

  /** As the conditions would signal it; returns its alert. */
  raise(...signals: Partial<RaisedSignal>[]): Alert[] {
    const changes = signals.flatMap((signal) => this.book.apply(raised({ startedAt: Date.now() - 100_000, ...signal }), Date.now()));
    this.tell(changes);
    return changes.map(({ alert }) => alert);
  }

  clear({ rule, kind, region, meterId, component, startedAt }: Alert): void {
    this.tell(this.book.apply(cleared({ rule, kind, region, meterId, component, startedAt, reason: 'the power is back' }), Date.now()));
  }

  readonly ask: AlertsPort['ask'] = async (question) => {
    await this.store.commit();
    const answer = this.answer(question);
    await this.store.commit();
    return answer as never;
  };

  private answer(question: SupervisorQuestion): unknown {
    const { book } = this;
    const now = Date.now();
    switch (question.kind) {
      case 'alerts':
        return book.list(question.query);
      case 'alert':
        return book.detail(question.id);
      case 'acknowledge':
        return this.done(book.acknowledge(question.id, question.version, question.by, question.why, now));
      case 'resolve':
        return this.done(book.resolve(question.id, question.version, question.by, question.why, now));
      case 'makeSilence':
        return this.done(book.makeSilence(question.silence, now));
      case 'silence':
        return book.silence(question.id);
      case 'explainAlert':
        return book.explain(question.id);
      case 'explainDeliveries':
        return this.deliveryDecisions;
      default:
        throw new Error(`the desk knows nothing of ${question.kind}`);
    }
  }

  private done<T>({ answer, changes }: CommandOutcome<T>): T {
    this.tell(changes);
    return answer;
  }

  private tell(changes: readonly AlertChange[]): void {
    this.book.flush();
    // Commits of a store are one after another, so whoever waits for the next one has this one.
    void this.store.commit();
    this.grid.tellAlerts(...new Map(changes.map(({ alert }) => [alert.id, alert])).values());
  }
}
