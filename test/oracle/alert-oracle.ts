import type { Alert, AlertListQuery, AlertMatch, Silence } from '../../src/model/alert.ts';
import type { NewSilence } from '../../src/actors/alerts/protocol.ts';
import type { AlertRules, Inhibition } from '../../src/actors/alerts/rules.ts';
import type { Signal } from '../../src/actors/alerts/signal.ts';

/** What the alert book should say, worked out anew from lists of everything after every step. */

const REAPPEARED_AFTER_MS = 60_000;

/** All of an alert but what counts how often it was written, and its group. */
export type OracleAlert = Omit<Alert, 'version' | 'changedAt' | 'id' | 'fingerprint' | 'suppression' | 'group'>;

export interface OracleEntry {
  alert: OracleAlert;
  /** Rule, kind and subject. */
  trouble: string;
  lastStartedAt: number;
  holds: boolean;
  steadySince: number | null;
}

interface Waiting {
  trouble: string;
  signal: Signal & { state: 'raised' };
  since: number;
}

export const isActive = ({ alert }: OracleEntry) => alert.state !== 'resolved';

export function troubleOf({ rule, kind, meterId, region, component }: { rule: string; kind: string; meterId: string | null; region: string | null; component: string | null }): string {
  return [rule, kind, meterId ?? component ?? region, meterId === null, component === null].join(' ');
}

export class AlertOracle {
  readonly entries: OracleEntry[] = [];
  readonly silences: Silence[] = [];
  rules: AlertRules;
  nowMs = -Infinity;
  private waiting: Waiting[] = [];
  private readonly openings = new Map<string, number[]>();

  constructor(rules: AlertRules) {
    this.rules = rules;
  }

  restart(): void {
    this.waiting = [];
    this.nowMs = -Infinity;
  }

  advance(nowMs: number): void {
    if (nowMs < this.nowMs || this.nowMs === -Infinity) {
      for (const entry of this.entries) if (entry.steadySince !== null) entry.steadySince = Math.min(entry.steadySince, nowMs);
      for (const waiting of this.waiting) waiting.since = Math.min(waiting.since, nowMs);
    }
    this.nowMs = nowMs;
    const { stableFor } = this.rules.flapping;
    for (const entry of this.entries) {
      if (entry.steadySince === null || entry.steadySince + stableFor > nowMs) continue;
      entry.steadySince = null;
      entry.alert.isFlapping = false;
      if (!entry.holds) this.resolve(entry, { at: nowMs, by: null, why: `it has been well for ${stableFor / 1_000} s` });
    }
    for (const { trouble, signal } of this.waiting.filter(({ since }) => since + REAPPEARED_AFTER_MS <= nowMs)) {
      const entry = this.newest(trouble)!;
      Object.assign(entry.alert, figures(signal), { state: 'open', acknowledged: null, resolved: null, occurrences: entry.alert.occurrences + 1, isFlapping: this.flaps(trouble) });
      entry.holds = true;
      entry.steadySince = entry.alert.isFlapping ? nowMs : null;
    }
    this.waiting = this.waiting.filter(({ since }) => since + REAPPEARED_AFTER_MS > nowMs);
  }

  apply(signal: Signal): void {
    const trouble = troubleOf(signal);
    const newest = this.newest(trouble);
    if (signal.state === 'cleared') {
      this.waiting = this.waiting.filter((waiting) => waiting.trouble !== trouble);
      if (newest === undefined || !newest.holds || signal.startedAt < newest.lastStartedAt) return;
      newest.holds = false;
      if (!isActive(newest)) return;
      if (newest.alert.isFlapping) newest.steadySince = this.nowMs;
      else this.resolve(newest, { at: this.nowMs, by: null, why: signal.reason });
      return;
    }
    if (newest !== undefined && signal.startedAt < newest.lastStartedAt) return;
    if (newest !== undefined && signal.startedAt === newest.lastStartedAt) {
      if (isActive(newest)) {
        Object.assign(newest.alert, figures(signal));
        if (!newest.holds) newest.steadySince = this.nowMs;
        newest.holds = true;
      } else if (!newest.holds) {
        const known = this.waiting.find((waiting) => waiting.trouble === trouble);
        if (known === undefined) this.waiting.push({ trouble, signal, since: this.nowMs });
        else known.signal = signal;
      }
      return;
    }
    this.waiting = this.waiting.filter((waiting) => waiting.trouble !== trouble);
    if (newest !== undefined && isActive(newest)) {
      const isFlapping = this.flaps(trouble) || newest.alert.isFlapping;
      Object.assign(newest.alert, figures(signal), { occurrences: newest.alert.occurrences + 1, isFlapping });
      Object.assign(newest, { holds: true, lastStartedAt: signal.startedAt, steadySince: isFlapping ? this.nowMs : null });
      return;
    }
    if (newest !== undefined) newest.holds = false;
    const isFlapping = this.flaps(trouble);
    const { rule, type, kind, meterId, component, startedAt } = signal;
    const alert = { rule, type, kind, meterId, component, startedAt, ...figures(signal), state: 'open', openedAt: this.nowMs, acknowledged: null, resolved: null, occurrences: 1, isFlapping } as const;
    this.entries.push({ alert, trouble, lastStartedAt: startedAt, holds: true, steadySince: isFlapping ? this.nowMs : null });
  }

