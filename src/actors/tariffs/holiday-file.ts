import { z } from 'zod';
import type { TariffDocument, TariffFault } from './tariff-document.ts';

/** Public holidays as others publish them: gov.uk's bank-holidays.json, as its address answers or as it lies in the source of gov.uk, and a plain list of dates and names. */

type Holidays = TariffDocument['holidays'];

export type HolidayFile = { holidays: Holidays; faults: readonly [] } | { holidays: null; faults: TariffFault[] };

const plain = z.array(z.object({ date: z.iso.date(), name: z.string().min(1) }));
/** By division: events with dates such as 2026-12-25. */
const published = z.record(z.string(), z.object({ events: z.array(z.object({ title: z.string().min(1), date: z.iso.date() })) }));
/** By division and year: dates such as 25/12/2020, and titles that are names of texts. */
const sourced = z.object({
  divisions: z.record(z.string(), z.record(z.string(), z.union([z.string(), z.array(z.object({ title: z.string().min(1), date: z.string().regex(/^\d{2}\/\d{2}\/\d{4}$/) }))]))),
});

/** `division`: of a country whose parts have other holidays. */
export function readHolidays(json: unknown, division: string): HolidayFile {
  const list = plain.safeParse(json);
  if (list.success) return sorted(list.data.map(({ date, name }) => ({ date, name })));
  const byDivision = published.safeParse(json);
  if (byDivision.success) return ofDivision(Object.fromEntries(Object.entries(byDivision.data).map(([name, { events }]) => [name, events.map(({ title, date }) => ({ date, name: title }))])), division);
  const source = sourced.safeParse(json);
  if (source.success) return ofDivision(Object.fromEntries(Object.entries(source.data.divisions).map(([name, years]) => [name, Object.values(years).flatMap((days) => (typeof days === 'string' ? [] : days.map(fromSource)))])), division);
  return { holidays: null, faults: [{ path: '', message: 'expected a list of "date" and "name", or bank holidays as gov.uk publishes them' }] };
}

function ofDivision(divisions: Readonly<Record<string, Holidays>>, division: string): HolidayFile {
  const found = Object.hasOwn(divisions, division) ? divisions[division] : undefined;
  if (found === undefined) return { holidays: null, faults: [{ path: '', message: `there is no division "${division}": expected ${Object.keys(divisions).join(', ')}` }] };
  return sorted(found);
}

/** In order, each day once. */
function sorted(holidays: Holidays): HolidayFile {
  const byDate = new Map(holidays.map((holiday) => [holiday.date, holiday]));
  return { holidays: [...byDate.values()].sort((a, b) => (a.date < b.date ? -1 : 1)), faults: [] };
}

/** `bank_holidays.good_friday` on `03/04/2015`. */
function fromSource({ title, date }: { title: string; date: string }): Holidays[number] {
  const words = title.replace(/^.*\./, '').replaceAll('_', ' ');
  return { date: date.split('/').reverse().join('-'), name: words.charAt(0).toUpperCase() + words.slice(1) };
}
