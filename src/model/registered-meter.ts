import type { MeterId, RegionId } from './ids.ts';

/** What a utility keeps of a meter, whether it has ever sent a reading or not: the master data of the registry. */

export interface MeterAddress {
  street: string | null;
  postalCode: string | null;
  city: string | null;
  /** ISO 3166-1 alpha-2. */
  country: string | null;
}
export const ADDRESS_PARTS = ['street', 'postalCode', 'city', 'country'] as const satisfies readonly (keyof MeterAddress)[];

/** Degrees of WGS 84. */
export interface MeterLocation {
  latitude: number;
  longitude: number;
}

/** What somebody may say of a meter. */
export interface MeterFacts {
  /** As it is printed on the meter; of no two meters the same, in whatever letters. */
  serial: string | null;
  manufacturer: string | null;
  model: string | null;
  /** A word of the utility's own. */
  customerClass: string;
  region: RegionId;
  address: MeterAddress;
  location: MeterLocation | null;
  phases: 1 | 2 | 3 | null;
  ratedPowerKw: number | null;
  /** How often it should send, seconds. */
  cadenceSeconds: number | null;
  /** Days, as 2026-07-01. Installed from the first on, removed from the second on. */
  installedOn: string | null;
  removedOn: string | null;
  note: string | null;
}

export interface RegisteredMeter extends MeterFacts {
  meterId: MeterId;
  /** From 1; one more with each change. */
  version: number;
  /** Epoch ms. */
  updatedAt: number;
  updatedBy: string;
}

/** What is not named stays as it is. */
export type MeterChange = Partial<Omit<MeterFacts, 'address'>> & { address?: Partial<MeterAddress> };

export const DEFAULT_CUSTOMER_CLASS = 'residential';

/** What is known of a meter of which nobody has said anything. It has no region. */
const NOTHING_SAID: Omit<MeterFacts, 'region'> = {
  serial: null,
  manufacturer: null,
  model: null,
  customerClass: DEFAULT_CUSTOMER_CLASS,
  address: { street: null, postalCode: null, city: null, country: null },
  location: null,
  phases: null,
  ratedPowerKw: null,
  cadenceSeconds: null,
  installedOn: null,
  removedOn: null,
  note: null,
};

/** The facts with a change; `before` null: of a new meter, whose region may be missing still. */
export function changedFacts(before: MeterFacts | null, change: MeterChange): Omit<MeterFacts, 'region'> & Partial<Pick<MeterFacts, 'region'>> {
  const from = before ?? NOTHING_SAID;
  return { ...from, ...change, address: { ...from.address, ...change.address } };
}

export const METER_STATUSES = ['planned', 'installed', 'removed'] as const;
export type MeterStatus = (typeof METER_STATUSES)[number];

/** `day`: as 2026-07-01. */
export function statusOn({ installedOn, removedOn }: Pick<MeterFacts, 'installedOn' | 'removedOn'>, day: string): MeterStatus {
  if (installedOn === null || installedOn > day) return 'planned';
  return removedOn !== null && removedOn <= day ? 'removed' : 'installed';
}

/** The day that a moment is of, in UTC: a registry has no zone of its own. */
export function utcDay(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 10);
}

/** Why days cannot be those of a meter; null where they can. */
export function daysFault({ installedOn, removedOn }: Pick<MeterFacts, 'installedOn' | 'removedOn'>): string | null {
  if (removedOn === null) return null;
  if (installedOn === null) return 'a meter that was never installed cannot have been removed';
  return removedOn < installedOn ? `it was installed on ${installedOn}, and cannot have been removed before` : null;
}
