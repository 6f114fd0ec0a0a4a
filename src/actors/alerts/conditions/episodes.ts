import type { Alert, AlertSubject, Decision } from '../../../model/alert.ts';
import type { Anomaly, AnomalyKind, Severity } from '../../../model/anomaly.ts';
import { ANOMALY_KINDS, SEVERITIES } from '../../../model/anomaly.ts';
import type { AlertRules } from '../rules.ts';
import type { Signal } from '../signal.ts';
import { AnomalyRule } from './anomaly-rule.ts';
import { COMPANY_WAIT_MS, type RegionJudgement } from './company.ts';
import { DueTimes, type Due } from './due-times.ts';
import { endText, episodeDescription, episodeTitle } from './episode-texts.ts';
import { durationText } from './figures.ts';

/**
 * Signals of meters' episodes, by the rules about anomalies.
 *
 * `for` counts from the episode's startedAt, or from when it was first seen where that is sooner (a meter whose clock is ahead). Nothing else is the
 * same after a restart, in which it was perhaps first seen for the second time. So the time in which an episode went unnoticed (a silence of some minutes) counts in.
 *
 * An episode is history for a rule when it began longer than historyAfter and the rule's `for` ago as it was first seen; without the second part, one that
 * waits for its time would be history after a restart.
 */

/**
 * Episodes that go on and are known, 550 bytes each (measured). Past it new ones are counted and raise nothing: twice what the alert book holds, so it is
 * reached only where about half of them meet no rule.
 */
export const EPISODES_MAX = 250_000;

interface Episode {
  meterId: string;
  kind: AnomalyKind;
  startedAt: number;
  region: string | null;
  /** As last observed; null while only its alert is known. */
  anomaly: Anomaly | null;
  /** When it was first seen, by the engine's clock. */
  knownAt: number;
  /** When it began to wait for others: as it was first seen, or as its region was no longer dark. */
  companyFrom: number;
  /** How old it was at least when it was first seen, ms, as far as history goes. */
  ageKnown: number;
  /** Names of rules that have raised a signal which they have not cleared. */
  raisedBy: readonly string[];
  waiting: readonly Waiting[];
  isOver: boolean;
  /** It was part of an incident of its region, and has had no alert of its own. */
  wasMember: boolean;
  /** Among those to be judged. */
  isTaken: boolean;
}

/** An episode to be judged: as it is, or (with `end`) for the last time. */
interface Taken {
  episode: Episode;
  /** `anomaly` null: it is not known how it ended. */
  end: { anomaly: Anomaly | null; reason: string } | null;
}

interface Waiting extends Due {
  episode: Episode;
  rule: AnomalyRule;
}

const KIND_NAMES = Object.fromEntries(ANOMALY_KINDS.map((kind) => [kind, kind])) as Record<AnomalyKind, AnomalyKind>;
const SEVERITY_NAMES = Object.fromEntries(SEVERITIES.map((severity) => [severity, severity])) as Record<Severity, Severity>;
const NONE: readonly never[] = [];

export interface EpisodeId {
  meterId: string;
  kind: AnomalyKind;
  startedAt: number;
}

export class Episodes {
  private readonly regions: RegionJudgement;
  /** Those that go on, by kind and meter: a meter has one of a kind at most. */
  private readonly open = new Map<AnomalyKind, Map<string, Episode>>(ANOMALY_KINDS.map((kind) => [kind, new Map()]));
  private rules: AnomalyRule[] = [];
  private rulesOfKind = new Map<AnomalyKind, AnomalyRule[]>();
  /** Rules that were in force before the last change as they are now. */
  private unchanged = new Set<AnomalyRule>();
  private historyAfterMs = Infinity;
  private readonly due = new DueTimes<Waiting>();
  private readonly unconfirmedOnes = new Set<Episode>();
  /** What was taken and not yet judged, in order. */
  private taken: Taken[] = [];
  /** One string for each region: what comes from another thread brings its own with every episode. */
  private readonly regionNames = new Map<string, string>();
  private count = 0;
  /** Episodes that were not taken because there were too many. */
  dropped = 0;

  constructor(regions: RegionJudgement) {
    this.regions = regions;
  }

  get nextDueMs(): number {
    return this.due.nextMs;
  }

