import type { Sequences } from './sequences.ts';

const DIGITS = 6;

/** Numbers of invoices and credit notes: without gaps in each year, as each is given in the commit that issues what has it. */
export class InvoiceNumbers {
  private readonly sequences: Sequences;

  constructor(sequences: Sequences) {
    this.sequences = sequences;
  }

  /** `date`: the day of issue, whose year it counts in. */
  next(prefix: 'INV' | 'CN', date: string): string {
    const year = `${prefix}-${date.slice(0, 4)}`;
    return `${year}-${String(this.sequences.next(year)).padStart(DIGITS, '0')}`;
  }
}
