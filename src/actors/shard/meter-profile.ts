import { PROFILE_BYTES, profileCells, type ProfileCells, type ProfileSource } from './detection/seasonal-profile.ts';
import { rowInPage, type MeterPage } from './meter-pages.ts';
import { ROWS_PER_PAGE } from './page-layout.ts';
import { decodeProfiles } from './page-profiles.ts';

/** The store's side: the record of one hour of the day, or undefined. Borrowed. */
export interface ProfileStore {
  profileHour(page: MeterPage, hourOfDay: number): Uint8Array | undefined;
}

/** One meter's profile, of those in its page or in the store. One object for all meters: `of` sets it to one. */
export class MeterProfile implements ProfileSource {
  private readonly store: ProfileStore;
  private readonly keeps: boolean;
  private page!: MeterPage;
  private row = 0;

  /** Without `keeps`, what is loaded is not kept in the page, and not to be changed: for queries. */
  constructor(store: ProfileStore, { keeps }: { keeps: boolean }) {
    this.store = store;
    this.keeps = keeps;
  }

  of(page: MeterPage, row: number): this {
    this.page = page;
    this.row = row;
    return this;
  }

  hour(hourOfDay: number, changes: boolean): ProfileCells {
    const { profiles } = this.page;
    let hour = profiles.find(hourOfDay);
    if (hour === undefined) {
      const cells = this.load(hourOfDay);
      hour = this.keeps ? profiles.add(hourOfDay, cells) : { cells, isChanged: false };
    }
    hour.isChanged ||= changes;
    hour.cells.at = rowInPage(this.row) * PROFILE_BYTES;
    return hour.cells;
  }

  private load(hourOfDay: number): ProfileCells {
    const cells = profileCells(new ArrayBuffer(ROWS_PER_PAGE * PROFILE_BYTES));
    const stored = this.store.profileHour(this.page, hourOfDay);
    if (stored !== undefined) decodeProfiles(stored, cells);
    return cells;
  }
}