  /** Of those that go on. */
  get size(): number {
    return this.count;
  }

  /** Rules in force from now on. Judge everything anew after it. */
  setRules({ rules, historyAfter }: AlertRules): void {
    const before = new Map(this.rules.map((rule) => [rule.text, rule]));
    this.rules = rules.filter((rule) => rule.condition === 'anomaly').map((rule) => before.get(JSON.stringify(rule)) ?? new AnomalyRule(rule));
    this.unchanged = new Set(this.rules.filter((rule) => before.has(rule.text)));
    this.rulesOfKind = new Map(ANOMALY_KINDS.map((kind) => [kind, this.rules.filter(({ rule }) => rule.enabled && rule.kinds.includes(kind))]));
    this.historyAfterMs = historyAfter;
  }

  /** Takes an active alert over, or clears it when no rule wants it any more. */
  resume({ meterId, rule, region, startedAt, ...alert }: Alert, nowMs: number, signals: Signal[]): void {
    const kind = alert.kind as AnomalyKind;
    if (meterId === null) return;
    let episode = this.open.get(kind)!.get(meterId);
    if (episode === undefined) {
      episode = this.begin({ meterId, kind, startedAt }, region, nowMs);
      this.unconfirmedOnes.add(episode);
    }
    if (episode.raisedBy.includes(rule)) return;
    episode.raisedBy = [...episode.raisedBy, rule];
    const reason = this.whyNotAnyMore(episode, rule);
    if (reason !== null) this.clear(episode, rule, reason, signals);
  }

  unconfirmed(): EpisodeId[] {
    return [...this.unconfirmedOnes].map(({ meterId, kind, startedAt }) => ({ meterId, kind, startedAt }));
  }

  /** Takes an episode in as it is now, to be judged by `judge`. */
  take(anomaly: Anomaly, nowMs: number): void {
    const known = this.open.get(anomaly.kind)!.get(anomaly.meterId);
    // What began before the meter's newest of the kind is over, whatever this says: it comes for the second time.
    if (known !== undefined && anomaly.startedAt < known.startedAt) return;
    if (known !== undefined && anomaly.startedAt > known.startedAt) this.end(known, null, 'The meter has had another episode of the kind since.');
    if (anomaly.endedAt !== null) {
      const ended = known?.startedAt === anomaly.startedAt ? known : this.passing(anomaly, nowMs);
      this.end(ended, anomaly, endText(anomaly));
      return;
    }
    const episode = known?.startedAt === anomaly.startedAt ? known : this.admitted(anomaly, nowMs);
    if (episode === null) return;
    this.unconfirmedOnes.delete(episode);
    if (episode.anomaly !== null && isSame(episode.anomaly, anomaly)) return;
    episode.region = this.nameOf(anomaly.region);
    episode.anomaly = kept(anomaly, episode.meterId, episode.region);
    this.toJudge(episode);
  }

  /** To be judged again: the region that the meter's outage was part of is no longer dark. Where more of it come back as one waits, so much the better. */
  takeOutage(meterId: string, nowMs: number): void {
    const episode = this.open.get('outage')!.get(meterId);
    if (episode === undefined) return;
    episode.companyFrom = nowMs;
    episode.wasMember = true;
    this.toJudge(episode);
  }

  /** Takes an episode as over of which nobody knows how it ended. */
  forget({ meterId, kind, startedAt }: EpisodeId): void {
    const known = this.open.get(kind)!.get(meterId);
    if (known?.startedAt === startedAt) this.end(known, null, 'The engine has no such episode any more.');
  }

  /** Nothing waits longer for it than it would have. */
  clockSetBack(nowMs: number): void {
    for (const waiting of this.due.takeAll()) {
      const { episode, rule } = waiting;
      episode.knownAt = Math.min(episode.knownAt, nowMs);
      episode.companyFrom = Math.min(episode.companyFrom, nowMs);
      waiting.dueMs = this.dueMs(episode, rule, nowMs);
      this.due.add(waiting);
    }
  }

  private toJudge(episode: Episode): void {
    if (episode.isTaken) return;
    episode.isTaken = true;
    this.taken.push({ episode, end: null });
  }

