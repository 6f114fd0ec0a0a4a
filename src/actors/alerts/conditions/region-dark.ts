import type { Alert, Decision } from '../../../model/alert.ts';
import type { RegionNow } from '../../../model/queries.ts';
import type { AlertRules, RuleOf } from '../rules.ts';
import { patternMatcher } from '../selectors.ts';
import type { Signal } from '../signal.ts';
import { COMPANY_WAIT_MS, type RegionJudgement } from './company.ts';
import { counted, figure, wholeFigure } from './figures.ts';

/**
 * Signals of regions in which many meters are out at once: one incident instead of thousands of outages. Outages are counted by meter, as share of the meters that
 * the region has.
 *
 * The incident begins with the outage that made the rule met, by the meters' time: of the outages in order of their start the one with which there were enough. An older one,
 * of a meter that has been dead for a month, says nothing about it. It keeps that start for as long as it goes on, over restarts too.
 */

/** Meters that are out, over all regions: every meter of a fleet of a million, 100 bytes each. Past it outages are not counted. */
const OUTAGES_MAX = 1_000_000;
/** While a region is dark its figure is said so often at most, ms: people read it, and each saying is a new version of the alert. */
const TELLING_INTERVAL_MS = 1_000;
/**
 * An incident that was taken over ends for want of outages only after so long, ms, in which all shards were up: they have to tell first which outages go on.
 * A shard of a million meters tells within seconds of being up.
 */
const TAKEOVER_MS = 120_000;
/** So many outages of one region within COMPANY_WAIT_MS look as if more will follow: of single meters one comes in minutes. */
const COMPANY_MIN = 3;

type DarkRule = RuleOf<'region_dark'>;

interface Outage {
  region: string;
  startedAt: number;
}

interface Incident {
  rule: DarkRule;
  region: string;
  startedAt: number;
  /** Meters and time of the last saying. */
  toldMeters: number;
  toldAt: number;
  /** It was taken over, and fewer are known to be out than it needs to go on: over from then on; null otherwise. */
  doubtedUntil: number | null;
}

interface Span {
  startedAt: number;
  endedAt: number;
}

interface WatchingRule {
  rule: DarkRule;
  takes: (region: string | null) => boolean;
}

export class DarkRegions implements RegionJudgement {
  private rules: WatchingRule[] = [];
  private readonly outages = new Map<string, Outage>();
  private readonly outOf = new Map<string, Set<string>>();
  /** When the last COMPANY_MIN outages of each region were first seen, by the engine's clock, oldest first. */
  private readonly arrivals = new Map<string, number[]>();
  /** Meters that each region has. */
  private readonly meters = new Map<string, number>();
  /** By region, then name of the rule. */
  private readonly incidents = new Map<string, Map<string, Incident>>();
  /** Start of the last incident that is over, by rule and region: the next one is another. */
  private readonly lastStart = new Map<string, number>();
  /** Regions to be judged. */
  private readonly touched = new Set<string>();
  /** Outages that were over when they were judged. */
  private passed = new Map<string, Span[]>();
  /** Regions that were dark meanwhile, as these show. */
  private wereDark = new Set<string>();
  private areShardsUp = true;
  /** Outages that were not counted because there were too many. */
  dropped = 0;

  darkSince(region: string): number | null {
    const incidents = this.incidents.get(region);
    if (incidents === undefined) return null;
    let since = Infinity;
    for (const { startedAt } of incidents.values()) since = Math.min(since, startedAt);
    return since;
  }

  wasDark(region: string): boolean {
    return this.wereDark.has(region);
  }

  mayBecomeDark(region: string, nowMs: number): boolean {
    const arrivals = this.arrivals.get(region);
    if (arrivals === undefined || arrivals.length < COMPANY_MIN || nowMs - arrivals[0] > COMPANY_WAIT_MS) return false;
    return this.rules.some(({ rule, takes }) => rule.enabled && takes(region));
  }

  /** Meters of a dark region that are out; 0 of one that is not dark. */
  membersOf(region: string): number {
    return this.incidents.has(region) ? (this.outOf.get(region)?.size ?? 0) : 0;
  }

  /** The same by name, `limit` at most, in the order in which they were noticed. */
  memberMeters(region: string, limit: number): string[] {
    const members: string[] = [];
    if (!this.incidents.has(region)) return members;
    for (const meterId of this.metersOut(region)) {
      if (members.length >= limit) break;
      members.push(meterId);
    }
    return members;
  }

  metersOut(region: string): Iterable<string> {
    return this.outOf.get(region) ?? [];
  }

