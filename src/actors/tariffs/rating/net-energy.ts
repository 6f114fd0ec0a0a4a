import { parseDecimal } from '../../../model/decimal.ts';
import type { Determinants } from '../../../model/energy.ts';
import type { TariffDocument } from '../tariff-document.ts';
import type { TariffPlan } from '../tariff-plan.ts';
import { likePeriod } from './like-period.ts';
import { QUANTITY_DIGITS, quantityText } from './rated-line.ts';

/** Energy by period of a schedule, microKwh, after what the metering method takes off. Periods without any are left out. */
export interface NetEnergy {
  /** To be charged. */
  charged: Map<string, bigint>;
  /** Given to the grid and to be credited. */
  credited: Map<string, bigint>;
  /** Taken off what was imported by credits in kWh. */
  applied: Map<string, bigint>;
}

/** Credits in kWh of the months before, by schedule and period, microKwh. A schedule has its own account of them: each counts the same energy in other periods. Beside them, if it is asked for, the net surplus. */
export class CreditAccounts {
  readonly #accounts: Map<string, Map<string, bigint>>;
  /** What was given beyond what was used since the last settlement, microKwh; below 0 where more was used; null: nobody has counted it. */
  #surplus: bigint | null;

  /** As in `CarriedOver`. */
  constructor(creditKwh: Readonly<Record<string, string>>, surplusKwh: string | undefined) {
    this.#surplus = surplusKwh === undefined ? null : parseDecimal(surplusKwh, QUANTITY_DIGITS);
    this.#accounts = new Map();
    for (const [key, kwh] of Object.entries(creditKwh)) {
      const slash = key.indexOf('/');
      const schedule = key.slice(0, slash);
      const account = this.#accounts.get(schedule) ?? new Map<string, bigint>();
      this.#accounts.set(schedule, account.set(key.slice(slash + 1), parseDecimal(kwh, QUANTITY_DIGITS)));
    }
  }

  /** That of a schedule, for good. Where another tariff's schedules have other names, a new account begins with all that the customer has, for any period. */
  of(schedule: string): Map<string, bigint> {
    let account = this.#accounts.get(schedule);
    if (account === undefined) {
      const total = this.total();
      this.#accounts.set(schedule, (account = new Map(total > 0n ? [[ANY_PERIOD, total]] : [])));
    }
    return account;
  }

