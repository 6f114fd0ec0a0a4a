import type { Determinants, MeteringPlan } from '../../model/energy.ts';
import { METERS_PER_QUESTION_MAX, type EnergySource } from './energy-source.ts';

/** Questions under way: enough that each shard has the next one when it has answered one, few enough that others, who ask meanwhile, are soon answered. */
const QUESTIONS_UNDER_WAY_MAX = 6;
/** Plans of one question: a byte names one. */
const PLANS_PER_QUESTION_MAX = 256;

/** A meter, and the plans that its energy is to be added up by. */
export interface WantedEnergy {
  meterId: string;
  plans: readonly MeteringPlan[];
}

interface Entry {
  meterId: string;
  plan: MeteringPlan;
  /** Where the answer goes. */
  answers: (Determinants | null)[];
  at: number;
}

/** Asks for the energy of many meters, plan by plan: neighbours with the same plan are read together. */
export class EnergyQuestions {
  private readonly energy: EnergySource;
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(energy: EnergySource) {
    this.energy = energy;
  }

  /** Of each meter by plan; null: no such meter. Rejects with what the energy source rejects with. */
  async of(wanted: readonly WantedEnergy[]): Promise<(Determinants | null)[][]> {
    const found = wanted.map(({ plans }) => new Array<Determinants | null>(plans.length).fill(null));
    const byPlan = new Map<MeteringPlan, Entry[]>();
    wanted.forEach(({ meterId, plans }, i) => {
      plans.forEach((plan, at) => {
        const entry = { meterId, plan, answers: found[i], at };
        const entries = byPlan.get(plan);
        if (entries === undefined) byPlan.set(plan, [entry]);
        else entries.push(entry);
      });
    });
    await Promise.all(questionsOf([...byPlan.values()].flat()).map((entries) => this.ask(entries)));
    return found;
  }

  private async ask(entries: readonly Entry[]): Promise<void> {
    const plans = [...new Set(entries.map(({ plan }) => plan))];
    const planOf = Uint8Array.from(entries, ({ plan }) => plans.indexOf(plan));
    await this.enter();
    try {
      const answers = await this.energy.determinants(entries.map(({ meterId }) => meterId), planOf, plans);
      entries.forEach((entry, i) => (entry.answers[entry.at] = answers[i]));
    } finally {
      this.underWay--;
      this.waiting.shift()?.();
    }
  }

  private async enter(): Promise<void> {
    while (this.underWay >= QUESTIONS_UNDER_WAY_MAX) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.underWay++;
  }
}

/** Of as many meters and plans as one may have. */
function questionsOf(entries: readonly Entry[]): Entry[][] {
  const questions: Entry[][] = [];
  let plans = new Set<MeteringPlan>();
  for (const entry of entries) {
    const last = questions.at(-1);
    const isFull = last === undefined || last.length === METERS_PER_QUESTION_MAX || (plans.size === PLANS_PER_QUESTION_MAX && !plans.has(entry.plan));
    if (isFull) {
      plans = new Set([entry.plan]);
      questions.push([entry]);
    } else {
      plans.add(entry.plan);
      last.push(entry);
    }
  }
  return questions;
}
