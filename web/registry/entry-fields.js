// @ts-check
/**
 * An entry of the registry as fields that somebody types into, and back. Every field is named by its path in the entry, as faults name it. Pure.
 *
 * @typedef {import('./registry-types.js').RegisteredMeter} RegisteredMeter
 * @typedef {Record<string, string>} Texts by path; empty where nothing is known
 * @typedef {{ path: string, message: string }} Fault
 *
 * @typedef {object} Field
 * @property {string} path
 * @property {string} label with its unit
 * @property {'text' | 'number' | 'date' | 'choice'} kind
 * @property {number} [charsMax]
 * @property {boolean} [isRequired]
 */

/** @type {readonly Field[]} */
export const FIELDS = [
  { path: 'serial', label: 'Serial number', kind: 'text', charsMax: 64 },
  { path: 'customerClass', label: 'Class', kind: 'text', charsMax: 64, isRequired: true },
  { path: 'region', label: 'Region', kind: 'text', charsMax: 64, isRequired: true },
  { path: 'phases', label: 'Phases', kind: 'choice' },
  { path: 'address.street', label: 'Street', kind: 'text', charsMax: 128 },
  { path: 'address.postalCode', label: 'Postal code', kind: 'text', charsMax: 16 },
  { path: 'address.city', label: 'City', kind: 'text', charsMax: 128 },
  { path: 'address.country', label: 'Country (as DE)', kind: 'text', charsMax: 2 },
  { path: 'location.latitude', label: 'Latitude (°)', kind: 'number' },
  { path: 'location.longitude', label: 'Longitude (°)', kind: 'number' },
  { path: 'manufacturer', label: 'Manufacturer', kind: 'text', charsMax: 64 },
  { path: 'model', label: 'Model', kind: 'text', charsMax: 64 },
  { path: 'ratedPowerKw', label: 'Rated power (kW)', kind: 'number' },
  { path: 'cadenceSeconds', label: 'Should send every (s)', kind: 'number' },
  { path: 'installedOn', label: 'Installed on', kind: 'date' },
  { path: 'removedOn', label: 'Removed on', kind: 'date' },
  { path: 'note', label: 'Note', kind: 'text', charsMax: 500 },
];

/** Of an entry that is made: its id is chosen once. @type {readonly Field[]} */
export const NEW_FIELDS = [{ path: 'meterId', label: 'Meter', kind: 'text', charsMax: 64, isRequired: true }, ...FIELDS];
/** What the gateway takes as an id of a meter. */
export const METER_ID = /^[A-Za-z0-9._:-]{1,64}$/;
/** Of most. */
const USUAL_CLASS = 'residential';
/** One of which nothing is known, as what is typed of another is different from it. */
const NOTHING = /** @type {RegisteredMeter} */ ({});

/** @param {string} meterId @returns {Texts} */
export function newTexts(meterId) {
  return { ...textsOf(NOTHING), meterId, customerClass: USUAL_CLASS };
}

/**
 * An entry as it is made. Faults are of what no body can say, and of what has no name without them.
 * @param {Texts} texts
 * @returns {{ id: string, facts: Record<string, unknown>, faults: Fault[] }}
 */
export function newEntryOf(texts) {
  const { change: facts, faults } = changeOf(NOTHING, texts);
  const id = texts.meterId.trim();
  if (facts.region === undefined) faults.unshift({ path: 'region', message: 'a new meter needs a region' });
  if (!METER_ID.test(id)) faults.unshift({ path: 'meterId', message: 'expected 1–64 characters of A–Z a–z 0–9 . _ : -' });
  return { id, facts, faults };
}

/** @param {RegisteredMeter} meter @returns {Texts} */
export function textsOf(meter) {
  return Object.fromEntries(FIELDS.map(({ path }) => [path, String(valueAt(meter, path) ?? '')]));
}

/**
 * What somebody changed, and nothing else: two who change different fields do not undo each other's work. Faults are of what is no number, which no body can say.
 * @param {RegisteredMeter} base as it was when they began @param {Texts} texts
 * @returns {{ change: Record<string, unknown>, faults: Fault[] }}
 */
export function changeOf(base, texts) {
  const before = textsOf(base);
  /** @type {Record<string, any>} */
  const change = {};
  /** @type {Fault[]} */
  const faults = [];
  for (const { path, kind } of FIELDS) {
    if (texts[path].trim() === before[path]) continue;
    const value = valueOf(texts[path], kind);
    if (Number.isNaN(value)) faults.push({ path, message: 'expected a number' });
    const [name, part] = path.split('.');
    change[name] = part === undefined ? value : { ...change[name], [part]: value };
  }
  if (change.location !== undefined) change.location = placeOf(base, change.location, faults);
  return { change, faults };
}

/** A place is both of its degrees, or none. @param {RegisteredMeter} base @param {object} changed @param {Fault[]} faults */
function placeOf(base, changed, faults) {
  const { latitude = null, longitude = null } = { ...base.location, ...changed };
  if (latitude === null && longitude === null) return null;
  if (latitude === null) faults.push({ path: 'location.latitude', message: 'expected both degrees, or none' });
  if (longitude === null) faults.push({ path: 'location.longitude', message: 'expected both degrees, or none' });
  return { latitude, longitude };
}

/**
 * What somebody has typed, over an entry that somebody else has changed meanwhile: what they left alone is as it is now. `clashes`: what both changed, as it is now.
 * @param {RegisteredMeter} base @param {Texts} texts @param {RegisteredMeter} now
 * @returns {{ texts: Texts, clashes: Texts }}
 */
export function overNewer(base, texts, now) {
  const [before, after] = [textsOf(base), textsOf(now)];
  /** @type {Texts} */
  const merged = {};
  /** @type {Texts} */
  const clashes = {};
  for (const { path } of FIELDS) {
    const isOwn = texts[path].trim() !== before[path];
    merged[path] = isOwn ? texts[path] : after[path];
    if (isOwn && after[path] !== before[path] && after[path] !== texts[path].trim()) clashes[path] = after[path];
  }
  return { texts: merged, clashes };
}

/** @param {string} text @param {Field['kind']} kind */
function valueOf(text, kind) {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  return kind === 'number' || kind === 'choice' ? Number(trimmed.replace(',', '.')) : trimmed;
}

/** @param {any} thing @param {string} path */
function valueAt(thing, path) {
  return path.split('.').reduce((value, name) => value?.[name] ?? null, thing);
}
