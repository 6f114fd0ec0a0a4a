/** Seeded damage to bodies. */

/** Numbers in [0, 1) from a seed (mulberry32, Tommy Ettinger, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes that mean something to one of the formats, so that mutants get past the first check. */
const TELLING = [...Buffer.from('{}[],:"\\ \n\r\t-+.eE0123456789tfnuTZz/bABCDEFabcdef'), 0x00, 0x1f, 0x7f, 0x80, 0xc0, 0xc1, 0xc3, 0xcb, 0xcf, 0xd3, 0xd7, 0xd9, 0xdc, 0xdf, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xff];

/** A copy of the body with one to four bytes or spans flipped, replaced, inserted, deleted, doubled, swapped or cut off. */
export function mutate(body: Uint8Array, random: () => number): Uint8Array {
  let bytes = Array.from(body);
  const below = (limit: number) => Math.floor(random() * limit);
  const telling = () => TELLING[below(TELLING.length)];
  for (let rounds = 1 + below(4); rounds > 0; rounds--) {
    const at = below(bytes.length + 1);
    const span = 1 + below(12);
    switch (below(8)) {
      case 0:
        if (at < bytes.length) bytes[at] ^= 1 << below(8);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = telling();
        break;
      case 2:
        if (at < bytes.length) bytes[at] = below(256);
        break;
      case 3:
        bytes.splice(at, 0, telling());
        break;
      case 4:
        bytes.splice(at, below(3) === 0 ? span : 1);
        break;
      case 5:
        bytes.splice(at, 0, ...bytes.slice(at, at + span));
        break;
      case 6:
        bytes.splice(at, 0, ...bytes.splice(below(bytes.length + 1), span));
        break;
      default:
        if (below(4) === 0) bytes = bytes.slice(0, at);
        break;
    }
  }
  return Uint8Array.from(bytes);
}
