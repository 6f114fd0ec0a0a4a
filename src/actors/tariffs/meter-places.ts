import type { EnergySource } from './energy-source.ts';
import type { MeterPlace } from './protocol.ts';

/** Meters that are looked for at a time: others ask as well. */
const PLACES_AT_ONCE = 32;

/** Where meters are, in their order; null: there is no such meter. Rejects with what the energy source rejects with. */
export async function placesOf(energy: Pick<EnergySource, 'place'>, meterIds: readonly string[]): Promise<(MeterPlace | null)[]> {
  const places: (MeterPlace | null)[] = [];
  for (let at = 0; at < meterIds.length; at += PLACES_AT_ONCE) places.push(...(await Promise.all(meterIds.slice(at, at + PLACES_AT_ONCE).map((meterId) => energy.place(meterId)))));
  return places;
}
