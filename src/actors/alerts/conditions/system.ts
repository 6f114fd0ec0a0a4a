import type { Alert } from '../../../model/alert.ts';
import type { ComponentHealth } from '../protocol.ts';
import type { AlertRules, RuleOf } from '../rules.ts';
import { patternMatcher } from '../selectors.ts';
import type { Signal } from '../signal.ts';
import { durationText } from './figures.ts';

/** Signals of parts of the engine that are away for too long. There are tens of parts, so each question looks at all of them. */

type SystemRule = RuleOf<'system'>;

/** Problem of one that is to be said again: no component has it. */
const UNTOLD = '\0';

interface Ailment {
  component: string;
  /** Epoch ms; of the alert where one was taken over. */
  startedAt: number;
  /** By the engine's clock; a part that went while nobody looked is away since `startedAt`. */
  dueMs: number;
  problem: string;
  isRaised: boolean;
}

interface RuleAilments {
  rule: SystemRule;
  takes: (component: string | null) => boolean;
  ailments: Map<string, Ailment>;
}

export class Components {
  private byRule = new Map<string, RuleAilments>();
  private newest: readonly ComponentHealth[] = [];

  setRules({ rules }: AlertRules, nowMs: number, signals: Signal[]): void {
    const before = this.byRule;
    this.byRule = new Map();
    for (const rule of rules) {
      if (rule.condition === 'system') this.byRule.set(rule.name, { rule, takes: patternMatcher(rule.components), ailments: new Map() });
    }
    for (const [name, { ailments }] of before) {
      for (const ailment of ailments.values()) {
        if (ailment.isRaised) this.takeOver(name, { ...ailment, problem: UNTOLD }, signals);
      }
    }
    if (this.newest.length > 0) this.observe(this.newest, nowMs, signals);
  }

  resume({ rule, component, startedAt }: Alert, signals: Signal[]): void {
    if (component === null || this.byRule.get(rule)?.ailments.get(component)?.isRaised === true) return;
    this.takeOver(rule, { component, startedAt, dueMs: -Infinity, problem: UNTOLD, isRaised: true }, signals);
  }

  /** All components as they are. */
  observe(components: readonly ComponentHealth[], nowMs: number, signals: Signal[]): void {
    this.newest = components;
    const known = new Map(components.map((health) => [health.component, health]));
    for (const rules of this.byRule.values()) {
      for (const ailment of rules.ailments.values()) {
        const health = known.get(ailment.component);
        if (health !== undefined && !health.isWell) continue;
        const reason = health === undefined ? `${ailment.component} is no part of the engine any more.` : `${ailment.component} is well again.`;
        this.end(rules, ailment, reason, signals);
      }
      for (const health of components) {
        if (!health.isWell && rules.rule.enabled && rules.takes(health.component)) this.observeAway(rules, health, nowMs, signals);
      }
    }
  }

  tick(nowMs: number, signals: Signal[]): void {
    for (const { rule, ailments } of this.byRule.values()) {
      for (const ailment of ailments.values()) raiseDue(rule, ailment, nowMs, signals);
    }
  }

  nextDueMs(): number {
    let next = Infinity;
    for (const { ailments } of this.byRule.values()) {
      for (const { isRaised, dueMs } of ailments.values()) if (!isRaised) next = Math.min(next, dueMs);
    }
    return next;
  }

  private observeAway({ rule, ailments }: RuleAilments, { component, since, problem }: ComponentHealth, nowMs: number, signals: Signal[]): void {
    const known = ailments.get(component);
    if (known === undefined) {
      const ailment = { component, startedAt: since, dueMs: Math.min(since, nowMs) + rule.for, problem, isRaised: false };
      ailments.set(component, ailment);
      raiseDue(rule, ailment, nowMs, signals);
      return;
    }
    const isNews = known.problem !== problem;
    known.problem = problem;
    // A clock that was set back must not make it wait for longer.
    known.dueMs = Math.min(known.dueMs, nowMs + rule.for);
    if (!known.isRaised) raiseDue(rule, known, nowMs, signals);
    else if (isNews) signals.push(raisedSignal(rule, known));
  }

  /** Something raised, under rules that may be others. */
  private takeOver(name: string, ailment: Ailment, signals: Signal[]): void {
    const rules = this.byRule.get(name);
    if (rules === undefined) {
      signals.push(clearedSignal(name, ailment, `There is no rule ${name} any more.`));
      return;
    }
    rules.ailments.set(ailment.component, ailment);
    if (!rules.rule.enabled) this.end(rules, ailment, `Rule ${name} is switched off.`, signals);
    else if (!rules.takes(ailment.component)) this.end(rules, ailment, `Rule ${name} no longer watches ${ailment.component}.`, signals);
  }

  private end({ rule, ailments }: RuleAilments, ailment: Ailment, reason: string, signals: Signal[]): void {
    ailments.delete(ailment.component);
    if (ailment.isRaised) signals.push(clearedSignal(rule.name, ailment, reason));
  }
}

function raiseDue(rule: SystemRule, ailment: Ailment, nowMs: number, signals: Signal[]): void {
  if (ailment.isRaised || ailment.dueMs > nowMs) return;
  ailment.isRaised = true;
  signals.push(raisedSignal(rule, ailment));
}

function raisedSignal(rule: SystemRule, { component, startedAt, problem }: Ailment): Signal {
  return {
    state: 'raised',
    rule: rule.name,
    type: 'SYSTEM_FAILURE',
    kind: 'system',
    severity: rule.severity,
    startedAt,
    region: null,
    meterId: null,
    component,
    title: `Part of the engine is not well: ${component}`,
    description: [problem, rule.for > 0 ? `It has been so for ${durationText(rule.for)} or more.` : ''].filter((sentence) => sentence !== '').join(' '),
    value: null,
    threshold: null,
    unit: null,
    affectedMeters: 0,
  };
}

function clearedSignal(rule: string, { component, startedAt }: Ailment, reason: string): Signal {
  return { state: 'cleared', rule, kind: 'system', startedAt, region: null, meterId: null, component, reason };
}