  /** Rules in force from now on; gives the regions that are no longer dark because of them. */
  setRules({ rules }: AlertRules, nowMs: number, signals: Signal[]): string[] {
    this.rules = rules.filter((rule) => rule.condition === 'region_dark').map((rule) => ({ rule, takes: patternMatcher(rule.regions) }));
    const calm: string[] = [];
    for (const incidents of [...this.incidents.values()]) {
      for (const incident of [...incidents.values()]) {
        const reason = this.whyNotAnyMore(incident);
        if (reason !== null) {
          this.end(incident, reason, signals, calm);
        } else {
          incident.rule = this.ruleOf(incident.rule.name)!.rule;
          incident.toldMeters = NaN;
        }
      }
    }
    for (const region of this.outOf.keys()) this.touched.add(region);
    calm.push(...this.judge(nowMs, signals));
    return calm;
  }

  resume({ rule, region, startedAt, affectedMeters }: Alert, nowMs: number, signals: Signal[]): void {
    if (region === null) return;
    const watching = this.ruleOf(rule);
    if (watching === undefined) {
      signals.push(clearedSignal(rule, region, startedAt, `There is no rule ${rule} any more.`));
      return;
    }
    if (this.incidents.get(region)?.has(rule) === true) return;
    const incident = { rule: watching.rule, region, startedAt, toldMeters: affectedMeters, toldAt: -Infinity, doubtedUntil: nowMs + TAKEOVER_MS };
    this.put(incident);
    const reason = this.whyNotAnyMore(incident);
    if (reason !== null) this.end(incident, reason, signals, []);
  }

  /** An outage that goes on. */
  out(meterId: string, region: string, startedAt: number, nowMs: number): void {
    const known = this.outages.get(meterId);
    if (known !== undefined && known.startedAt > startedAt) return;
    if (known === undefined && this.outages.size >= OUTAGES_MAX) {
      this.dropped++;
      return;
    }
    if (known !== undefined && known.region !== region) this.takeOut(meterId, known.region);
    this.outages.set(meterId, { region, startedAt });
    let meters = this.outOf.get(region);
    if (meters === undefined) this.outOf.set(region, (meters = new Set()));
    if (!meters.has(meterId)) this.noteArrival(region, nowMs);
    meters.add(meterId);
    this.touched.add(region);
  }

  /** An outage is over. */
  back(meterId: string, region: string, startedAt: number, endedAt: number): void {
    const known = this.outages.get(meterId);
    if (known !== undefined && known.startedAt > startedAt) return;
    if (known !== undefined) {
      this.outages.delete(meterId);
      this.takeOut(meterId, known.region);
    }
    const passed = this.passed.get(region);
    if (passed === undefined) this.passed.set(region, [{ startedAt, endedAt }]);
    else passed.push({ startedAt, endedAt });
  }

  /** All regions. While a shard is away its meters are missing from them, and a share of what is left would be too large: then figures only rise. */
  observeRegions(regions: readonly RegionNow[]): void {
    for (const { region, meters } of regions) {
      this.meters.set(region, this.areShardsUp ? meters : Math.max(meters, this.meters.get(region) ?? 0));
      if (this.outOf.has(region)) this.touched.add(region);
    }
  }

  observeShards(areUp: boolean, nowMs: number): void {
    this.areShardsUp = areUp;
    if (areUp) return;
    for (const incident of this.all()) {
      if (incident.doubtedUntil !== null) incident.doubtedUntil = nowMs + TAKEOVER_MS;
    }
  }

  /** Judges the regions in which something changed, and those of which something is due. Gives the ones that were dark and are not any more. */
  judge(nowMs: number, signals: Signal[]): string[] {
    const calm: string[] = [];
    for (const region of this.touched) this.judgeCalm(region, nowMs, signals);
    this.wereDark = new Set();
    for (const [region, spans] of this.passed) this.judgePassed(region, spans, signals);
    this.passed = new Map();
    for (const incident of [...this.all()]) this.judgeIncident(incident, nowMs, signals, calm);
    this.touched.clear();
    return calm;
  }

  nextDueMs(): number {
    let next = Infinity;
    for (const incident of this.all()) {
      if (incident.doubtedUntil !== null) next = Math.min(next, incident.doubtedUntil);
      if (incident.toldMeters !== this.countOut(incident.region) && incident.doubtedUntil === null) next = Math.min(next, incident.toldAt + TELLING_INTERVAL_MS);
    }
    return next;
  }

