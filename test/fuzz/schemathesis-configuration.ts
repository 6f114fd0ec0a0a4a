/** How much Schemathesis does by chance, and what it may put into fields so that things come about: no request by chance names a time zone, or a time that is not over. Each now and then only: the rest stays chance. */

const HOUR_MS = 3_600_000;
const later = (hours: number): string => new Date(Date.now() + hours * HOUR_MS).toISOString();

interface Words {
  values: readonly string[];
  /** As `body.zone`, or a name wherever it stands. */
  fields: readonly string[];
  share: number;
}

const WORDS = (): Record<string, Words> => ({
  zones: { values: ['Europe/Berlin', 'UTC', 'America/New_York'], fields: ['body.zone', 'query.zone'], share: 0.9 },
  locales: { values: ['en', 'de-CH'], fields: ['body.locale'], share: 0.9 },
  // Those of seeded-engine.ts, and of the document's examples.
  meters: { values: ['meter:1', 'meter-1'], fields: ['path.meterId', 'query.meterId', 'body.meterId'], share: 0.8 },
  regions: { values: ['north', 'hot', 'region-01'], fields: ['path.region', 'query.region', 'body.region'], share: 0.8 },
  tariffs: { values: ['flat'], fields: ['body.tariffId', 'query.tariffs'], share: 0.8 },
  // Of silences, prices, keys and assignments, none longer than a year.
  ends: { values: [later(1), later(24)], fields: ['body.endsAt', 'body.until', 'body.expiresAt'], share: 0.9 },
});

/** Of each operation. With a seed of its own each time: many short runs see more than a long one. */
const REQUESTS_BY_CHANCE = 10;
/** Each some six requests long. */
const CHAINS = 60;

/** In TOML. */
export function schemathesisConfiguration(): string {
  const words = Object.entries(WORDS());
  const dictionaries = words.map(([name, { values }]) => `[dictionaries.${name}]\nvalues = ${JSON.stringify(values)}`);
  const parameters = words.flatMap(([name, { fields, share }]) => fields.map((field) => `"${field}" = { dictionary = "${name}", probability = ${share} }`));
  const bounds = [['fuzzing', REQUESTS_BY_CHANCE], ['stateful', CHAINS]].map(([phase, most]) => `[phases.${phase}.generation]\nmax-examples = ${most}`);
  return [...bounds, ...dictionaries, '[parameters]', ...parameters, ''].join('\n');
}
