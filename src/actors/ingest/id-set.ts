import { murmur2 } from '../../model/ids.ts';

/** Ids of meters or regions, found by their bytes as a decoder leaves them: no text is made of a reading's. */
export class IdSet {
  /** By murmur2. Two ids of one hash are next to never together, and cost a look at both. */
  private readonly byHash = new Map<number, Uint8Array[]>();

  constructor(ids: Iterable<string>) {
    for (const id of ids) {
      const bytes = new Uint8Array(Buffer.from(id, 'latin1'));
      const hash = murmur2(bytes, 0, bytes.length);
      const others = this.byHash.get(hash);
      if (others === undefined) this.byHash.set(hash, [bytes]);
      else others.push(bytes);
    }
  }

  /** `hash`: murmur2 of the first `length` of `bytes`, unsigned. */
  has(bytes: Uint8Array, length: number, hash: number): boolean {
    const candidates = this.byHash.get(hash);
    if (candidates === undefined) return false;
    for (const id of candidates) {
      if (isSame(id, bytes, length)) return true;
    }
    return false;
  }
}

function isSame(id: Uint8Array, bytes: Uint8Array, length: number): boolean {
  if (id.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (id[i] !== bytes[i]) return false;
  }
  return true;
}
