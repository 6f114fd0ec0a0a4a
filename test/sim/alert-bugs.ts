import { Episodes } from '../../src/actors/alerts/conditions/episodes.ts';
import { DarkRegions } from '../../src/actors/alerts/conditions/region-dark.ts';
import { GroupBook } from '../../src/actors/alerts/groups.ts';
import { GroupStore } from '../../src/actors/alerts/group-store.ts';
import { KeptBack } from '../../src/actors/alerts/kept-back.ts';
import { Occurrences } from '../../src/actors/alerts/occurrences.ts';
import { NotificationsActor } from '../../src/actors/notifications/actor.ts';
import { DeliveryStore } from '../../src/actors/notifications/delivery-store.ts';
import { NotificationsState } from '../../src/actors/notifications/notifications-state.ts';
import { replaced, type Inside, type PlantedBug } from './planted-bug.ts';

/** Mistakes that supervisors of alerts and notifications invite; see planted-bug.ts. */

export const ALERT_BUGS: readonly PlantedBug[] = [
  {
    name: 'hands a message over before its attempt is on disk',
    plant: () => replaced(DeliveryStore, 'put', (put) => function (record, isNew) {
      put.call(this, record.state === 'sending' ? { ...record, state: 'waiting', messageId: null, messageAt: null, attempts: 0 } : record, isNew);
    }),
  },
  {
    name: 'takes notices from their table in a commit before that of their deliveries',
    plant: () =>
      replaced(NotificationsActor, 'takeNotices', () => function (nowMs) {
        const held: Inside[] = this.held ?? [];
        for (const notice of held) this.state.take(notice, nowMs);
        this.held = [];
        for (const { key, record } of this.store.incoming.range({ limit: 200 })) {
          this.store.incoming.remove(key);
          this.held.push(record);
        }
        if (this.held.length > 0) this.isWoken = true;
      }),
  },
  {
    name: 'begins the wait of a group anew when it starts',
    plant: () => replaced(GroupBook, 'load', (load) => function (nowMs) {
      load.call(this, nowMs);
      for (const group of this.groups.values()) {
        group.record.changeDueAt = null;
        this.schedule(group, nowMs);
      }
    }),
  },
  {
    name: 'goes on escalating what somebody has acknowledged',
    plant: () => replaced(GroupBook, 'update', (update) => function (group, alert, nowMs) {
      update.call(this, group, alert.state === 'acknowledged' ? { ...alert, state: 'open' } : alert, nowMs);
    }),
  },
  {
    name: 'does not let go when a silence ends by itself',
    plant: () => replaced(KeptBack, 'touchSilenced', (touchSilenced) => function (turns) {
      touchSilenced.call(this, turns.slice(0, this.modules.silences.openCount() === 0 ? 0 : undefined));
    }),
  },
  {
    name: 'undoes what a person resolved when the episode is said again',
    plant: () => replaced(Occurrences, 'raised', (raised) => function (signal, changes) {
      const found = [...this.alerts.entries()].find(({ alert }) => alert.rule === signal.rule && alert.meterId === signal.meterId && alert.kind === signal.kind && alert.startedAt === signal.startedAt && alert.region === signal.region);
      if (found?.alert.state === 'resolved') this.edits.change(found, { state: 'open', resolved: null }, { what: 'recurred', text: 'again', deed: { at: this.nowMs, by: null, why: null } }, changes);
      raised.call(this, signal, changes);
    }),
  },
  {
    name: 'takes an unknown outcome for one that failed',
    plant: () => replaced(NotificationsState, 'ended', (ended) => function (attempt, outcome, nowMs) {
      ended.call(this, attempt, outcome.kind === 'unknown' ? { kind: 'retry', code: outcome.code, text: outcome.text, retryAfterMs: null, isProvider: true } : outcome, nowMs);
    }),
  },
  {
    name: 'does not remember after a restart which notices there were',
    plant: () => replaced(GroupStore, 'load', (load) => function () {
      const groups = load.call(this);
      for (const { record } of groups) record.notices = 0;
      return groups;
    }),
  },
  {
    name: 'tells of alerts that are kept back',
    plant: () => replaced(GroupBook, 'update', (update) => function (group, alert, nowMs) {
      update.call(this, group, { ...alert, suppression: null }, nowMs);
    }),
  },
  {
    name: 'forgets in a restart what was told of a group',
    plant: () => replaced(GroupStore, 'load', (load) => function () {
      return load.call(this).map(({ record }: Inside) => ({ record, members: [] }));
    }),
  },
  {
    name: 'ends the incident of a dark region when it starts, before it has heard of its meters',
    plant: () => replaced(DarkRegions, 'resume', (resume) => function (alert, nowMs, signals) {
      resume.call(this, alert, nowMs - 120_000, signals);
    }),
  },
  {
    name: 'raises what did not last',
    plant: () => replaced(Episodes, 'dueMs', () => (_episode: Inside, _rule: Inside, nowMs: number) => nowMs),
  },
];
