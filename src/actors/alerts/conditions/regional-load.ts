import type { Alert } from '../../../model/alert.ts';
import { GRANULARITY_MS, type RegionWindow } from '../../../model/window.ts';
import type { AlertRules, RuleOf } from '../rules.ts';
import { patternMatcher } from '../selectors.ts';
import type { Signal } from '../signal.ts';
import { counted, figure, ordinal } from './figures.ts';

/** Signals of regions whose load is close to their capacity, by one-minute windows in a row. */

const WINDOW_MS = GRANULARITY_MS['1m'];
/** Said again when the load has moved by so many percentage points: each saying is a new version of the alert, and what somebody is about to acknowledge must not change every minute. */
const TELLING_STEP_PERCENT = 2;
/** A region without a window while others have had them for so long, ms, has no load that anybody knows: its meters are silent, or moved. Longer than late meters keep a window from being final. */
const UNKNOWN_AFTER_MS = 15 * WINDOW_MS;

type LoadRule = RuleOf<'regional_load'>;

/** What a rule knows of a region. */
interface Row {
  region: string;
  /** Start of the newest window, epoch ms. */
  newestStart: number;
  /** Windows in a row that are over the upper limit, and the start of the first of them. */
  above: number;
  aboveSince: number;
  /** In a row below the lower limit. */
  below: number;
  /** While the alert is raised. `silentFrom`: the newest window of any region when the row was found to have none since the alert was taken over. */
  raised: { startedAt: number; toldPercent: number; silentFrom: number | null } | null;
}

interface RuleRows {
  rule: LoadRule;
  takes: (region: string | null) => boolean;
  rows: Map<string, Row>;
}

export class RegionalLoads {
  private byRule = new Map<string, RuleRows>();
  private historyAfterMs = Infinity;

  /** Rules in force from now on; what the old ones raised and these would not watch is cleared. */
  setRules({ rules, historyAfter }: AlertRules, signals: Signal[]): void {
    const before = this.byRule;
    this.historyAfterMs = historyAfter;
    this.byRule = new Map();
    for (const rule of rules) {
      if (rule.condition !== 'regional_load') continue;
      const rows = before.get(rule.name)?.rows ?? new Map<string, Row>();
      // Rows were counted by the old limits, and what was said names them.
      for (const row of rows.values()) {
        row.above = row.below = 0;
        if (row.raised !== null) row.raised.toldPercent = NaN;
      }
      this.byRule.set(rule.name, { rule, takes: patternMatcher(rule.regions), rows });
    }
    for (const [name, { rows }] of before) {
      for (const row of rows.values()) this.clearUnwatched(name, row, signals);
    }
  }

  resume({ rule, region, startedAt, value }: Alert, signals: Signal[]): void {
    if (region === null) return;
    const rules = this.byRule.get(rule);
    const row = rules?.rows.get(region) ?? newRow(region);
    if (row.raised !== null) return;
    row.raised = { startedAt, toldPercent: value ?? NaN, silentFrom: null };
    rules?.rows.set(region, row);
    this.clearUnwatched(rule, row, signals);
  }

  /** Windows of one observation. */
  observe(windows: readonly RegionWindow[], nowMs: number, signals: Signal[]): void {
    if (windows.length === 0) return;
    let newestStart = -Infinity;
    for (const window of windows) {
      if (nowMs - window.windowStart > this.historyAfterMs) continue;
      newestStart = Math.max(newestStart, window.windowStart);
      for (const rules of this.byRule.values()) {
        if (rules.rule.enabled && rules.takes(window.region)) this.observeWindow(rules, window, signals);
      }
    }
    for (const { rule, rows } of this.byRule.values()) {
      for (const row of rows.values()) {
        if (row.raised !== null && newestStart - knownUntil(row, row.raised, newestStart) > UNKNOWN_AFTER_MS) {
          this.clear(rule.name, row, `Its load is not known: nothing was measured for more than ${counted(UNKNOWN_AFTER_MS / WINDOW_MS, 'minute')}.`, signals);
        }
      }
    }
  }