  /** Says what follows of all that was taken. */
  judge(nowMs: number, signals: Signal[]): void {
    for (const { episode, end } of this.taken) {
      episode.isTaken = false;
      if (end !== null) this.judgeEnd(episode, end, signals);
      else if (!episode.isOver) this.judgeOpen(episode, nowMs, signals);
    }
    this.taken = [];
  }

  tick(nowMs: number, signals: Signal[]): void {
    for (let waiting = this.due.take(nowMs); waiting !== null; waiting = this.due.take(nowMs)) {
      const { episode, rule } = waiting;
      episode.waiting = episode.waiting.filter((other) => other !== waiting);
      this.judgeRule(episode, rule, nowMs, signals);
    }
  }

  /** After a change of rules. */
  judgeAll(nowMs: number, signals: Signal[]): void {
    for (const episodes of this.open.values()) {
      for (const episode of episodes.values()) {
        this.clearUnmatched(episode, signals);
        for (const rule of this.rulesOfKind.get(episode.kind)!) {
          if (!this.unchanged.has(rule) || !episode.raisedBy.includes(rule.rule.name)) this.judgeRule(episode, rule, nowMs, signals);
        }
      }
    }
  }

  explain(anomaly: Anomaly, nowMs: number): Decision[] {
    const known = this.open.get(anomaly.kind)!.get(anomaly.meterId);
    const episode = known?.startedAt === anomaly.startedAt ? known : null;
    return this.rules.map((rule) => this.explainRule(rule, anomaly, episode, nowMs));
  }

  private nameOf(region: string): string {
    const known = this.regionNames.get(region);
    if (known === undefined) this.regionNames.set(region, region);
    return known ?? region;
  }

  private admitted(anomaly: Anomaly, nowMs: number): Episode | null {
    if (this.count >= EPISODES_MAX) {
      this.dropped++;
      return null;
    }
    return this.begin(anomaly, anomaly.region, nowMs);
  }

  private begin({ meterId, kind, startedAt }: EpisodeId, region: string | null, nowMs: number): Episode {
    const episode = this.newEpisode({ meterId, kind, startedAt }, region, nowMs);
    this.open.get(kind)!.set(meterId, episode);
    this.count++;
    return episode;
  }

  /** One that is over when it is first seen. */
  private passing(anomaly: Anomaly, nowMs: number): Episode {
    return this.newEpisode(anomaly, anomaly.region, nowMs);
  }

  private newEpisode({ meterId, kind, startedAt }: EpisodeId, region: string | null, nowMs: number): Episode {
    // What goes on in a dark region since its beginning is as old as the incident was young: it was seen then, perhaps before a restart.
    const darkSince = kind === 'outage' && region !== null ? this.regions.darkSince(region) : null;
    const ageKnown = Math.min(nowMs, darkSince ?? nowMs) - startedAt;
    return { meterId, kind: KIND_NAMES[kind], startedAt, region, anomaly: null, knownAt: nowMs, companyFrom: nowMs, ageKnown, raisedBy: NONE, waiting: NONE, isOver: false, wasMember: false, isTaken: false };
  }

  private end(episode: Episode, anomaly: Anomaly | null, reason: string): void {
    episode.wasMember ||= this.isMember(episode);
    this.remove(episode);
    episode.isOver = true;
    this.taken.push({ episode, end: { anomaly, reason } });
  }

  private remove(episode: Episode): void {
    if (this.open.get(episode.kind)!.get(episode.meterId) === episode) {
      this.open.get(episode.kind)!.delete(episode.meterId);
      this.count--;
    }
    this.unconfirmedOnes.delete(episode);
    for (const waiting of episode.waiting) this.due.remove(waiting);
    episode.waiting = NONE;
  }

  private judgeEnd(episode: Episode, { anomaly, reason }: NonNullable<Taken['end']>, signals: Signal[]): void {
    if (anomaly !== null && !episode.wasMember && !this.isMember(episode)) this.raisePassed(episode, anomaly, signals);
    for (const rule of episode.raisedBy) signals.push(clearedSignal(episode, rule, reason));
    episode.raisedBy = NONE;
  }

  /** By rules that it met before it ended, without anybody having looked. */
  private raisePassed(episode: Episode, ended: Anomaly, signals: Signal[]): void {
    const lastedMs = ended.endedAt! - ended.startedAt;
    for (const rule of this.rulesOfKind.get(episode.kind)!) {
      if (episode.raisedBy.includes(rule.rule.name) || lastedMs < rule.rule.for) continue;
      if (rule.mismatch(ended) === null && !this.isHistory(episode, rule)) this.raise(episode, rule, ended, signals);
    }
  }

