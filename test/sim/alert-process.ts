import { AlertsActor } from '../../src/actors/alerts/actor.ts';
import type { RulesInfo } from '../../src/actors/alerts/alerts-state.ts';
import type { AlertRules } from '../../src/actors/alerts/rules.ts';
import { NotificationsActor, type RenderModule } from '../../src/actors/notifications/actor.ts';
import { PeopleDirectory } from '../../src/actors/people/people-directory.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { Delivery, Notice } from '../../src/model/notice.ts';
import type { Log } from '../../src/runtime/log.ts';
import type { MemoryStore } from '../../src/runtime/memory-store.ts';
import type { EpisodeId } from '../../src/actors/alerts/conditions/episodes.ts';
import type { SimProviders } from './alert-providers.ts';
import { SimThread, type SimTime } from './sim-thread.ts';

/** One life of the alerts' thread: the supervisors on one store, as src/engine/alert-thread.ts has them. */

export const NO_RULES_FILE: RulesInfo = { file: null, loadedAt: 0, faults: [] };
/** What a token says of itself; the real one is signed. */
export const TOKEN_PREFIX = 'email of ';
/** For messages under way when the thread stops, ms. */
const DRAIN_MS = 2_000;

export interface AlertProcessModules {
  time: SimTime;
  store: MemoryStore;
  rules: AlertRules;
  providers: SimProviders;
  newId(): string;
  askEpisode(episode: EpisodeId): Promise<Anomaly | null>;
  log: Log;
  onChanges(alerts: Alert[]): void;
  onNotices(notices: Notice[]): void;
  onDelivery(delivery: Delivery): void;
  onFailure(error: unknown): void;
}

export class AlertProcess {
  readonly thread: SimThread;
  readonly alerts: AlertsActor;
  readonly notifications: NotificationsActor;
  readonly people: PeopleDirectory;
  private readonly modules: AlertProcessModules;

  constructor(epoch: number, modules: AlertProcessModules) {
    this.modules = modules;
    const { time, store, rules, providers, newId, askEpisode, log } = modules;
    this.thread = new SimThread('alerts', epoch, time);
    const { clock, timers } = this.thread;
    const whileAlive = <T>(tell: (what: T) => void) => (what: T) => {
      if (this.thread.alive) tell(what);
    };
    const onFailure = whileAlive(modules.onFailure);
    const random = time.random.fork();
    this.people = new PeopleDirectory(store);
    this.people.load();
    this.notifications = new NotificationsActor(
      {},
      {
        ...{ store, people: this.people, channels: providers.channels(this.thread), render: RENDER, newId, clock, timers, random: () => random.next(), log, onFailure },
        readUnsubscribeToken: (token) => (token.startsWith(TOKEN_PREFIX) ? { contactId: token.slice(TOKEN_PREFIX.length), channel: 'email' } : null),
        onDelivery: whileAlive(modules.onDelivery),
      },
    );
    const onNotices = whileAlive((notices: Notice[]) => {
      modules.onNotices(notices);
      this.notifications.take();
    });
    this.alerts = new AlertsActor(
      { rules, info: NO_RULES_FILE, outbox: { consumers: [], generation: `g${epoch}` } },
      { store, people: this.people, clock, timers, log, askEpisode, onNotices, onChanges: whileAlive(modules.onChanges), onFailure },
    );
  }

  /** False: it did not live to be up. */
  async start(): Promise<boolean> {
    try {
      await this.alerts.start();
    } catch {
      // It has said so by onFailure.
      return false;
    }
    if (!this.thread.alive) return false;
    this.notifications.start();
    return true;
  }

  async stop(): Promise<void> {
    await this.alerts.stop();
    await this.notifications.stop(DRAIN_MS);
    await this.modules.store.close();
  }

  die(): void {
    this.thread.kill({ kind: 'terminated' }, true);
  }
}

const RENDER: RenderModule = {
  async render(notices, contact, channel, delivery) {
    return {
      ...{ subject: `${notices.length} by ${channel}`, text: '', html: null, pictures: [], deliveryId: delivery.id, attempt: delivery.attempts, collapseKey: delivery.group, severity: delivery.severity },
      ...{ reason: delivery.reason, addresses: contact.addresses, contactId: contact.id, link: null, unsubscribeLink: null, document: notices.map(({ id }) => id) },
    };
  },
};
