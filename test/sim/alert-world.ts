import type { AlertAnswers, AlertQuestion, Observation } from '../../src/actors/alerts/protocol.ts';
import { alertRulesSchema } from '../../src/actors/alerts/rules.ts';
import type { NotificationAnswers, NotificationQuestion } from '../../src/actors/notifications/protocol.ts';
import type { KeptNotice } from '../../src/actors/notifications/delivery-store.ts';
import { AlertFeed } from '../../src/engine/alert-feed.ts';
import type { Alert, AlertDetail, AlertMatch } from '../../src/model/alert.ts';
import type { Delivery } from '../../src/model/notice.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import { MemoryStore, type CommitFailure } from '../../src/runtime/memory-store.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { meterName, regionName, SimGrid } from './alert-grid.ts';
import { AlertOracle } from './alert-oracle.ts';
import { PEOPLE, PREFERENCE_CHANGES, SCHEDULE } from './alert-people.ts';
import { METERS_PER_REGION, REGIONS, RULE_DOCUMENTS, type AlertPlan, type AlertStep } from './alert-plan.ts';
import { AlertProcess, NO_RULES_FILE, TOKEN_PREFIX } from './alert-process.ts';
import { SimProviders } from './alert-providers.ts';
import { largestCollection } from './collection-sizes.ts';
import { Random } from './random.ts';
import { SimThread, SimTime } from './sim-thread.ts';

/** One run of the real supervisors of alerts and notifications between a simulated grid, its real feed, simulated people and their providers. */

export interface AlertRunResult {
  seed: number;
  /** The first thing that was wrong; null when all went well. */
  problem: string | null;
  /** How often each step was taken. */
  counts: Record<string, number>;
  notices: number;
  messages: number;
  trace: string[];
}

const START_MS = Date.UTC(2026, 5, 3, 10, 0, 7);
const MINUTE_MS = 60_000;
const LATENESS_MS = 5_000;
/** Of a commit or an answer that takes longer the oracle hears: nobody can be told in time. */
const SLOW_COMMIT_MS = 1_000;
/** A thread that failed is started again after this. */
const RESTART_MS = 500;
/** From the end of all faults until everything stands as it has to: a dead region that was taken over (2 min), a load that is not known (15 min), and what waits for them. */
const STANDING_MS = 20 * MINUTE_MS;
/** From the end of all conditions until everybody has been told: limits of an hour, twice, and repetitions. */
const REST_MS_MAX = 6 * 60 * MINUTE_MS;
/** Entries of one collection of the supervisors when all is over: of each meter's and person's some. */
const COLLECTION_MAX = 200;
const UPTIME_LOOK_MS = 1_000;

export async function runAlertPlan(plan: AlertPlan, isTraced = false): Promise<AlertRunResult> {
  const world = new AlertWorld(plan, isTraced);
  let unhandled: unknown = null;
  const onRejection = (error: unknown): void => {
    unhandled ??= error;
  };
  process.on('unhandledRejection', onRejection);
  await world.run();
  process.off('unhandledRejection', onRejection);
  if (unhandled !== null) world.fail(`a rejection nobody handled: ${unhandled instanceof Error ? unhandled.stack : String(unhandled)}`);
  const { problem, counts, notices, messages, trace } = world;
  return { seed: plan.seed, problem, counts, notices, messages, trace };
}

class AlertWorld {
  readonly counts: Record<string, number> = {};
  readonly trace: string[] = [];
  problem: string | null = null;
  notices = 0;
  messages = 0;
  private readonly plan: AlertPlan;
  private readonly isTraced: boolean;
  private readonly time: SimTime;
  private readonly grid: SimGrid;
  private readonly oracle: AlertOracle;
  private readonly providers: SimProviders;
  private readonly failures: CommitFailure[] = [];
  private readonly slowCommits: number[] = [];
  private readonly silenceIds: string[] = [];
  private store: MemoryStore;
  private process: AlertProcess | null = null;
  private main!: SimThread;
  private feed!: AlertFeed;
  private epoch = 0;
  private answersToLose = 0;
  private offsetMs = 0;
  private ids = 0;
  private deeds = 0;
  private idsWanted: string[] = [];