  private judgeOpen(episode: Episode, nowMs: number, signals: Signal[]): void {
    for (const rule of this.rulesOfKind.get(episode.kind)!) this.judgeRule(episode, rule, nowMs, signals);
  }

  private judgeRule(episode: Episode, rule: AnomalyRule, nowMs: number, signals: Signal[]): void {
    const { anomaly } = episode;
    if (anomaly === null) return;
    if (episode.raisedBy.includes(rule.rule.name)) {
      const mismatch = rule.selectorMismatch(episode.kind, episode.meterId, anomaly.region);
      if (mismatch !== null) this.clear(episode, rule.rule.name, `Rule ${rule.rule.name} no longer matches: ${rule.mismatchText(mismatch, anomaly)}.`, signals);
      else signals.push(raisedSignal(rule, anomaly));
      return;
    }
    this.waitNoLonger(episode, rule);
    if (rule.mismatch(anomaly) !== null || this.isHistory(episode, rule)) return;
    if (this.isMember(episode)) {
      episode.wasMember = true;
      return;
    }
    const dueMs = this.dueMs(episode, rule, nowMs);
    if (dueMs <= nowMs) this.raise(episode, rule, anomaly, signals);
    else this.wait(episode, rule, dueMs);
  }

  private dueMs(episode: Episode, { rule }: AnomalyRule, nowMs: number): number {
    const durationMs = Math.min(episode.startedAt, episode.knownAt) + rule.for;
    return this.hasCompany(episode, nowMs) ? Math.max(durationMs, episode.companyFrom + COMPANY_WAIT_MS) : durationMs;
  }

  private hasCompany({ kind, region, wasMember }: Episode, nowMs: number): boolean {
    return kind === 'outage' && region !== null && (wasMember || this.regions.mayBecomeDark(region, nowMs));
  }

  private isHistory({ ageKnown }: Episode, { rule }: AnomalyRule): boolean {
    return ageKnown > this.historyAfterMs + rule.for;
  }

  /** Of an incident of its region. */
  private isMember({ kind, region, isOver }: Episode): boolean {
    if (kind !== 'outage' || region === null) return false;
    return this.regions.darkSince(region) !== null || (isOver && this.regions.wasDark(region));
  }

  private raise(episode: Episode, rule: AnomalyRule, anomaly: Anomaly, signals: Signal[]): void {
    episode.raisedBy = episode.raisedBy.length === 0 ? rule.alone : [...episode.raisedBy, rule.rule.name];
    signals.push(raisedSignal(rule, anomaly));
  }

  private clear(episode: Episode, rule: string, reason: string, signals: Signal[]): void {
    episode.raisedBy = episode.raisedBy.filter((name) => name !== rule);
    signals.push(clearedSignal(episode, rule, reason));
    // Of one that was known by its alert alone nothing is left to know.
    if (episode.anomaly === null && episode.raisedBy.length === 0) this.remove(episode);
  }

  private wait(episode: Episode, rule: AnomalyRule, dueMs: number): void {
    const waiting: Waiting = { dueMs, position: -1, episode, rule };
    episode.waiting = [...episode.waiting, waiting];
    this.due.add(waiting);
  }

  private waitNoLonger(episode: Episode, rule: AnomalyRule): void {
    const waiting = episode.waiting.find((one) => one.rule === rule);
    if (waiting === undefined) return;
    this.due.remove(waiting);
    episode.waiting = episode.waiting.filter((one) => one !== waiting);
  }

  /** Clears what rules have raised that are gone or that the episode no longer meets, and forgets who waits for old rules. */
  private clearUnmatched(episode: Episode, signals: Signal[]): void {
    for (const waiting of episode.waiting) this.due.remove(waiting);
    episode.waiting = NONE;
    for (const name of episode.raisedBy) {
      const reason = this.whyNotAnyMore(episode, name);
      if (reason !== null) this.clear(episode, name, reason, signals);
    }
  }

