import { crc32 } from 'node:zlib';
import { OperationalError } from '../../runtime/errors.ts';
import { PROFILE_BYTES, type ProfileCells } from './detection/seasonal-profile.ts';

/**
 * Hour-of-week profiles lie in the store, by page and hour of the day: a meter looks at two of the 24 when its hour turns and at none in between. All of them in
 * memory would be more than all the rest of a meter.
 *
 * A record: checksum u32 (little endian), then the rows as they are in memory.
 */
const HEADER_BYTES = 4;

interface LoadedHour {
  cells: ProfileCells;
  /** Not on disk as it is, and not on its way there. */
  isChanged: boolean;
}

/** Of one page, the hours of the day that changed since they were written, or were looked at since the page was. */
export class PageProfiles {
  private readonly hours = new Map<number, LoadedHour>();

  find(hourOfDay: number): LoadedHour | undefined {
    return this.hours.get(hourOfDay);
  }

  add(hourOfDay: number, cells: ProfileCells): LoadedHour {
    const hour = { cells, isChanged: false };
    this.hours.set(hourOfDay, hour);
    return hour;
  }

  /** The hours to write; they count as unchanged from here on. */
  takeChanged(): { hourOfDay: number; cells: ProfileCells }[] {
    const taken = [];
    for (const [hourOfDay, hour] of this.hours) {
      if (!hour.isChanged) continue;
      hour.isChanged = false;
      taken.push({ hourOfDay, cells: hour.cells });
    }
    return taken;
  }

  /** What was taken is on disk: forgets all that has not changed since. */
  written(): void {
    for (const [hourOfDay, hour] of this.hours) if (!hour.isChanged) this.hours.delete(hourOfDay);
  }

  /** What was taken is not on disk. */
  notWritten(hoursOfDay: readonly number[]): void {
    for (const hourOfDay of hoursOfDay) this.hours.get(hourOfDay)!.isChanged = true;
  }
}

/** The record of an hour of the day, of the page's first `rowCount` rows, in a buffer of its own. */
export function encodeProfiles(cells: ProfileCells, rowCount: number): Uint8Array {
  const rows = cells.u8.subarray(0, rowCount * PROFILE_BYTES);
  const bytes = new Uint8Array(HEADER_BYTES + rows.length);
  bytes.set(rows, HEADER_BYTES);
  new DataView(bytes.buffer).setUint32(0, crc32(rows), true);
  return bytes;
}

/** Fills empty cells from a record. Throws OperationalError `corrupt` when it is not one. */
export function decodeProfiles(bytes: Uint8Array, cells: ProfileCells): void {
  const rows = bytes.subarray(HEADER_BYTES);
  if (bytes.length < HEADER_BYTES || rows.length > cells.u8.length || rows.length % PROFILE_BYTES !== 0) throw new OperationalError('corrupt', 'hour-of-week profiles have a length that none may have');
  const stored = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES).getUint32(0, true);
  if (stored !== crc32(rows)) throw new OperationalError('corrupt', 'hour-of-week profiles fail their checksum');
  cells.u8.set(rows);
}