  /** What the rules for whole regions make of an outage in it. */
  explain(region: string, nowMs: number): Decision[] {
    const out = this.countOut(region);
    return this.rules.map(({ rule, takes }) => {
      const decide = (outcome: Decision['outcome'], reason: string): Decision => ({ at: nowMs, step: 'rule', outcome, reason: `Rule ${rule.name}: ${reason}.`, contactId: null });
      if (!rule.enabled) return decide('stopped', 'it is switched off');
      if (!takes(region)) return decide('stopped', `it watches regions ${rule.regions.join(', ')}, and the meter is in ${region}`);
      const figures = `${wholeFigure(out)} of ${this.metersText(region)} of ${region} ${out === 1 ? 'is' : 'are'} out`;
      if (this.incidents.get(region)?.has(rule.name) === true) return decide('passed', `${figures}, which is an incident of its own`);
      return decide('stopped', `${figures}, and it asks for ${wholeFigure(this.needed(rule, region))}`);
    });
  }

  private metersText(region: string): string {
    const meters = this.meters.get(region);
    return meters === undefined ? 'an unknown number of meters' : counted(meters, 'meter');
  }

  private judgeCalm(region: string, nowMs: number, signals: Signal[]): void {
    const out = this.countOut(region);
    for (const { rule, takes } of this.rules) {
      if (!rule.enabled || this.incidents.get(region)?.has(rule.name) === true || !takes(region)) continue;
      if (!this.meters.has(region)) continue;
      const needed = this.needed(rule, region);
      if (out < needed) continue;
      const startedAt = this.newStart(rule.name, region, this.startOf(region, needed));
      const incident = { rule, region, startedAt, toldMeters: out, toldAt: nowMs, doubtedUntil: null };
      this.put(incident);
      signals.push(this.raisedSignal(incident));
    }
  }

  /** An incident that began and ended between two looks. */
  private judgePassed(region: string, passed: readonly Span[], signals: Signal[]): void {
    if (this.incidents.has(region) || !this.meters.has(region)) return;
    for (const { rule, takes } of this.rules) {
      const needed = this.needed(rule, region);
      if (!rule.enabled || !takes(region) || passed.length + this.countOut(region) < needed) continue;
      const open = Array.from(this.metersOut(region), (meterId) => ({ startedAt: this.outages.get(meterId)!.startedAt, endedAt: Infinity }));
      const { most, metAt } = mostAtOnce([...passed, ...open], needed);
      if (metAt === null) continue;
      this.wereDark.add(region);
      const startedAt = this.newStart(rule.name, region, metAt);
      this.lastStart.set(incidentKey(rule.name, region), startedAt);
      signals.push(this.raisedSignal({ rule, region, startedAt, toldMeters: most }));
      signals.push(clearedSignal(rule.name, region, startedAt, 'It was over before it was noticed.'));
    }
  }

  private judgeIncident(incident: Incident, nowMs: number, signals: Signal[], calm: string[]): void {
    const out = this.countOut(incident.region);
    const isOver = out === 0 || (this.meters.has(incident.region) && this.share(incident.region, out) < incident.rule.clearBelowPercent);
    if (!isOver && this.meters.has(incident.region)) incident.doubtedUntil = null;
    if (incident.doubtedUntil !== null) {
      // The second is for a clock that was set back.
      incident.doubtedUntil = Math.min(incident.doubtedUntil, nowMs + TAKEOVER_MS);
      if (nowMs < incident.doubtedUntil) return;
      incident.doubtedUntil = null;
    }
    if (isOver) {
      this.end(incident, out === 0 ? 'No meter of the region is out any more.' : `${counted(out, 'meter')} of the region ${out === 1 ? 'is' : 'are'} still out, below ${figure(incident.rule.clearBelowPercent)} %.`, signals, calm);
      return;
    }
    // A clock that was set back must not keep the figure back.
    const sinceMs = nowMs - incident.toldAt;
    if (out === incident.toldMeters || (sinceMs >= 0 && sinceMs < TELLING_INTERVAL_MS)) return;
    incident.toldMeters = out;
    incident.toldAt = nowMs;
    signals.push(this.raisedSignal(incident));
  }

  private end(incident: Incident, reason: string, signals: Signal[], calm: string[]): void {
    const { rule, region, startedAt } = incident;
    const incidents = this.incidents.get(region)!;
    incidents.delete(rule.name);
    if (incidents.size === 0) {
      this.incidents.delete(region);
      calm.push(region);
    }
    this.lastStart.set(incidentKey(rule.name, region), startedAt);
    signals.push(clearedSignal(rule.name, region, startedAt, reason));
  }

