import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

/** The page speaks one language, its figures and days too, whatever the language of who looks at it. What that is is read when a process starts, hence processes. */
const WEB = join(import.meta.dirname, '../../web');

const SAID = `
  const [format, money] = await Promise.all([import('./format.js'), import('./money.js')]);
  const at = Date.parse('2026-03-01T21:14:05Z');
  console.log(JSON.stringify([
    format.formatCount(1234567), format.formatDecimal(1234.5, 2), format.formatPower(-14.84), format.formatPower(14840), format.formatPercent(1234),
    format.formatTime(at), format.formatMinute(at), format.formatMoment(at, at + 864e5), format.formatFull(at), format.formatZone(at), format.zoneId(),
    money.formatMoney('-1234.50', 'EUR'), money.formatPrice('0.2735', 'EUR'), money.formatMoney('2.5', 'no currency'), money.formatKwh('1234.5'), money.formatKwh(7.25),
    money.formatDay('2026-07-01'), money.formatDays('2026-07-01', '2026-08-01'), money.formatMonth('2026-07'),
  ]));
`;

function saidTo(locale: string): string[] {
  const env = { ...process.env, LC_ALL: locale, LANG: locale, TZ: 'Europe/Berlin' };
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', SAID], { cwd: WEB, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as string[];
}

describe('the language of the page', () => {
  test.each(['en_US.UTF-8', 'de_DE.UTF-8', 'tr_TR.UTF-8', 'ar_EG.UTF-8', 'fa_IR.UTF-8'])('is English to who has %s', (locale) => {
    // Between the parts of a span of days ICU has spaces of several widths.
    expect(saidTo(locale).map((text) => text.replace(/\s/g, ' '))).toEqual([
      '1,234,567', '1,234.50', '-14.8 kW', '14.84 MW', '1,234 %',
      '22:14:05', '22:14', '01 Mar, 22:14', '01 Mar 2026, 22:14:05', 'CET', 'Europe/Berlin',
      '-€1,234.50', '€0.2735', '2.5', '1,235 kWh', '7.25 kWh',
      '1 Jul 2026', '1 – 31 Jul 2026', 'July 2026',
    ]);
  });

  test('is chosen in one place: no other file has figures or days made in that of the browser', () => {
    const files = readdirSync(WEB, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
    const ofTheBrowser = /\.toLocale\w*String\(|Intl\.\w+\((?:\)|undefined)|\.localeCompare\([\w.]+\)|navigator\.language/;
    expect(files.filter((file) => ofTheBrowser.test(readFileSync(join(WEB, file), 'utf8')))).toEqual([]);
  });
});
