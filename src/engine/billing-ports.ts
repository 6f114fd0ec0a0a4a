import type { MeterPlace, BillingEvent, RegionLoad, TariffAnswers, TariffQuestion } from '../actors/tariffs/protocol.ts';
import type { DeterminantsPart } from '../model/determinants-row.ts';
import type { EnergyQuarter, MeteringPlan } from '../model/energy.ts';

/** What the main thread and that of the bills say to each other. */

/** Purpose of the port over which the main thread asks, and is told what happened. */
export const BILLING_PORT = 'billing';
/** Purpose of the port over which the bills' thread asks for energy. */
export const ENERGY_PORT = 'energy';
/** Unanswered at once: as many as the gateway answers, and the loads. */
export const BILLING_QUESTIONS_MAX = 512;
/** Unanswered at once: of costs that people ask for, and of runs. */
export const ENERGY_QUESTIONS_MAX = 256;
/** Events about bills in one message, for pages that are open: a run makes thousands of bills in a second, and nobody reads more. Systems beside the engine get all. */
export const EVENTS_PER_MESSAGE_MAX = 100;

export type BillingRequest = { kind: 'ask'; question: TariffQuestion } | { kind: 'loads'; loads: RegionLoad[] };

/** Of `loads` null. */
export type BillingReply = TariffAnswers[TariffQuestion['kind']] | null;

/** What happened, durably: all that did to prices, and the newest of what did to bills. */
export interface BillingNews {
  events: BillingEvent[];
}

/** As EnergySource says. */
export type EnergyQuestion =
  | { kind: 'meters'; after: string | null; limit: number }
  | { kind: 'place'; meterId: string }
  | { kind: 'determinants'; meterIds: readonly string[]; planOf: Uint8Array; plans: readonly MeteringPlan[] }
  | { kind: 'quarters'; meterId: string; from: number; to: number }
  | { kind: 'regionPeak'; region: string; from: number; to: number };

export interface EnergyAnswers {
  /** Side by side: a thousand objects take longer to cross a port. */
  meters: { meterIds: string[]; regions: string[]; next: string | null };
  place: MeterPlace | null;
  /** Memory of their rows is transferred. */
  determinants: DeterminantsPart[];
  quarters: EnergyQuarter[] | null;
  regionPeak: number | null;
}

export type EnergyReply = EnergyAnswers[EnergyQuestion['kind']];