  private put(incident: Incident): void {
    const incidents = this.incidents.get(incident.region);
    if (incidents === undefined) this.incidents.set(incident.region, new Map([[incident.rule.name, incident]]));
    else incidents.set(incident.rule.name, incident);
  }

  private *all(): Generator<Incident> {
    for (const incidents of this.incidents.values()) yield* incidents.values();
  }

  private noteArrival(region: string, nowMs: number): void {
    const arrivals = this.arrivals.get(region);
    if (arrivals === undefined) this.arrivals.set(region, [nowMs]);
    else if (arrivals.push(nowMs) > COMPANY_MIN) arrivals.shift();
  }

  private takeOut(meterId: string, region: string): void {
    const meters = this.outOf.get(region)!;
    meters.delete(meterId);
    if (meters.size === 0) this.outOf.delete(region);
    this.touched.add(region);
  }

  private countOut(region: string): number {
    return this.outOf.get(region)?.size ?? 0;
  }

  /** Percent; 100 where more are out than the region is known to have, or nobody has said how many it has. */
  private share(region: string, out: number): number {
    const meters = this.meters.get(region) ?? 0;
    return out >= meters ? 100 : (100 * out) / meters;
  }

  /** Outages with which the rule is met. */
  private needed({ metersMin, sharePercent }: DarkRule, region: string): number {
    return Math.max(metersMin, Math.ceil(((this.meters.get(region) ?? 0) * sharePercent) / 100));
  }

  /** Start of the outage with which `needed` meters were out. */
  private startOf(region: string, needed: number): number {
    const starts = new Float64Array(this.countOut(region));
    let at = 0;
    for (const meterId of this.metersOut(region)) starts[at++] = this.outages.get(meterId)!.startedAt;
    return starts.sort()[needed - 1];
  }

  /** Another incident has another start, even where meters that were in the last one are still out. */
  private newStart(rule: string, region: string, startedAt: number): number {
    return Math.max(startedAt, (this.lastStart.get(incidentKey(rule, region)) ?? -Infinity) + 1);
  }

  private ruleOf(name: string): WatchingRule | undefined {
    return this.rules.find(({ rule }) => rule.name === name);
  }

  private whyNotAnyMore({ rule: { name }, region }: Incident): string | null {
    const watching = this.ruleOf(name);
    if (watching === undefined) return `There is no rule ${name} any more.`;
    if (!watching.rule.enabled) return `Rule ${name} is switched off.`;
    return watching.takes(region) ? null : `Rule ${name} no longer watches ${region}.`;
  }

  private raisedSignal({ rule, region, startedAt, toldMeters }: Pick<Incident, 'rule' | 'region' | 'startedAt' | 'toldMeters'>): Signal {
    const meters = Math.max(this.meters.get(region) ?? 0, toldMeters);
    const percent = this.share(region, toldMeters);
    return {
      state: 'raised',
      rule: rule.name,
      type: 'METER_OUTAGE',
      kind: 'region_dark',
      severity: rule.severity,
      startedAt,
      region,
      meterId: null,
      component: null,
      title: `Region ${region} is dark: ${wholeFigure(toldMeters)} of ${counted(meters, 'meter')} are out`,
      description: `${figure(percent)} % of its meters are without power or silent at once. From ${figure(rule.sharePercent)} % and ${counted(rule.metersMin, 'meter')} on that is one incident, and their outages are part of it.`,
      value: percent,
      threshold: rule.sharePercent,
      unit: '%',
      affectedMeters: toldMeters,
    };
  }
}

/** Most of the spans that go on at one time, and when there were first `needed` of them; null when never. One that ends as another begins is no company to it. */
function mostAtOnce(spans: readonly Span[], needed: number): { most: number; metAt: number | null } {
  const starts = Float64Array.from(spans, ({ startedAt }) => startedAt).sort();
  const ends = Float64Array.from(spans, ({ endedAt }) => endedAt).sort();
  let most = 0;
  let metAt: number | null = null;
  let ended = 0;
  for (const [i, startedAt] of starts.entries()) {
    while (ended < ends.length && ends[ended] <= startedAt) ended++;
    const now = i + 1 - ended;
    if (now >= needed) metAt ??= startedAt;
    most = Math.max(most, now);
  }
  return { most, metAt };
}

function incidentKey(rule: string, region: string): string {
  return `${rule} ${region}`;
}

function clearedSignal(rule: string, region: string, startedAt: number, reason: string): Signal {
  return { state: 'cleared', rule, kind: 'region_dark', startedAt, region, meterId: null, component: null, reason };
}