  constructor(plan: AlertPlan, isTraced: boolean) {
    this.plan = plan;
    this.isTraced = isTraced;
    this.time = new SimTime(new VirtualTime(START_MS), new Random(plan.seed * 2 + 1));
    this.grid = new SimGrid(START_MS);
    this.oracle = new AlertOracle({ grid: this.grid, now: () => this.now(), fail: (problem) => this.fail(problem) });
    this.oracle.rules.push(alertRulesSchema.parse(RULE_DOCUMENTS[plan.options.rules]));
    this.providers = new SimProviders({
      time: this.time,
      sendMsMax: plan.options.sendMsMax,
      onHanded: (handed) => {
        this.messages++;
        this.say(() => `${handed.contactId} by ${handed.channel}: ${handed.noticeIds.join(', ')} (message ${handed.messageId}, ${handed.went ? 'goes' : 'does not go'})`);
        this.oracle.handedOver(handed);
      },
    });
    this.store = new MemoryStore(this.storeOptions());
  }

  async run(): Promise<void> {
    this.startMain();
    this.time.every(MINUTE_MS, () => this.feed.windowsChanged(this.grid.minute(this.now())));
    this.start();
    await this.settlePeople();
    for (const step of this.plan.steps) {
      if (this.problem !== null) break;
      this.counts[step.kind] = (this.counts[step.kind] ?? 0) + 1;
      this.say(() => JSON.stringify(step));
      await this.take(step);
    }
    if (this.problem === null) await this.converge();
    this.process?.die();
    this.main.kill({ kind: 'terminated' }, true);
  }

  fail(problem: string): void {
    this.problem ??= `at ${this.time.clock.monotonic()} ms: ${problem}`;
    this.say(() => `PROBLEM ${problem}`);
  }

  private say(line: () => string): void {
    if (this.isTraced) this.trace.push(`${this.time.clock.monotonic()} ${line()}`);
  }

  /** By the meters' clock. */
  private now(): number {
    return START_MS + Math.floor(this.time.clock.monotonic());
  }

  // Processes --------------------------------------------------------------------------------------------------------------

  private storeOptions(): ConstructorParameters<typeof MemoryStore>[0] {
    const takeCommit = (): Promise<void> => {
      const ms = this.slowCommits.shift() ?? this.time.random.int(0, this.plan.options.commitMsMax);
      return new Promise((resolve) =>
        this.time.after(ms, () => {
          if (ms > SLOW_COMMIT_MS) this.oracle.calmSince = this.now();
          resolve();
        }),
      );
    };
    return { takeCommit, failures: this.failures };
  }

  private startMain(): void {
    this.main = new SimThread('main', this.epoch, this.time);
    const { clock, timers } = this.main;
    this.feed = new AlertFeed({
      ...{ clock, timers, log: this.log(), latenessMs: LATENESS_MS },
      observe: (observation) => this.observe(observation),
      regions: () => this.grid.regionState(),
      areRegionsWhole: () => true,
      components: () => [...this.grid.components],
      episodes: async (query) => {
        await new Promise<void>((resolve) => timers.after(this.time.random.int(0, 20), resolve));
        return this.grid.page(query);
      },
    });
  }

  private async observe(observation: Observation): Promise<void> {
    if (this.process === null) throw new OperationalError('unavailable', 'the alerts are away', { retryable: true });
    await this.process.alerts.observe(observation);
    if (this.answersToLose === 0) return;
    this.answersToLose--;
    this.oracle.calmSince = this.now();
    throw new OperationalError('timeout', 'no answer came in time', { retryable: true });
  }

