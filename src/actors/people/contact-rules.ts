import { z } from 'zod';
import { SEVERITIES, type Severity } from '../../model/anomaly.ts';
import { CHANNEL_NAMES, WEEKDAYS, type ScheduleOverride } from '../../model/contact.ts';
import { dayPattern } from '../../model/day-pattern.ts';
import { FAULT_LINE, FAULT_LINES, LINES, NOT_BLANK, ONE_LINE } from '../../model/plain-text.ts';
import type { NewContact, NewSchedule } from '../notifications/protocol.ts';
import { isZone } from './local-time.ts';

/** What people and schedules may be: documents as the API takes them, every field checked, every fault named with its path. */

/** Of one person; a phone, a tablet, a watch and what they had before. */
const PUSH_TOKENS_MAX = 20;
/** FCM's are some 160 characters long and may grow. */
const PUSH_TOKEN_CHARACTERS_MAX = 1_024;
/** RFC 5321, 4.5.3.1.3, without the angle brackets. */
const EMAIL_CHARACTERS_MAX = 254;
/** Before the @: RFC 5321, 4.5.3.1.1. */
const EMAIL_LOCAL_CHARACTERS_MAX = 64;
const URL_CHARACTERS_MAX = 2_048;
const NAME_CHARACTERS_MAX = 128;
const WHY_CHARACTERS_MAX = 512;
/** Every span is looked at for every message. */
const SPANS_MAX = 50;
const PATTERNS_MAX = 100;
/** Every layer is looked at for every notice. */
const LAYERS_MAX = 20;
const LAYER_PEOPLE_MAX = 100;
const TURN_DAYS_MAX = 366;
const OVERRIDE_MS_MAX = 366 * 86_400_000;
const DIGEST_MS_MIN = 60_000;
const DIGEST_MS_MAX = 7 * 86_400_000;
const PER_HOUR_MAX = 1_000;
/** Standard Webhooks asks for 24 to 64 bytes: as many groups of three in Base64, and what is left of the last. Written as a pattern, so that the API's document says it. */
const WEBHOOK_SECRET = /^whsec_([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|([A-Za-z0-9+/]{4})?[A-Za-z0-9+/]{2}==)?$/;
/** What of a URL a pattern can say. */
const WEBHOOK_URL = /^https?:\/\/[^\s#]+$/;
const FAULT_WEBHOOK_URL = 'expected an https URL (http to this machine alone) without user, password and fragment';

/** One thing that is wrong with a document. */
export interface DocumentFault {
  /** As `addresses.sms` or `layers[0].people[1]`; empty: the document as a whole. */
  path: string;
  message: string;
}

export type Checked<T> = { value: T; faults: null } | { value: null; faults: DocumentFault[] };

/** Checks a document against one of the schemas below. */
export function checkDocument<T>(schema: z.ZodType<T>, document: unknown): Checked<T> {
  const parsed = schema.safeParse(document);
  if (parsed.success) return { value: parsed.data, faults: null };
  return { value: null, faults: parsed.error.issues.map(({ path, message }) => ({ path: pathText(path), message })) };
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('');
}

/** Without control characters: names go into subjects and headers. */
const line = (charactersMax: number) =>
  z
    .string()
    .trim()
    .max(charactersMax, `expected ${charactersMax} characters at most`)
    .regex(NOT_BLANK, 'expected a text')
    .regex(ONE_LINE, FAULT_LINE);

const id = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected an id: 1–64 of A–Z a–z 0–9 . _ -');
const zone = z.string().max(64).refine(isZone, 'expected a time zone such as Europe/Berlin');
const locale = z
  .string()
  .max(64)
  .refine((text) => canonicalLocale(text) !== null, 'expected a language such as en or de-CH')
  .transform((text) => canonicalLocale(text)!);
const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day such as 07:30');
const severity = z.enum(SEVERITIES);
const pattern = z.string().regex(/^[A-Za-z0-9._:*-]{1,64}$/, 'expected a name, where * may stand for any characters');

const span = z.strictObject({ days: z.array(z.enum(WEEKDAYS)).max(WEEKDAYS.length).default([]), from: timeOfDay, to: timeOfDay });
const spans = z.array(span).max(SPANS_MAX);

const emailSchema = z
  .email('expected an e-mail address')
  .max(EMAIL_CHARACTERS_MAX)
  .refine((text) => text.indexOf('@') <= EMAIL_LOCAL_CHARACTERS_MAX, `expected ${EMAIL_LOCAL_CHARACTERS_MAX} characters at most before the @`);

const addresses = z.strictObject({
  email: emailSchema.nullable().default(null),
  sms: z
    .string()
    .regex(/^\+[1-9]\d{6,14}$/, 'expected a number in E.164, such as +41791234567')
    .nullable()
    .default(null),
  push: z
    .array(z.string().max(PUSH_TOKEN_CHARACTERS_MAX).regex(/^[\x21-\x7e]+$/, 'expected a registration token'))
    .max(PUSH_TOKENS_MAX)
    .refine((tokens) => new Set(tokens).size === tokens.length, 'expected each token once')
    .meta({ uniqueItems: true })
    .default([]),
  webhook: z
    .strictObject({
      url: z.string().max(URL_CHARACTERS_MAX).regex(WEBHOOK_URL, { error: FAULT_WEBHOOK_URL, abort: true }).refine(isWebhookUrl, FAULT_WEBHOOK_URL),
      secret: z.string().regex(WEBHOOK_SECRET, 'expected whsec_ and 24 to 64 bytes in Base64'),
    })
    .nullable()
    .default(null),
});

const channels = z
  .array(z.enum(CHANNEL_NAMES))
  .max(CHANNEL_NAMES.length)
  .refine((names) => new Set(names).size === names.length, 'expected each channel once')
  .meta({ uniqueItems: true });

const preferences = z.strictObject({
  channels: z
    .strictObject({
      INFO: channels.default(['email', 'webhook']),
      WARN: channels.default(['push', 'email', 'webhook']),
      CRITICAL: channels.default(['push', 'sms', 'email', 'webhook']),
    } satisfies Record<Severity, unknown>)
    .prefault({}),
  subscription: z
    .strictObject({ severityMin: severity, regions: z.array(pattern).max(PATTERNS_MAX).default([]) })
    .nullable()
    .default(null),
  quietHours: z
    .strictObject({ spans: spans.min(1), exceptFrom: severity.default('CRITICAL') })
    .nullable()
    .default(null),
  digest: z
    .strictObject({ severityMax: severity, everyMs: z.int().min(DIGEST_MS_MIN).max(DIGEST_MS_MAX) })
    .nullable()
    .default(null),
  perHourMax: z.int().min(1).max(PER_HOUR_MAX).default(30),
});

/** What a contact wants, as a whole. */
export const newPreferencesSchema: z.ZodType<NewContact['preferences']> = preferences;

const contactFields = { name: line(NAME_CHARACTERS_MAX), zone, locale, addresses, preferences };

/** A new contact; what may be left out has a default. */
export const newContactSchema: z.ZodType<NewContact> = z.strictObject({ ...contactFields, zone: zone.default('UTC'), locale: locale.prefault('en'), addresses: addresses.prefault({}), preferences: preferences.prefault({}) });
/** A change of one: each field that is there replaces the old one as a whole. */
export const contactChangeSchema: z.ZodType<Partial<NewContact>> = z.strictObject(contactFields).partial();

const layer = z.strictObject({
  name: line(NAME_CHARACTERS_MAX),
  people: z.array(id).min(1).max(LAYER_PEOPLE_MAX),
  startsOn: z.string().regex(dayPattern('199\\d|20\\d\\d|2100', '199[26]|20([02468][048]|[13579][26])'), 'expected a date of 1990 to 2100, such as 2026-01-31'),
  handoffAt: timeOfDay,
  turnDays: z.int().min(1).max(TURN_DAYS_MAX),
  restrictions: spans.default([]),
});

const layers = z.array(layer).min(1).max(LAYERS_MAX);
const scheduleFields = { name: line(NAME_CHARACTERS_MAX), zone, layers };

export const newScheduleSchema: z.ZodType<NewSchedule> = z.strictObject(scheduleFields);
/** As of contacts. */
export const scheduleChangeSchema: z.ZodType<Partial<NewSchedule>> = z.strictObject(scheduleFields).partial();

const instant = z.iso.datetime({ offset: true, message: 'expected a time such as 2026-01-31T08:00:00Z' }).transform((text) => Date.parse(text));

/** An override as a document has it: times in ISO 8601. */
export const newOverrideSchema: z.ZodType<Omit<ScheduleOverride, 'id'>> = z
  .strictObject({ contactId: id, from: instant, to: instant, by: line(NAME_CHARACTERS_MAX), why: z.string().max(WHY_CHARACTERS_MAX).regex(LINES, FAULT_LINES).default('') })
  .refine(({ from, to }) => to > from, { path: ['to'], message: 'expected a time after from' })
  .refine(({ from, to }) => to - from <= OVERRIDE_MS_MAX, { path: ['to'], message: 'expected a year after from at most' });

function canonicalLocale(text: string): string | null {
  try {
    return Intl.getCanonicalLocales(text)[0] ?? null;
  } catch {
    return null;
  }
}

function isWebhookUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname));
}
