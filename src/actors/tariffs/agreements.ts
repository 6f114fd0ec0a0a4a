import type { Agreement, NewAgreement } from '../../model/billing.ts';
import type { Page } from '../../model/queries.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { checkCursor, pageOf } from '../../runtime/record-page.ts';
import type { Sequences } from './sequences.ts';
import { afterPrefix, type StagedStore, type StagedTable } from '../../runtime/staged-store.ts';

/** Who is billed for which meter and when: a meter has one agreement at a time at most. */

const ID_DIGITS = 8;
const ID_PREFIX = 'AG-';

export interface AgreementChange {
  /** undefined: stays. */
  tariffId: string | null | undefined;
  customer: Agreement['customer'] | undefined;
  movedOut: string | null | undefined;
}

export class AgreementBook {
  private readonly table: StagedTable<Agreement>;
  /** `meter!id`. */
  private readonly byMeter: StagedTable<true>;
  private readonly sequences: Sequences;

  constructor(staged: StagedStore, sequences: Sequences) {
    this.table = staged.table('agreements');
    this.byMeter = staged.table('agreements-by-meter');
    this.sequences = sequences;
  }

  /** Throws `unknown_agreement`. */
  get(id: string): Agreement {
    const found = this.find(id);
    if (found === null) throw new OperationalError('unknown_agreement', `there is no agreement ${id}`);
    return found;
  }

  find(id: string): Agreement | null {
    return this.table.get(id);
  }

  /** That were ever made: their numbers are 1 to this. */
  get made(): number {
    return this.sequences.last('agreement');
  }

  /** In order of their making. */
  ofMeter(meterId: string): Agreement[] {
    const prefix = `${meterId}!`;
    return this.byMeter.keys(prefix, afterPrefix(prefix)).map((key) => this.get(key.slice(prefix.length)));
  }

  /** The one that a day is in. */
  ofMeterOn(meterId: string, date: string): Agreement | null {
    return this.ofMeter(meterId).find((agreement) => overlaps(agreement, date, date)) ?? null;
  }

  /** In order of id, from after `cursor`. Throws `bad_cursor`. */
  page(meterId: string | null, limit: number, cursor: string | null): Page<Agreement> {
    checkCursor(cursor, /^AG-\d{8,}$/);
    if (meterId === null) return pageOf(this.table.range({ from: cursor === null ? '' : `${cursor}\0`, to: afterPrefix('') }), limit, ({ record }) => record, ({ id }) => id);
    const all = this.ofMeter(meterId).filter(({ id }) => cursor === null || id > cursor);
    return { data: all.slice(0, limit), nextCursor: all.length > limit ? all[limit - 1].id : null };
  }

  /** Throws `bad_span`, `agreement_overlaps`. */
  make(agreement: NewAgreement): Agreement {
    this.checkSpan(agreement, null);
    const made: Agreement = { ...agreement, id: `${ID_PREFIX}${String(this.sequences.next('agreement')).padStart(ID_DIGITS, '0')}`, version: 1 };
    this.table.put(made.id, made);
    this.byMeter.put(`${made.meterId}!${made.id}`, true);
    return made;
  }

  /** Version null: whatever. Throws `unknown_agreement`, `stale_version`, `bad_span`, `agreement_overlaps`. */
  change(id: string, version: number | null, { tariffId, customer, movedOut }: AgreementChange): Agreement {
    const found = this.get(id);
    if (version !== null && version !== found.version) throw new OperationalError('stale_version', `agreement ${id} has version ${found.version}, not ${version}`);
    const changed: Agreement = {
      ...found,
      version: found.version + 1,
      tariffId: tariffId === undefined ? found.tariffId : tariffId,
      customer: customer ?? found.customer,
      movedOut: movedOut === undefined ? found.movedOut : movedOut,
    };
    this.checkSpan(changed, id);
    this.table.put(id, changed);
    return changed;
  }

  private checkSpan({ meterId, movedIn, movedOut }: NewAgreement, id: string | null): void {
    if (movedOut !== null && movedOut <= movedIn) throw new OperationalError('bad_span', `an agreement that begins on ${movedIn} cannot end on ${movedOut}`);
    for (const other of this.ofMeter(meterId)) {
      if (other.id === id || (movedOut !== null && other.movedIn >= movedOut) || (other.movedOut !== null && other.movedOut <= movedIn)) continue;
      throw new OperationalError('agreement_overlaps', `meter ${meterId} has agreement ${other.id} from ${other.movedIn} ${other.movedOut === null ? 'on' : `to ${other.movedOut}`}`);
    }
  }
}

/** The how manieth it was that was made. */
export function agreementNumber({ id }: Agreement): number {
  return Number(id.slice(ID_PREFIX.length));
}

/** Whether one of the days `first` to `last`, both included, is in it. */
export function overlaps({ movedIn, movedOut }: Agreement, first: string, last: string): boolean {
  return movedIn <= last && (movedOut === null || movedOut > first);
}