  private start(): void {
    const epoch = ++this.epoch;
    this.oracle.calmSince = this.now();
    const process = new AlertProcess(epoch, {
      ...{ time: this.time, store: this.store, rules: this.oracle.rules.at(-1)!, providers: this.providers, log: this.log() },
      newId: () => this.idsWanted.shift() ?? `id${++this.ids}`,
      askEpisode: async ({ meterId, kind, startedAt }) => {
        await new Promise<void>((resolve) => process.thread.timers.after(this.time.random.int(0, 100), resolve));
        return this.grid.find(meterId, kind, startedAt);
      },
      onChanges: (alerts) => {
        this.say(() => alerts.map(({ id, version, state, kind, rule, region, meterId, suppression, severity }) => `alert ${id} v${version} ${state} ${severity} ${rule} ${kind} ${region} ${meterId} ${suppression?.by ?? ''}`).join('; '));
        this.oracle.changed(alerts);
      },
      onNotices: (notices) => {
        this.notices += notices.length;
        this.say(() => notices.map(({ id, reason, level, recipients, subscribers, alerts }) => `notice ${id} ${reason} ${level} to ${recipients.join(',')}${subscribers ? ' and subscribers' : ''}: ${alerts.map((alert) => `${alert.id} ${alert.state}`).join(', ')}`).join('; '));
        this.oracle.told(notices);
      },
      onDelivery: (delivery) => {
        this.say(() => `delivery ${delivery.id} ${delivery.state}: ${delivery.receipts.at(-1)?.text}`);
        this.oracle.delivered(delivery);
      },
      onFailure: (error) => {
        if (!(error instanceof OperationalError) || error.code !== 'storage_full') this.fail(`a supervisor fails: ${error instanceof Error ? error.stack : String(error)}`);
        this.die(RESTART_MS, false);
      },
    });
    this.process = process;
    // Of a change whose answer never came this life knows whether it was made.
    for (const id of this.oracle.contactIds()) this.oracle.contactChanged(process.people.contact(id)!);
    void process.start().then((isUp) => {
      if (!isUp || this.process !== process) return;
      this.say(() => 'up');
      this.oracle.calmSince = this.now();
      this.feed.up();
    });
  }

  private die(downMs: number, isWhole: boolean): void {
    if (this.process === null) return;
    const underWay = this.time.random.chance(0.5) ? 'kept' : 'lost';
    this.say(() => `dies, commits under way are ${underWay}`);
    this.process.die();
    this.gone(this.store.crash(underWay, this.storeOptions()), downMs, isWhole);
  }

  private gone(store: MemoryStore, downMs: number, isWhole: boolean): void {
    this.process = null;
    this.store = store;
    this.feed.down();
    if (isWhole) {
      this.main.kill({ kind: 'terminated' }, true);
      this.startMain();
    }
    this.time.after(downMs, () => this.start());
  }

  private log(): Log {
    const line = (level: string) => (_fields: object, message: string) => this.say(() => `${level}: ${message}`);
    const log: Log = { debug() {}, info: line('info'), warn: line('warn'), error: line('error'), child: () => log };
    return log;
  }

  // Steps ------------------------------------------------------------------------------------------------------------------

  private async take(step: AlertStep): Promise<void> {
    switch (step.kind) {
      case 'wait':
        return this.time.advance(step.ms);
      case 'out':
        for (const [i, meter] of step.meters.entries()) this.time.after((i * step.spreadMs) / step.meters.length, () => this.report(this.grid.begin(meter, 'outage', 'WARN', this.now())));
        return this.time.advance(0);
      case 'back':
        for (const meter of step.meters) this.report(this.grid.end(meter, 'outage', this.now()));
        return;
      case 'odd':
        return this.report(this.grid.begin(step.meter, step.episode, step.severity, this.now()));
      case 'calm':
        for (const kind of ['spike', 'voltage_band'] as const) this.report(this.grid.end(step.meter, kind, this.now()));
        return;
      case 'load':
        this.grid.loads[step.region] = step.percent;
        return;
      case 'component':
        return this.grid.setComponent(step.component, step.isWell, this.now());
      case 'feedAgain':
        return this.feed.episodesMissed();
      case 'loseAnswers':
        this.answersToLose += step.answers;
        return;
      default:
        return this.takeCommand(step);
    }
  }