  /** Of one schedule: the accounts are the same energy seen several times. */
  total(): bigint {
    for (const account of this.#accounts.values()) return totalOf(account);
    return 0n;
  }

  /** Only the accounts of these schedules are kept. */
  keep(schedules: readonly string[]): void {
    for (const schedule of this.#accounts.keys()) if (!schedules.includes(schedule)) this.#accounts.delete(schedule);
  }

  /** Counts the energy of some days, all periods together, before credits are taken off it. `settlesMonths`: more use than there is surplus leaves nothing to make up for. A count begins with the credits that there are. */
  countSurplus({ importMicroKwh, exportMicroKwh }: Determinants, settlesMonths: boolean): void {
    const sum = (microKwh: readonly number[]): bigint => microKwh.reduce((total, value) => total + BigInt(value), 0n);
    const surplus = (this.#surplus ?? this.total()) + sum(exportMicroKwh) - sum(importMicroKwh);
    this.#surplus = settlesMonths && surplus < 0n ? 0n : surplus;
  }

  get surplus(): bigint {
    return this.#surplus !== null && this.#surplus > 0n ? this.#surplus : 0n;
  }

  forgetSurplus(): void {
    this.#surplus = null;
  }

  clear(): void {
    this.#accounts.clear();
    this.#surplus = null;
  }

  /** Undefined where a count would begin with the same. */
  surplusAsCarried(): string | undefined {
    return this.#surplus === null || this.#surplus === this.total() ? undefined : quantityText(this.#surplus);
  }

  asCarried(): Record<string, string> {
    const carried: Record<string, string> = {};
    for (const [schedule, account] of this.#accounts) for (const [period, microKwh] of account) if (microKwh > 0n) carried[`${schedule}/${period}`] = quantityText(microKwh);
    return carried;
  }
}

/** Credit of an account that is of no period of its schedule. */
const ANY_PERIOD = '*';

/** What a schedule's periods have to be charged and credited for. Under `netMetering` credits of before are used up first, and what is left over goes to `credits`. */
export function netEnergy(document: TariffDocument, schedule: string, plan: TariffPlan, determinants: Determinants, credits: CreditAccounts): NetEnergy {
  const imported = byPeriod(plan, schedule, determinants.importMicroKwh);
  const exported = byPeriod(plan, schedule, determinants.exportMicroKwh);
  if (document.metering.method === 'netBilling') return { charged: imported, credited: exported, applied: new Map() };
  const charged = new Map<string, bigint>();
  const credited = new Map<string, bigint>();
  for (const period of new Set([...imported.keys(), ...exported.keys()])) {
    const net = (imported.get(period) ?? 0n) - (exported.get(period) ?? 0n);
    if (net > 0n) charged.set(period, net);
    if (net < 0n) credited.set(period, -net);
  }
  if (document.metering.method === 'netMeteringMoney') return { charged, credited, applied: new Map() };
  const account = credits.of(schedule);
  const present = new Set(plan.energyPeriods.map((periods) => periods[schedule]));
  if (document.metering.creditPeriods === 'together') return withOneAccount(document, schedule, { charged, credited }, account, present);
  moveToPresent(account, present, (period) => likePeriod(document, schedule, period, plan.from, present));
  const applied = applyCredits(account, charged, present);
  for (const [period, microKwh] of credited) account.set(period, (account.get(period) ?? 0n) + microKwh);
  return { charged, credited: new Map(), applied };
}

/** Under `creditPeriods` `together`: what periods have left over, of these days and of those before, is for any of them. */
function withOneAccount(document: TariffDocument, schedule: string, { charged, credited }: Pick<NetEnergy, 'charged' | 'credited'>, account: Map<string, bigint>, present: ReadonlySet<string>): NetEnergy {
  const all = totalOf(account) + totalOf(credited);
  account.clear();
  setOrDelete(account, ANY_PERIOD, all);
  const { periods } = document.schedules.find(({ name }) => name === schedule)!;
  const inOrder = new Map(periods.flatMap(({ name }) => (charged.has(name) ? [[name, charged.get(name)!]] : [])));
  const applied = applyCredits(account, inOrder, present);
  return { charged: inOrder, credited: new Map(), applied };
}

export function totalOf(energy: ReadonlyMap<string, bigint>): bigint {
  let total = 0n;
  for (const microKwh of energy.values()) total += microKwh;
  return total;
}

/** A credit of a period that these days do not have, as of another season, becomes one of the period that is at the same times of day: it would have to wait for months. */
function moveToPresent(account: Map<string, bigint>, present: ReadonlySet<string>, likeOf: (period: string) => string | null): void {
  for (const [period, credit] of [...account]) {
    const like = present.has(period) ? null : likeOf(period);
    if (like === null) continue;
    account.delete(period);
    account.set(like, (account.get(like) ?? 0n) + credit);
  }
}

/** Takes credits off what is to be charged in their period, and those of no period that is known off whatever there is. What is left stays. Gives how much was taken off each. */
function applyCredits(account: Map<string, bigint>, charged: Map<string, bigint>, present: ReadonlySet<string>): Map<string, bigint> {
  const applied = new Map<string, bigint>();
  const apply = (from: string, to: string): void => {
    const credit = account.get(from) ?? 0n;
    const use = charged.get(to) ?? 0n;
    const taken = credit < use ? credit : use;
    if (taken === 0n) return;
    applied.set(to, (applied.get(to) ?? 0n) + taken);
    setOrDelete(account, from, credit - taken);
    setOrDelete(charged, to, use - taken);
  };
  for (const period of [...charged.keys()]) apply(period, period);
  const others = [...account.keys()].filter((period) => !present.has(period));
  for (const from of others) for (const to of [...charged.keys()]) apply(from, to);
  return applied;
}

function setOrDelete(energy: Map<string, bigint>, period: string, microKwh: bigint): void {
  if (microKwh > 0n) energy.set(period, microKwh);
  else energy.delete(period);
}

function byPeriod(plan: TariffPlan, schedule: string, microKwh: readonly number[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  plan.energyPeriods.forEach((periods, bucket) => {
    if (microKwh[bucket] !== 0) sums.set(periods[schedule], (sums.get(periods[schedule]) ?? 0n) + BigInt(microKwh[bucket]));
  });
  return sums;
}