  private observeWindow({ rule, rows }: RuleRows, window: RegionWindow, signals: Signal[]): void {
    const { region, windowStart, loadPercent } = window;
    let row = rows.get(region);
    if (row === undefined) rows.set(region, (row = newRow(region)));
    if (windowStart <= row.newestStart) return;
    if (windowStart !== row.newestStart + WINDOW_MS) row.above = row.below = 0;
    row.newestStart = windowStart;
    if (loadPercent === null) {
      row.above = row.below = 0;
      if (row.raised !== null && windowStart >= row.raised.startedAt) this.clear(rule.name, row, 'The region has no capacity to measure its load by any more.', signals);
      return;
    }
    if (loadPercent >= rule.abovePercent && row.above++ === 0) row.aboveSince = windowStart;
    if (loadPercent < rule.abovePercent) row.above = 0;
    // Windows from before the alert come again after a restart; they have been counted.
    row.below = loadPercent < rule.clearBelowPercent && windowStart >= (row.raised?.startedAt ?? -Infinity) ? row.below + 1 : 0;
    if (row.raised === null) this.judgeCalm(rule, row, window, loadPercent, signals);
    else this.judgeRaised(rule, row, window, loadPercent, signals);
  }

  private judgeCalm(rule: LoadRule, row: Row, window: RegionWindow, loadPercent: number, signals: Signal[]): void {
    if (row.above < rule.windows) return;
    row.raised = { startedAt: row.aboveSince, toldPercent: loadPercent, silentFrom: null };
    signals.push(raisedSignal(rule, row, window, loadPercent));
  }

  private judgeRaised(rule: LoadRule, row: Row, window: RegionWindow, loadPercent: number, signals: Signal[]): void {
    const raised = row.raised!;
    if (row.below >= rule.windows) {
      this.clear(rule.name, row, `The load is at ${figure(loadPercent)} %, below ${figure(rule.clearBelowPercent)} % for the ${ordinal(row.below)} minute in a row.`, signals);
    } else if (window.windowStart >= raised.startedAt && !(Math.abs(loadPercent - raised.toldPercent) < TELLING_STEP_PERCENT)) {
      raised.toldPercent = loadPercent;
      signals.push(raisedSignal(rule, row, window, loadPercent));
    }
  }

  private clear(rule: string, row: Row, reason: string, signals: Signal[]): void {
    signals.push({ state: 'cleared', rule, kind: 'regional_load', startedAt: row.raised!.startedAt, region: row.region, meterId: null, component: null, reason });
    row.raised = null;
  }

  private clearUnwatched(name: string, row: Row, signals: Signal[]): void {
    if (row.raised === null) return;
    const rules = this.byRule.get(name);
    if (rules === undefined) this.clear(name, row, `There is no rule ${name} any more.`, signals);
    else if (!rules.rule.enabled) this.clear(name, row, `Rule ${name} is switched off.`, signals);
    else if (!rules.takes(row.region)) this.clear(name, row, `Rule ${name} no longer watches ${row.region}.`, signals);
  }
}

/** By the newest window of all regions: a clock that jumps ends nothing. */
function knownUntil({ newestStart }: Row, raised: NonNullable<Row['raised']>, newestOfAll: number): number {
  if (newestStart >= raised.startedAt) return newestStart;
  raised.silentFrom ??= newestOfAll;
  return raised.silentFrom;
}

function newRow(region: string): Row {
  return { region, newestStart: -Infinity, above: 0, aboveSince: 0, below: 0, raised: null };
}

function raisedSignal(rule: LoadRule, row: Row, { region, sumPowerKw, capacityKw, metersReporting }: RegionWindow, loadPercent: number): Signal {
  const drew = `It drew ${figure(sumPowerKw)} kW of ${figure(capacityKw ?? 0)} kW on average over a minute, summed over ${counted(metersReporting, 'meter')}.`;
  const limit = `The limit is ${figure(rule.abovePercent)} % for ${counted(rule.windows, 'minute')} in a row.`;
  return {
    state: 'raised',
    rule: rule.name,
    type: 'REGIONAL_OVERLOAD',
    kind: 'regional_load',
    severity: rule.severity,
    startedAt: row.raised!.startedAt,
    region,
    meterId: null,
    component: null,
    title: `Region ${region} is at ${figure(loadPercent)} % of its capacity`,
    description: `${drew} ${limit}`,
    value: loadPercent,
    threshold: rule.abovePercent,
    unit: '%',
    affectedMeters: 0,
  };
}
