import { crc32 } from 'node:zlib';
import { OperationalError } from '../../runtime/errors.ts';
import { PROFILE_BYTES, type ProfileCells } from './detection/seasonal-profile.ts';

/** A page's hour-of-week profiles on disk: checksum u32 (little endian, 4 bytes of padding), then the rows as they are in memory. */
const HEADER_BYTES = 8;

/** Profiles of the page's first `rowCount` rows, in a buffer of its own. */
export function profileSnapshot(profiles: ProfileCells, rowCount: number): Uint8Array {
  const rows = profiles.u8.subarray(0, rowCount * PROFILE_BYTES);
  const bytes = new Uint8Array(HEADER_BYTES + rows.length);
  bytes.set(rows, HEADER_BYTES);
  new DataView(bytes.buffer).setUint32(0, crc32(rows), true);
  return bytes;
}

/** Fills profiles from a snapshot. Throws OperationalError `corrupt` when it fails its checksum. */
export function restoreProfiles(bytes: Uint8Array, profiles: ProfileCells): void {
  const rows = bytes.subarray(HEADER_BYTES);
  const stored = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES).getUint32(0, true);
  if (stored !== crc32(rows)) throw new OperationalError('corrupt', 'hour-of-week profiles fail their checksum');
  profiles.u8.set(rows);
}
