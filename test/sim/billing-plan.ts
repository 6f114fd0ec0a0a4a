import { Random } from './random.ts';

/** What a run of the tariff supervisor does, as plain data made from a seed beforehand. */

export type BillingStep =
  | { kind: 'wait'; ms: number }
  | { kind: 'startRun'; month: number }
  /** So many quarter-hours of a meter's month become another. */
  | { kind: 'lateEnergy'; meter: number; month: number; quarter: number; quarters: number; microKwh: number }
  /** Of the invoices that are known then, in order of making; `share` of what is to be paid, in percent. */
  | { kind: 'pay'; invoice: number; share: number; reference: number }
  | { kind: 'dispute'; invoice: number }
  | { kind: 'resolve'; dispute: number; outcome: 'upheld' | 'rejected' | 'withdrawn'; share: number }
  /** Day of July, or null: stays. */
  | { kind: 'move'; agreement: number; day: number | null }
  | { kind: 'moveIn'; meter: number; day: number }
  | { kind: 'draft'; agreement: number; month: number }
  | { kind: 'putTariff'; effective: number; cents: number }
  /** The thread dies after so many events more. */
  | { kind: 'kill'; afterEvents: number; downMs: number; fate: 'lost' | 'kept' }
  | { kind: 'stop'; downMs: number }
  | { kind: 'diskFull'; commits: number }
  | { kind: 'diskSlow'; commits: number; ms: number }
  | { kind: 'away'; questions: number }
  /** The wall clock alone. */
  | { kind: 'clock'; byMs: number };

export interface BillingWorldOptions {
  commitMsMax: number;
  answerMsMax: number;
  pieceMeters: number;
}

export interface BillingPlan {
  seed: number;
  options: BillingWorldOptions;
  steps: BillingStep[];
}

export const METERS = 11;
export const MONTHS = ['2026-06', '2026-07'] as const;
/** Days from which a tariff put later holds: of the past, inside and between months, and of the time to come. */
export const EFFECTIVE_DAYS = ['2026-06-01', '2026-06-16', '2026-07-01', '2026-07-20', '2026-09-01'] as const;
export const REFERENCES = 4;

export function makeBillingPlan(seed: number, stepCount: number): BillingPlan {
  const random = new Random(seed);
  const options: BillingWorldOptions = { commitMsMax: random.pick([0, 5, 40]), answerMsMax: random.pick([0, 20, 200]), pieceMeters: random.pick([1, 3, 4, 256]) };
  return { seed, options, steps: Array.from({ length: stepCount }, (_, i) => (i === 0 ? runStep(random) : nextStep(random))).flatMap((step) => withKill(step, random)) };
}

function runStep(random: Random): BillingStep {
  return { kind: 'startRun', month: random.int(0, MONTHS.length - 1) };
}

/** Runs are short here, and most of a plan is not one. */
function withKill(step: BillingStep, random: Random): BillingStep[] {
  if (step.kind !== 'startRun' || random.chance(0.4)) return [step];
  return [step, { kind: 'kill', afterEvents: random.int(5, 60), downMs: 0, fate: random.pick(['lost', 'kept'] as const) }, { kind: 'wait', ms: random.int(1, 2_000) }];
}

function nextStep(random: Random): BillingStep {
  const chance = random.next();
  if (chance < 0.25) return { kind: 'wait', ms: random.pick([random.int(1, 50), random.int(1, 1_000), random.int(1_000, 40_000), random.int(60_000, 200_000), 650_000]) };
  if (chance < 0.72) return command(random);
  return fault(random);
}

function command(random: Random): BillingStep {
  const month = random.int(0, MONTHS.length - 1);
  const which = random.int(0, 30);
  switch (random.int(0, 12)) {
    case 0:
    case 1:
    case 2:
      return { kind: 'startRun', month };
    case 3:
    case 4:
      return { kind: 'lateEnergy', meter: random.pick([0, 1, 2, random.int(0, METERS - 1)]), month, quarter: random.int(0, 2_800), quarters: random.pick([1, 1, 8]), microKwh: random.pick([0, 12_000, 500_000, -300_000]) };
    case 5:
    case 6:
    case 7:
      return { kind: 'pay', invoice: which, share: random.pick([30, 100, 100, 130]), reference: random.int(0, REFERENCES - 1) };
    case 8:
      return { kind: 'dispute', invoice: which };
    case 9:
      return { kind: 'resolve', dispute: which, outcome: random.pick(['upheld', 'upheld', 'rejected', 'withdrawn'] as const), share: random.pick([0, 40, 100]) };
    case 10:
      return { kind: 'move', agreement: random.int(0, METERS - 1), day: random.pick([null, random.int(1, 31), random.int(1, 31)]) };
    case 11:
      return random.chance(0.5) ? { kind: 'moveIn', meter: random.int(0, METERS - 1), day: random.int(1, 31) } : { kind: 'draft', agreement: random.int(0, METERS - 1), month };
    default:
      return { kind: 'putTariff', effective: random.int(0, EFFECTIVE_DAYS.length - 1), cents: random.int(10, 40) };
  }
}

function fault(random: Random): BillingStep {
  switch (random.int(0, 9)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return { kind: 'kill', afterEvents: random.chance(0.7) ? random.int(0, 15) : random.int(0, 200), downMs: random.pick([0, 200, 5_000]), fate: random.pick(['lost', 'kept'] as const) };
    case 4:
      return { kind: 'stop', downMs: random.pick([0, 1_000]) };
    case 5:
      return { kind: 'diskFull', commits: random.int(1, 3) };
    case 6:
      return { kind: 'diskSlow', commits: random.int(1, 5), ms: random.int(500, 8_000) };
    case 7:
      return { kind: 'clock', byMs: random.pick([-3_600_000, -60_000, 60_000, 25 * 86_400_000]) };
    default:
      return { kind: 'away', questions: random.int(1, 6) };
  }
}