  private async takeCommand(step: Exclude<AlertStep, { kind: 'wait' | 'out' | 'back' | 'odd' | 'calm' | 'load' | 'component' | 'feedAgain' | 'loseAnswers' }>): Promise<void> {
    switch (step.kind) {
      case 'acknowledge':
      case 'resolve':
        return this.handle(step);
      case 'silence':
        return this.makeSilence(step);
      case 'endSilence':
        return this.endSilence(this.silenceIds.at(step.silence % Math.max(1, this.silenceIds.length)));
      case 'contact':
        return this.changeContact(`c${step.contact + 1}`, PREFERENCE_CHANGES[step.change]);
      case 'override': {
        const from = this.time.clock.now();
        return this.inform({ kind: 'override', scheduleId: 's1', version: null, override: { contactId: `c${step.contact + 1}`, from, to: from + step.lastsMs, by: 'ada', why: '' } }, () => {});
      }
      case 'unsubscribe':
        return this.inform({ kind: 'unsubscribe', token: `${TOKEN_PREFIX}c${step.contact + 1}` }, () => {}, `c${step.contact + 1}`);
      case 'rules':
        return this.changeRules(step.variant);
      default:
        return this.takeFault(step);
    }
  }

  private async takeFault(step: Extract<AlertStep, { kind: 'kill' | 'stop' | 'diskFull' | 'diskSlow' | 'provider' | 'lookupsFail' | 'clock' }>): Promise<void> {
    switch (step.kind) {
      case 'kill':
        return this.time.setFuse(step.afterEvents, () => this.die(step.downMs, step.isWhole));
      case 'stop':
        return this.stop(step.downMs);
      case 'diskFull':
        for (let i = 0; i < step.commits; i++) this.failures.push('storage_full');
        return;
      case 'diskSlow':
        for (let i = 0; i < step.commits; i++) this.slowCommits.push(step.ms);
        return;
      case 'provider': {
        const { channel, fault, retryAfterMs } = step;
        this.providers.faults.set(channel, Array.from({ length: step.calls }, () => ({ fault, retryAfterMs })));
        return;
      }
      case 'lookupsFail':
        this.providers.lookupsToFail += step.lookups;
        return;
      case 'clock':
        this.oracle.jumped = true;
        this.offsetMs += step.byMs;
        return this.time.jump(step.byMs);
    }
  }

  private report(anomaly: Anomaly | null): void {
    if (anomaly !== null) this.feed.episodeChanged(anomaly);
  }

  private async stop(downMs: number): Promise<void> {
    const { process } = this;
    if (process === null) return;
    let isStopped = false;
    this.feed.down();
    void process.stop().then(
      () => (isStopped = true),
      () => {},
    );
    for (let i = 0; i < 60 && !isStopped && this.process === process; i++) await this.time.advance(UPTIME_LOOK_MS);
    if (this.process !== process) return;
    if (!isStopped) this.fail('the supervisors do not stop');
    process.die();
    this.gone(this.store.crash('lost', this.storeOptions()), downMs, false);
  }

  private ask<K extends AlertQuestion['kind']>(question: Extract<AlertQuestion, { kind: K }>): Promise<AlertAnswers[K]> {
    return this.process === null ? Promise.reject(new OperationalError('unavailable', 'away', { retryable: true })) : (this.process.alerts.ask(question) as Promise<AlertAnswers[K]>);
  }

  private handle({ kind, alert: which, isExact }: Extract<AlertStep, { kind: 'acknowledge' | 'resolve' }>): void {
    const active = [...this.oracle.alerts.values()].filter(({ state }) => state !== 'resolved');
    if (active.length === 0 || this.process === null) return;
    const { id, version } = active[which % active.length];
    const by = `person-${++this.deeds}`;
    const deed = { kind: kind === 'acknowledge' ? ('acknowledged' as const) : ('resolved' as const), alertId: id, by };
    this.ask({ kind, id, version: isExact ? version : null, by, why: `because ${this.deeds}` }).then(
      (alert) => {
        this.say(() => `${by} has ${deed.kind} ${id}`);
        if (alert.state !== deed.kind) this.fail(`${id} was ${deed.kind} and is ${alert.state}`);
        this.oracle.did({ ...deed, isSure: true });
      },
      (error: unknown) => {
        if (codeOf(error) === 'unavailable') this.oracle.did({ ...deed, isSure: false });
        else if (codeOf(error) !== 'stale_version' && codeOf(error) !== 'wrong_state') this.fail(`${kind} of ${id}: ${String(error)}`);
      },
    );
    // One whose answer never comes is neither: who asks again is told what is so.
    this.oracle.did({ ...deed, isSure: false });
  }

