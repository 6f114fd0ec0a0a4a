import type { TariffFault } from '../tariff-document.ts';

/** What an import has to say about a rate while it goes through it. */
export class ImportNotes {
  readonly faults: TariffFault[] = [];
  readonly notes: string[] = [];
  /** Prices that had more decimal places than there can be. */
  rounded = 0;

  fault(path: string, message: string): void {
    this.faults.push({ path, message });
  }

  add(note: string): void {
    this.notes.push(note);
  }
}