  resolve(entry: OracleEntry, resolved: { at: number; by: string | null; why: string | null }): void {
    Object.assign(entry.alert, { state: 'resolved', resolved, isFlapping: false });
    entry.steadySince = null;
  }

  makeSilence(silence: NewSilence): void {
    this.silences.push({ id: `${silence.kind}-${this.silences.length + 1}`, version: 1, createdAt: this.nowMs, ended: null, ...silence });
  }

  /** By a silence, exactly; by an inhibition, any of these ids; null: by nobody. */
  suppressionOf(entry: OracleEntry): { by: string; of: (string | OracleEntry)[] } | null {
    if (!isActive(entry)) return null;
    const inForce = this.silences.filter(({ startsAt, endsAt, ended, match }) => ended === null && startsAt <= this.nowMs && this.nowMs < endsAt && matches(match, entry.alert));
    const silence = inForce.find(({ kind }) => kind === 'maintenance') ?? inForce[0];
    if (silence !== undefined) return { by: silence.kind, of: [silence.id] };
    const active = this.entries.filter(isActive);
    const reached = new Set([entry]);
    for (const from of reached) for (const to of active) if (this.speaks(from, to)) reached.add(to);
    const keepers = active.filter((source) => this.speaks(source, entry) && !reached.has(source));
    if (keepers.length > 0) return { by: 'inhibition', of: keepers };
    return entry.alert.isFlapping ? { by: 'flapping', of: [entry] } : null;
  }

  list({ state, type, severity, region, meterId, isSuppressed, from, to }: AlertListQuery): OracleEntry[] {
    return this.entries.filter(
      (entry) =>
        (state === null || (state === 'active' ? isActive(entry) : entry.alert.state === state)) &&
        (type === null || entry.alert.type === type) &&
        (severity === null || entry.alert.severity === severity) &&
        (region === null || entry.alert.region === region) &&
        (meterId === null || entry.alert.meterId === meterId) &&
        (isSuppressed === null || (this.suppressionOf(entry) !== null) === isSuppressed) &&
        entry.alert.openedAt >= from &&
        entry.alert.openedAt < to,
    );
  }

  private newest(trouble: string): OracleEntry | undefined {
    return this.entries.filter((entry) => entry.trouble === trouble).at(-1);
  }

  private flaps(trouble: string): boolean {
    const times = [...(this.openings.get(trouble) ?? []), this.nowMs];
    this.openings.set(trouble, times);
    return times.filter((time) => time > this.nowMs - this.rules.flapping.within).length >= this.rules.flapping.openings;
  }

  private speaks(source: OracleEntry, target: OracleEntry): boolean {
    return source !== target && this.rules.inhibitions.some((inhibition) => matches(inhibition.source, source.alert) && matches(inhibition.target, target.alert) && agree(inhibition, source.alert, target.alert));
  }
}

function agree({ equal }: Inhibition, a: OracleAlert, b: OracleAlert): boolean {
  return equal.every((field) => {
    const name = field === 'meter' ? 'meterId' : field;
    return a[name] !== null && a[name] === b[name];
  });
}

function matches({ types, severities, rules, regions, meters, components }: AlertMatch, alert: OracleAlert): boolean {
  const takes = (patterns: readonly string[], name: string | null) =>
    patterns.length === 0 || (name !== null && patterns.some((pattern) => new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.]/g, '\\.')).join('.*')}$`).test(name)));
  return (types.length === 0 || types.includes(alert.type)) && (severities.length === 0 || severities.includes(alert.severity)) && takes(rules, alert.rule) && takes(regions, alert.region) && takes(meters, alert.meterId) && takes(components, alert.component);
}

function figures({ region, severity, title, description, value, threshold, unit, affectedMeters }: Signal & { state: 'raised' }) {
  return { region, severity, title, description, value, threshold, unit, affectedMeters };
}
