// @ts-check
/**
 * The calendar of a tariff's document as lines of a picture, in the way of src/actors/tariffs/calendar-view.ts. Pure.
 *
 * @typedef {import('../bills/bill-types.js').TariffDocument} TariffDocument
 * @typedef {import('../bills/bill-types.js').Schedule} Schedule
 * @typedef {{ from: string, to: string, fromMinute: number, toMinute: number, period: string }} ViewedSpan
 * @typedef {{ season: string, days: string, spans: ViewedSpan[] }} CalendarRow `season`: empty where there are none
 */

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Kinds of day that a word in a rule stands for. @param {string} word */
function daysOf(word) {
  if (word === 'weekday') return WEEKDAYS.slice(0, 5);
  return word === 'weekend' ? WEEKDAYS.slice(5) : [word];
}

/** @param {string} time `07:30` */
function minuteOf(time) {
  const [hours, minutes] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

/** Every season and kind of day, those with the same spans together, and seasons that are all alike as one. @param {TariffDocument} document @param {Schedule} schedule @returns {CalendarRow[]} */
export function calendarRows({ seasons, holidays }, schedule) {
  const kinds = holidays.length > 0 ? [...WEEKDAYS, 'holiday'] : WEEKDAYS;
  const bySeason = (seasons.length === 0 ? [''] : seasons.map(({ name }) => name)).map((season) => rowsOfSeason(schedule, season, kinds));
  const areAlike = bySeason.every((rows) => JSON.stringify(rows) === JSON.stringify(bySeason[0]));
  return areAlike ? bySeason[0].map((row) => ({ ...row, season: '' })) : bySeason.flatMap((rows, i) => rows.map((row) => ({ ...row, season: seasons[i].name })));
}

/** @param {Schedule} schedule @param {string} season @param {string[]} kinds @returns {Omit<CalendarRow, 'season'>[]} */
function rowsOfSeason(schedule, season, kinds) {
  /** @type {Map<string, { kinds: string[], spans: ViewedSpan[] }>} */
  const alike = new Map();
  for (const kind of kinds) {
    const spans = spansOf(schedule, season, kind);
    const key = JSON.stringify(spans);
    const entry = alike.get(key) ?? { kinds: [], spans };
    entry.kinds.push(kind);
    alike.set(key, entry);
  }
  return [...alike.values()].map((entry) => ({ days: entry.kinds.length === kinds.length ? 'every day' : daysText(entry.kinds), spans: entry.spans }));
}

/** @param {Schedule} schedule @param {string} season @param {string} kind @returns {ViewedSpan[]} */
function spansOf({ rules }, season, kind) {
  const spans = rules.filter((rule) => (rule.seasons.length === 0 || season === '' || rule.seasons.includes(season)) && rule.days.some((day) => daysOf(day).includes(kind))).flatMap((rule) => rule.spans);
  return spans.map((span) => ({ ...span, fromMinute: minuteOf(span.from), toMinute: minuteOf(span.to) })).sort((a, b) => a.fromMinute - b.fromMinute);
}

/** Neighbours as a range: `mon–fri`, `sat, holiday`. @param {string[]} kinds */
function daysText(kinds) {
  /** @type {string[][]} */
  const runs = [];
  for (const kind of kinds) {
    const last = runs[runs.length - 1];
    if (kind !== 'holiday' && last !== undefined && WEEKDAYS.indexOf(last[last.length - 1]) === WEEKDAYS.indexOf(kind) - 1) last.push(kind);
    else runs.push([kind]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}–${run[run.length - 1]}` : run.join(', '))).join(', ');
}

/**
 * Periods by their price, the cheapest first: that of the first charge by the schedule, in its first tier. `heat` is 0 for the cheapest and 1 for the dearest.
 * @param {TariffDocument} document @param {Schedule} schedule
 */
export function viewedPeriods({ charges }, schedule) {
  const rates = charges.find((charge) => charge.schedule === schedule.name && charge.rates !== undefined)?.rates ?? [];
  const periods = schedule.periods.map(({ name, title = name }) => ({ name, title, prices: (rates.find(({ period }) => period === name)?.tiers ?? []).map(({ price }) => price) }));
  // For the order alone, so binary fractions do.
  const levels = [...new Set(periods.map(({ prices }) => Number(prices[0] ?? 0)))].sort((a, b) => a - b);
  const heat = (/** @type {string[]} */ prices) => (levels.length === 1 ? 0.5 : levels.indexOf(Number(prices[0] ?? 0)) / (levels.length - 1));
  return periods.map((period) => ({ ...period, heat: heat(period.prices) })).sort((a, b) => a.heat - b.heat);
}
