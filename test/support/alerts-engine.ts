import { AlertsActor, type AlertsModules } from '../../src/actors/alerts/actor.ts';
import type { EpisodeId } from '../../src/actors/alerts/conditions/episodes.ts';
import type { Observation } from '../../src/actors/alerts/protocol.ts';
import { DEFAULT_RULES, type AlertRules } from '../../src/actors/alerts/rules.ts';
import { PeopleDirectory } from '../../src/actors/people/people-directory.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { Notice } from '../../src/model/notice.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore, type MemoryStoreOptions } from '../../src/runtime/memory-store.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { START_MS } from './alert-groups.ts';

export const NOTHING: Observation = { anomalies: [], regionWindows: [], regions: null, components: null };

export function episodeOf(meterId: string, of: Partial<Anomaly> = {}): Anomaly {
  const startedAt = of.startedAt ?? START_MS - 60_000;
  const kind = of.kind ?? 'outage';
  return {
    id: `${meterId}/${kind}/${startedAt}`,
    meterId,
    region: 'north',
    kind,
    severity: 'WARN',
    startedAt,
    endedAt: null,
    endReason: null,
    value: 0,
    expected: 2,
    score: 9,
    message: 'It is silent.',
    ...of,
  };
}

/** An alerts actor with a clock of its own, over a store that outlives it. */
export class AlertsEngine {
  readonly time = new VirtualTime(START_MS);
  /** Commits take until a turn of the event loop ends, else only until what is ready has run: virtual time waits for no disk. */
  isDiskSlow = false;
  /** The wall clock has jumped by so much. */
  jumpedMs = 0;
  rules: AlertRules;
  store: MemoryStore;
  actor!: AlertsActor;
  /** What got out. */
  readonly changes: Alert[] = [];
  readonly notices: Notice[] = [];
  readonly failures: unknown[] = [];
  readonly asked: EpisodeId[] = [];
  /** What the shards have; a function that throws: they are away. */
  askEpisode: (episode: EpisodeId) => Anomaly | null = () => null;

  private constructor(rules: AlertRules, options: MemoryStoreOptions) {
    this.rules = rules;
    this.store = new MemoryStore({ takeCommit: () => this.takeCommit(), ...options });
  }

  static async start(rules: AlertRules = DEFAULT_RULES, options: MemoryStoreOptions = {}): Promise<AlertsEngine> {
    const engine = new AlertsEngine(rules, options);
    await engine.open();
    return engine;
  }

  observe(of: Partial<Observation>): Promise<void> {
    return this.actor.observe({ ...NOTHING, ...of });
  }

  async pass(ms: number): Promise<void> {
    await this.time.advanceSettled(ms);
    await this.time.advanceSettled(0);
  }

  /** The process dies; what it was committing is `lost` or `kept`. The next begins with what was on disk. */
  async restart(underWay: 'lost' | 'kept' = 'lost'): Promise<void> {
    this.store = this.store.crash(underWay, { takeCommit: () => this.takeCommit() });
    await this.open();
  }

  /** Rows of the table that notices wait in. */
  waitingNotices(): Notice[] {
    return [...new RecordTable<Notice>(this.store, 'notices').range()].map(({ record }) => record);
  }

  async active(): Promise<Alert[]> {
    const query = { state: 'active', type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: Number.MAX_SAFE_INTEGER, limit: 10_000, cursor: null } as const;
    return (await this.actor.ask({ kind: 'alerts', query })).data;
  }

  private takeCommit(): Promise<void> {
    return this.isDiskSlow ? new Promise((resolve) => setImmediate(resolve)) : Promise.resolve();
  }

  private open(): Promise<void> {
    const { store } = this;
    const people = new PeopleDirectory(store);
    people.load();
    // What a dead process would still say is heard by nobody.
    const ifAlive = <T>(say: (said: T) => void) => (said: T) => void (store === this.store && say(said));
    const modules: AlertsModules = {
      store,
      people,
      clock: { now: () => this.time.now() + this.jumpedMs, monotonic: () => this.time.monotonic() },
      timers: this.time,
      log: nullLog,
      askEpisode: async (episode) => {
        this.asked.push(episode);
        return this.askEpisode(episode);
      },
      onNotices: ifAlive((notices) => this.notices.push(...notices)),
      onChanges: ifAlive((alerts) => this.changes.push(...alerts)),
      onFailure: ifAlive((error) => this.failures.push(error)),
    };
    this.actor = new AlertsActor({ rules: this.rules, info: { file: null, loadedAt: START_MS, faults: [] }, outbox: { consumers: ['kafka'], generation: 'g' } }, modules);
    return this.actor.start();
  }
}
