import type { FoundDeterminants } from '../../model/determinants-row.ts';
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

/** Of many meters and plans at once. What is wanted is numbered through: the plans of the first meter, those of the second, and so on. */
interface Question {
  plans: MeteringPlan[];
  /** By meter of the question, an index into `plans`. */
  planOf: number[];
  wanted: number[];
  meterIds: string[];
}

/** What was wanted, kept as shards gave it until it is looked at. */
export class GatheredEnergy {
  /** Number of the first of each meter, and that of all. */
  private readonly firsts: Uint32Array;
  /** By number, which answer it is in and where. */
  private readonly answerOf: Uint16Array;
  private readonly positionOf: Uint16Array;
  private readonly answers: readonly FoundDeterminants[];

  constructor(firsts: Uint32Array, questions: readonly Question[], answers: readonly FoundDeterminants[]) {
    this.firsts = firsts;
    this.answers = answers;
    this.answerOf = new Uint16Array(firsts[firsts.length - 1]);
    this.positionOf = new Uint16Array(this.answerOf.length);
    questions.forEach(({ wanted }, answer) =>
      wanted.forEach((number, position) => {
        this.answerOf[number] = answer;
        this.positionOf[number] = position;
      }),
    );
  }

  /** By plan of the meter with this index; null: no such meter. */
  of(meter: number): Determinants[] | null {
    const found: Determinants[] = [];
    for (let number = this.firsts[meter]; number < this.firsts[meter + 1]; number++) {
      const one = this.answers[this.answerOf[number]].at(this.positionOf[number]) ?? null;
      if (one === null) return null;
      found.push(one);
    }
    return found;
  }
}

/** Asks for the energy of many meters, plan by plan: neighbours with the same plan are read together. */
export class EnergyQuestions {
  private readonly energy: EnergySource;
  private underWay = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(energy: EnergySource) {
    this.energy = energy;
  }

  /** Rejects with what the energy source rejects with. */
  async of(wanted: readonly WantedEnergy[]): Promise<GatheredEnergy> {
    const firsts = new Uint32Array(wanted.length + 1);
    wanted.forEach(({ plans }, meter) => (firsts[meter + 1] = firsts[meter] + plans.length));
    const questions = questionsOf(wanted, firsts);
    return new GatheredEnergy(firsts, questions, await Promise.all(questions.map((question) => this.ask(question))));
  }

  private async ask({ meterIds, planOf, plans }: Question): Promise<FoundDeterminants> {
    await this.enter();
    try {
      return await this.energy.determinants(meterIds, Uint8Array.from(planOf), plans);
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

/** Plan by plan, each question of as many meters and plans as one may have. */
function questionsOf(wanted: readonly WantedEnergy[], firsts: Uint32Array): Question[] {
  const metersOf = new Map<MeteringPlan, { meter: number; number: number }[]>();
  wanted.forEach(({ plans }, meter) =>
    plans.forEach((plan, at) => {
      const meters = metersOf.get(plan);
      if (meters === undefined) metersOf.set(plan, [{ meter, number: firsts[meter] + at }]);
      else meters.push({ meter, number: firsts[meter] + at });
    }),
  );
  const questions: Question[] = [];
  for (const [plan, meters] of metersOf) {
    for (const { meter, number } of meters) {
      let question = questions.at(-1);
      const isNew = question === undefined || question.meterIds.length === METERS_PER_QUESTION_MAX || (question.plans.at(-1) !== plan && question.plans.length === PLANS_PER_QUESTION_MAX);
      if (question === undefined || isNew) questions.push((question = { plans: [], planOf: [], wanted: [], meterIds: [] }));
      if (question.plans.at(-1) !== plan) question.plans.push(plan);
      question.planOf.push(question.plans.length - 1);
      question.wanted.push(number);
      question.meterIds.push(wanted[meter].meterId);
    }
  }
  return questions;
}