  private makeSilence({ by, which, startsInMs, lastsMs }: Extract<AlertStep, { kind: 'silence' }>): void {
    const match: AlertMatch = { types: [], severities: [], rules: [], regions: [], meters: [], components: [] };
    if (by === 'region') match.regions = [regionName(which % REGIONS)];
    else if (by === 'rule') match.rules = [['outage', 'overload', 'dark', 'odd', 'engine'][which % 5]];
    else match.meters = [`${meterName(which % 2)}*`];
    const from = this.time.clock.now() + startsInMs;
    const silence = { kind: 'silence' as const, match, startsAt: from, endsAt: from + lastsMs, createdBy: 'ada', comment: '' };
    this.ask({ kind: 'makeSilence', silence }).then(
      ({ id }) => {
        this.silenceIds.push(id);
        this.oracle.silences.set(id, { id, match, from, to: from + lastsMs });
      },
      (error: unknown) => this.mayBeAway(error),
    );
  }

  private endSilence(id: string | undefined): void {
    if (id === undefined || this.process === null) return;
    this.oracle.silences.delete(id);
    this.ask({ kind: 'endSilence', id, version: null, by: 'ada', why: null }).catch((error: unknown) => this.mayBeAway(error));
  }

  private changeContact(id: string, change: object): void {
    const { name, zone, locale, addresses, preferences } = this.oracle.contact(id);
    const contact = { name, zone, locale, addresses, preferences: { ...preferences, ...change } };
    this.inform({ kind: 'changeContact', id, version: null, change: contact }, () => {}, id, contact);
  }

  /** `contactId`: somebody may be another from now on, whatever the answer. */
  private inform<K extends NotificationQuestion['kind']>(question: Extract<NotificationQuestion, { kind: K }>, done: (answer: NotificationAnswers[K]) => void, contactId?: string, change: object = {}): void {
    if (this.process === null) return;
    if (contactId !== undefined) this.oracle.contactChanged({ ...this.oracle.contact(contactId), ...change });
    const { process } = this;
    process.notifications.ask<K>(question).then(
      (answer) => {
        done(answer);
        if (contactId !== undefined) this.oracle.contactChanged(process.people.contact(contactId)!);
      },
      (error: unknown) => this.mayBeAway(error),
    );
  }

  private changeRules(variant: number): void {
    const rules = alertRulesSchema.parse(RULE_DOCUMENTS[variant]);
    this.oracle.rules.push(rules);
    // As from a file: a life that starts has it, this one is told.
    this.process?.alerts.setRules(rules, NO_RULES_FILE).catch((error: unknown) => this.mayBeAway(error));
  }

  private mayBeAway(error: unknown): void {
    if (!['unavailable', 'wrong_state', 'unknown_silence', 'bad_span', 'stale_version'].includes(codeOf(error))) this.fail(`a command fails: ${error instanceof Error ? error.stack : String(error)}`);
  }

  // Begin and end ----------------------------------------------------------------------------------------------------------

  private async settlePeople(): Promise<void> {
    this.idsWanted = [...PEOPLE.map((_, i) => `c${i + 1}`), 's1'];
    await this.time.advance(UPTIME_LOOK_MS * 2);
    for (const contact of PEOPLE) this.inform({ kind: 'makeContact', contact }, (made) => this.oracle.contactChanged(made));
    await this.time.advance(5_000);
    this.inform({ kind: 'makeSchedule', schedule: SCHEDULE }, () => {});
    await this.time.advance(5_000);
    if (this.oracle.contactIds().length !== PEOPLE.length) this.fail('people were not taken in');
  }