  private whyNotAnyMore({ kind, meterId, region, anomaly }: Episode, name: string): string | null {
    const rule = this.rules.find((one) => one.rule.name === name);
    if (rule === undefined) return `There is no rule ${name} any more.`;
    const mismatch = anomaly === null ? rule.selectorMismatch(kind, meterId, region) : rule.mismatch(anomaly);
    if (mismatch === null) return null;
    const facts = anomaly ?? { kind, meterId, region: region ?? '', severity: rule.rule.severityMin, score: rule.rule.scoreMin };
    return `Rule ${name} no longer matches: ${rule.mismatchText(mismatch, facts)}.`;
  }

  private explainRule(rule: AnomalyRule, anomaly: Anomaly, episode: Episode | null, nowMs: number): Decision {
    const { name } = rule.rule;
    const decide = (step: Decision['step'], outcome: Decision['outcome'], reason: string): Decision => ({ at: nowMs, step, outcome, reason: `Rule ${name}: ${reason}.`, contactId: null });
    if (episode?.raisedBy.includes(name)) return decide('rule', 'passed', 'it has raised an alert of this episode');
    const mismatch = rule.mismatch(anomaly);
    if (mismatch !== null) return decide('rule', 'stopped', rule.mismatchText(mismatch, anomaly));
    const judged = episode ?? this.passing(anomaly, nowMs);
    if (episode !== null && this.isHistory(episode, rule)) return decide('rule', 'stopped', `when it was first seen it had begun ${durationText(episode.ageKnown)} before, which is history`);
    if (anomaly.endedAt === null && this.isMember(judged)) return decide('rule', 'stopped', `${anomaly.region} is dark, and the outage is part of that incident`);
    const { for: forMs } = rule.rule;
    if (anomaly.endedAt !== null && anomaly.endedAt - anomaly.startedAt < forMs) {
      return decide('duration', 'stopped', `it ended after ${durationText(anomaly.endedAt - anomaly.startedAt)}, and the rule asks for ${durationText(forMs)}`);
    }
    const dueMs = this.dueMs(judged, rule, nowMs);
    if (anomaly.endedAt === null && dueMs > nowMs) {
      const why = dueMs > Math.min(judged.startedAt, judged.knownAt) + forMs ? `more of ${anomaly.region} may follow, which would be one incident` : `the rule asks for ${durationText(forMs)}`;
      return decide('duration', 'held', `it waits for another ${durationText(dueMs - nowMs)}, as ${why}`);
    }
    return decide('rule', 'passed', episode === null ? `it matches, unless the episode was older than ${durationText(this.historyAfterMs + forMs)} when it was first seen` : 'it matches');
  }
}

/** An episode to be kept, with strings that it shares with others. */
function kept({ id, kind, severity, startedAt, endedAt, endReason, value, expected, score, message }: Anomaly, meterId: string, region: string): Anomaly {
  return { id, meterId, region, kind: KIND_NAMES[kind], severity: SEVERITY_NAMES[severity], startedAt, endedAt, endReason, value, expected, score, message };
}

/** Of one episode: nothing that an alert shows has changed. */
function isSame(a: Anomaly, b: Anomaly): boolean {
  return a.severity === b.severity && a.score === b.score && a.value === b.value && a.expected === b.expected && a.region === b.region && a.message === b.message;
}

function subjectOf({ meterId, region }: { meterId: string; region: string | null }): AlertSubject {
  return { region, meterId, component: null };
}

function raisedSignal({ rule }: AnomalyRule, anomaly: Anomaly): Signal {
  return {
    state: 'raised',
    rule: rule.name,
    type: anomaly.kind === 'outage' ? 'METER_OUTAGE' : 'ANOMALY',
    kind: anomaly.kind,
    severity: rule.severity ?? anomaly.severity,
    startedAt: anomaly.startedAt,
    ...subjectOf(anomaly),
    title: episodeTitle(anomaly),
    description: episodeDescription(anomaly, rule.for),
    value: anomaly.value,
    threshold: null,
    unit: anomaly.kind === 'voltage_band' ? 'V' : 'kW',
    affectedMeters: 1,
  };
}

function clearedSignal(episode: Episode, rule: string, reason: string): Signal {
  return { state: 'cleared', rule, kind: episode.kind, startedAt: episode.startedAt, ...subjectOf(episode), reason };
}
