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

/** What was agreed, without the customer: what many are looked at for. */
export type AgreementTerms = Pick<Agreement, 'id' | 'customerClass' | 'tariffId' | 'movedIn' | 'movedOut'>;

/** As they are stored. */
type Terms = [id: string, customerClass: string, tariffId: string | null, movedIn: string, movedOut: string | null];

export class AgreementBook {
  private readonly table: StagedTable<Agreement>;
  /** By meter, all that there are, in order of their making: found with one look, where a range of keys and each agreement are three, and read in a fifth of the time. */
  private readonly terms: StagedTable<Terms[]>;
  /** `meter!id`, of engines that kept no terms. A meter that has terms has all of them. */
  private readonly byMeter: StagedTable<true>;
  private readonly sequences: Sequences;
  private hasOlder = false;

  constructor(staged: StagedStore, sequences: Sequences) {
    this.table = staged.table('agreements');
    this.terms = staged.table('agreement-terms');
    this.byMeter = staged.table('agreements-by-meter');
    this.sequences = sequences;
  }

  load(): void {
    this.hasOlder = this.byMeter.range({ from: '', to: afterPrefix('') }).next().done !== true;
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
  termsOf(meterId: string): AgreementTerms[] {
    const stored = this.terms.get(meterId);
    if (stored !== null) return stored.map(([id, customerClass, tariffId, movedIn, movedOut]) => ({ id, customerClass, tariffId, movedIn, movedOut }));
    return this.hasOlder ? this.olderOf(meterId) : [];
  }

  private olderOf(meterId: string): Agreement[] {
    const prefix = `${meterId}!`;
    return this.byMeter.keys(prefix, afterPrefix(prefix)).map((key) => this.get(key.slice(prefix.length)));
  }

  /** In order of their making. */
  ofMeter(meterId: string): Agreement[] {
    return this.termsOf(meterId).map(({ id }) => this.get(id));
  }

  /** The one that a day is in. */
  ofMeterOn(meterId: string, date: string): Agreement | null {
    const found = this.termsOf(meterId).find((terms) => overlaps(terms, date, date));
    return found === undefined ? null : this.get(found.id);
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
    this.put(made);
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
    this.put(changed);
    return changed;
  }

  private put(agreement: Agreement): void {
    const { id, meterId } = agreement;
    const before = this.termsOf(meterId);
    const all = before.some((other) => other.id === id) ? before.map((other) => (other.id === id ? agreement : other)) : [...before, agreement];
    this.table.put(id, agreement);
    this.terms.put(meterId, all.map(({ id, customerClass, tariffId, movedIn, movedOut }) => [id, customerClass, tariffId, movedIn, movedOut]));
  }

  private checkSpan({ meterId, movedIn, movedOut }: NewAgreement, id: string | null): void {
    if (movedOut !== null && movedOut <= movedIn) throw new OperationalError('bad_span', `an agreement that begins on ${movedIn} cannot end on ${movedOut}`);
    for (const other of this.termsOf(meterId)) {
      if (other.id === id || (movedOut !== null && other.movedIn >= movedOut) || (other.movedOut !== null && other.movedOut <= movedIn)) continue;
      throw new OperationalError('agreement_overlaps', `meter ${meterId} has agreement ${other.id} from ${other.movedIn} ${other.movedOut === null ? 'on' : `to ${other.movedOut}`}`);
    }
  }
}

/** The how manieth it was that was made. */
export function agreementNumber({ id }: Pick<Agreement, 'id'>): number {
  return Number(id.slice(ID_PREFIX.length));
}

/** Whether one of the days `first` to `last`, both included, is in it. */
export function overlaps({ movedIn, movedOut }: Pick<Agreement, 'movedIn' | 'movedOut'>, first: string, last: string): boolean {
  return movedIn <= last && (movedOut === null || movedOut > first);
}
