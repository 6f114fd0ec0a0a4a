import { AMOUNT_DIGITS, decimalText, parseDecimal } from '../../../model/decimal.ts';
import type { Invoice, InvoiceLine } from '../../../model/billing.ts';
import { GROUP_OF_KIND, LINE_GROUPS, type LineGroup } from './paper-words.ts';

/** What a bill's lines come to, in exact decimals. */

export function sumsByGroup(lines: readonly InvoiceLine[]): { group: LineGroup; amount: string }[] {
  const sums = new Map<LineGroup, bigint>();
  for (const { kind, amount } of lines) sums.set(GROUP_OF_KIND[kind], (sums.get(GROUP_OF_KIND[kind]) ?? 0n) + parseDecimal(amount, AMOUNT_DIGITS));
  return LINE_GROUPS.filter((group) => sums.has(group)).map((group) => ({ group, amount: decimalText(sums.get(group)!, AMOUNT_DIGITS) }));
}

/** What credit notes took off. */
export function takenBack({ total, paid, outstanding }: Invoice): string {
  return decimalText(parseDecimal(total, AMOUNT_DIGITS) - parseDecimal(paid, AMOUNT_DIGITS) - parseDecimal(outstanding, AMOUNT_DIGITS), AMOUNT_DIGITS);
}

/** Lines of one tariff version over the same days, which stand together under its name. */
export interface LineSection {
  tariffId: string;
  tariffVersion: number;
  from: string;
  to: string;
  lines: InvoiceLine[];
}

/** In the order of the lines. */
export function sectionsOf(lines: readonly InvoiceLine[]): LineSection[] {
  const sections: LineSection[] = [];
  for (const line of lines) {
    const { tariffId, tariffVersion, from, to } = line;
    const last = sections.at(-1);
    if (last !== undefined && last.tariffId === tariffId && last.tariffVersion === tariffVersion) {
      last.lines.push(line);
      if (from < last.from) last.from = from;
      if (to > last.to) last.to = to;
    } else {
      sections.push({ tariffId, tariffVersion, from, to, lines: [line] });
    }
  }
  return sections;
}
