import { AlertBook } from '../../src/actors/alerts/alert-book.ts';
import type { AlertChange } from '../../src/actors/alerts/alert-change.ts';
import { GroupBook } from '../../src/actors/alerts/groups.ts';
import { alertRulesSchema, type AlertRules } from '../../src/actors/alerts/rules.ts';
import type { ClearedSignal, RaisedSignal, Signal } from '../../src/actors/alerts/signal.ts';
import { newContactSchema } from '../../src/actors/people/contact-rules.ts';
import { PeopleDirectory } from '../../src/actors/people/people-directory.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Notice } from '../../src/model/notice.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { cleared, raised } from './alert-signals.ts';

/** A day on which nothing happens to clocks. */
export const START_MS = Date.parse('2026-06-01T12:00:00Z');

export function rulesOf(document: object = {}): AlertRules {
  return alertRulesSchema.parse({ rules: [], routes: [{ name: 'all' }], ...document });
}

/** Contacts by these ids, which are their names too. */
export function peopleOf(store: MemoryStore, ids: readonly string[]): PeopleDirectory {
  const people = new PeopleDirectory(store);
  people.load();
  for (const id of ids) people.makeContact(newContactSchema.parse({ name: id }), START_MS, () => id);
  return people;
}

/** An alert book and its groups over one store, with a clock of their own and restarts between any two steps. */
export class GroupWorld {
  nowMs = START_MS;
  rules: AlertRules;
  store = new MemoryStore();
  people: PeopleDirectory;
  book!: AlertBook;
  groups!: GroupBook;
  /** All that were made durable. */
  readonly notices: Notice[] = [];

  constructor(document: object = {}, contacts: readonly string[] = []) {
    this.rules = rulesOf(document);
    this.people = peopleOf(this.store, contacts);
    this.open();
  }

  raise(meterId: string, of: Partial<RaisedSignal> = {}): Promise<void> {
    return this.signal(raised({ meterId, ...of }));
  }

  clear(meterId: string, of: Partial<ClearedSignal> = {}): Promise<void> {
    return this.signal(cleared({ meterId, ...of }));
  }

  async signal(...signals: Signal[]): Promise<void> {
    await this.change(signals.flatMap((signal) => this.book.apply(signal, this.nowMs)));
  }

  async change(changes: AlertChange[]): Promise<void> {
    this.groups.apply(changes, this.nowMs);
    await this.commit();
  }

  alertOf(meterId: string): Alert {
    const found = [...this.book.active()].find((alert) => alert.meterId === meterId);
    if (found === undefined) throw new Error(`no alert of ${meterId} is active`);
    return found;
  }

  acknowledge(meterId: string): Promise<void> {
    return this.change(this.book.acknowledge(this.alertOf(meterId).id, null, 'ada', null, this.nowMs).changes);
  }

  /** Time goes on by `ms`, and everything happens when it is due. Gives the notices that were made. */
  async pass(ms: number): Promise<Notice[]> {
    const from = this.notices.length;
    const endMs = this.nowMs + ms;
    for (;;) {
      const dueMs = Math.max(this.nowMs, Math.min(this.groups.nextDueMs(), this.book.nextDueMs()));
      if (dueMs > endMs) break;
      this.nowMs = dueMs;
      await this.tick();
    }
    this.nowMs = endMs;
    return this.notices.slice(from);
  }

  async tick(): Promise<void> {
    this.groups.apply(this.book.tick(this.nowMs), this.nowMs);
    this.groups.tick(this.nowMs);
    await this.commit();
  }

  async setRules(document: object): Promise<void> {
    this.rules = rulesOf(document);
    this.groups.apply(this.book.setRules(this.rules, this.nowMs), this.nowMs);
    this.groups.setRules(this.rules, this.nowMs);
    await this.commit();
  }

  /** The process dies and another takes up what is on disk. */
  restart(): void {
    this.store = this.store.crash();
    this.people = new PeopleDirectory(this.store);
    this.people.load();
    this.open();
  }

  private open(): void {
    this.book = new AlertBook(this.rules, this.store, { outbox: { consumers: [], generation: 'g' } });
    this.book.load();
    this.groups = new GroupBook(this.rules, { store: this.store, alerts: this.book, people: this.people });
    this.groups.load(this.nowMs);
  }

  private async commit(): Promise<void> {
    this.people.flush();
    const notices = this.groups.flush();
    this.book.flush();
    await this.store.commit();
    this.notices.push(...notices.map(({ record }) => record));
  }
}
