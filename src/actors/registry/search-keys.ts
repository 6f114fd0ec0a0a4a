import type { MeterFacts, RegisteredMeter } from '../../model/registered-meter.ts';

/** Keys by which meters are found: ASCII, whatever the texts are, and those that begin alike have keys that begin alike. */

/** Of a text, characters: beyond them all are the same to who searches. */
const CHARS_MAX = 64;

/** The text without what people leave out when they search: case, accents, more than one space. */
export function searchKey(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replaceAll('ß', 'ss').replace(/\s+/g, ' ').trimStart();
  const cut = plain.length > CHARS_MAX ? [...plain].slice(0, CHARS_MAX).join('') : plain;
  return encodeURIComponent(cut.replace(/\p{Surrogate}/gu, '\ufffd'));
}

/** Places are one table; the letter keeps cities from streets. */
export const PLACE_FIELDS = [
  ['p', 'postalCode'],
  ['c', 'city'],
  ['s', 'street'],
] as const;
export type PlaceLetter = (typeof PLACE_FIELDS)[number][0];

/** Where the tables by which a meter is found have it. */
export interface MeterKeys {
  serial: string | null;
  region: string;
  class: string;
  install: string;
  removal: string | null;
  places: string[];
}

/** In the place of the day of a meter that nobody knows when to install: after all days. */
export const NO_DAY = '9999-99-99';

export function keysOf(meter: RegisteredMeter): MeterKeys {
  const { meterId, serial, region, customerClass, installedOn, removedOn } = meter;
  return {
    serial: serial === null ? null : searchKey(serial),
    region: `${region}/${meterId}`,
    class: `${customerClass}/${meterId}`,
    install: `${installedOn ?? NO_DAY}/${meterId}`,
    removal: removedOn === null ? null : `${removedOn}/${meterId}`,
    places: placeKeys(meter, meterId),
  };
}

/** Of keys that end with the id; neither has a slash in it. */
export function idOfKey(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

function placeKeys({ address }: Pick<MeterFacts, 'address'>, meterId: string): string[] {
  const keys: string[] = [];
  for (const [letter, field] of PLACE_FIELDS) {
    const text = address[field];
    if (text !== null) keys.push(`${letter}/${searchKey(text)}/${meterId}`);
  }
  return keys;
}