  private async converge(): Promise<void> {
    this.time.blowFuse();
    this.failures.length = 0;
    this.slowCommits.length = 0;
    this.answersToLose = 0;
    this.providers.heal();
    this.time.jump(-this.offsetMs);
    this.say(() => 'all faults are over');
    for (let i = 0; i < 180 && !(await this.isUp()); i++) await this.time.advance(UPTIME_LOOK_MS);
    if (!(await this.isUp())) return this.fail('the supervisors do not come up again');
    for (const id of this.silenceIds) this.endSilence(id);
    await this.time.advance(STANDING_MS);
    if (this.problem !== null) return;
    this.oracle.changed(await this.alerts(null));
    this.oracle.checkStanding(await this.active(), this.keptNotices());
    this.say(() => 'all conditions are over');
    this.calm();
    const untilMs = this.now() + REST_MS_MAX;
    let why = 'is not looked at';
    while (this.problem === null && why !== '' && this.now() < untilMs) {
      await this.time.advance(10 * MINUTE_MS);
      why = await this.unrest();
    }
    if (this.problem !== null) return;
    if (why !== '') return this.fail(`${REST_MS_MAX / MINUTE_MS} minutes after the last condition ${why}`);
    this.oracle.checkFinal({ alerts: await this.details(), deliveries: await this.deliveries(), notices: this.keptNotices() });
    const { path, size } = largestCollection({ alerts: this.process!.alerts, notifications: this.process!.notifications, feed: this.feed }, ['store', 'outages', 'silences']);
    if (size > COLLECTION_MAX) this.fail(`${path} has ${size} entries when all is over`);
  }

  private calm(): void {
    for (let meter = 0; meter < REGIONS * METERS_PER_REGION; meter++) for (const kind of ['outage', 'spike', 'voltage_band'] as const) this.report(this.grid.end(meter, kind, this.now()));
    this.grid.loads.fill(50);
    for (const [i] of this.grid.components.entries()) this.grid.setComponent(i, true, this.now());
  }

  private async isUp(): Promise<boolean> {
    return (await this.whileMoving(this.ask({ kind: 'alertStatistics', from: 0, to: 0 }).catch(() => null))) !== null;
  }

  /** What is not over; empty: nothing. */
  private async unrest(): Promise<string> {
    const active = await this.active();
    if (active.length > 0) return `${active[0].id} (${active[0].title}) is ${active[0].state}`;
    const { groups, episodes, standing, waiting } = this.process!.alerts.metrics();
    if (groups + episodes + standing + waiting > 0) return `there are ${groups} groups, ${episodes} episodes and ${standing} alerts`;
    const { open } = this.process!.notifications.figures();
    return open > 0 ? `${open} deliveries are not finished` : '';
  }

  /** Nothing is answered while time stands still. */
  private async whileMoving<T>(answer: Promise<T>): Promise<T> {
    let isThere = false;
    const told = answer.finally(() => (isThere = true));
    told.catch(() => {});
    for (let i = 0; i < 60 && !isThere; i++) await this.time.advance(UPTIME_LOOK_MS);
    if (!isThere) throw new Error('a question is not answered within a minute');
    return told;
  }

  private async alerts(state: 'active' | null): Promise<Alert[]> {
    const found: Alert[] = [];
    let cursor: string | null = null;
    do {
      const query = { state, type: null, severity: null, region: null, meterId: null, isSuppressed: null, from: 0, to: 1e13, limit: 1_000, cursor };
      const page: AlertAnswers['alerts'] = await this.whileMoving(this.ask({ kind: 'alerts', query }));
      found.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  }

  private active(): Promise<Alert[]> {
    return this.alerts('active');
  }

  private async details(): Promise<AlertDetail[]> {
    const details: AlertDetail[] = [];
    for (const { id } of await this.alerts(null)) details.push((await this.whileMoving(this.ask({ kind: 'alert', id })))!);
    return details;
  }

  private async deliveries(): Promise<Delivery[]> {
    const found: Delivery[] = [];
    let cursor: string | null = null;
    do {
      const query = { contactId: null, alertId: null, channel: null, state: null, from: 0, to: 1e13, limit: 1_000, cursor };
      const page: NotificationAnswers['deliveries'] = await this.whileMoving(this.process!.notifications.ask<'deliveries'>({ kind: 'deliveries', query }));
      found.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  }

  private keptNotices(): KeptNotice['notice'][] {
    const kept = [...new RecordTable<KeptNotice>(this.store, 'delivery-notices').range()].map(({ record }) => record.notice);
    return kept.filter(({ reason }) => reason !== 'test');
  }
}

function codeOf(error: unknown): string {
  return error instanceof OperationalError ? error.code : '';
}
