/**
 * Characters of `bytes[start, end)` as JavaScript counts them (UTF-16 units): one for each UTF-8 sequence, two for each of four
 * bytes. The bytes are UTF-8, or such with lone surrogates in three bytes each.
 */
export function utf16Length(bytes: Uint8Array, start: number, end: number): number {
  let units = 0;
  for (let p = start; p < end; p++) {
    const c = bytes[p];
    if ((c & 0xc0) !== 0x80) units += c >= 0xf0 ? 2 : 1;
  }
  return units;
}
