/** Pairs of bytes in one ArrayBuffer, to be transferred between threads: count u32, lengths i32 in turn (−1: null), then the bytes. */

export interface KeyValue {
  key: Uint8Array;
  value: Uint8Array | null;
}

const COUNT_BYTES = 4;

export function packKeyValues(pairs: readonly KeyValue[]): ArrayBuffer {
  let heap = 0;
  for (const { key, value } of pairs) heap += key.length + (value?.length ?? 0);
  const lengthsEnd = COUNT_BYTES + pairs.length * 8;
  const buffer = new ArrayBuffer(lengthsEnd + heap);
  const bytes = new Uint8Array(buffer);
  new Uint32Array(buffer, 0, 1)[0] = pairs.length;
  const lengths = new Int32Array(buffer, COUNT_BYTES, pairs.length * 2);
  let at = lengthsEnd;
  pairs.forEach(({ key, value }, i) => {
    lengths[2 * i] = key.length;
    lengths[2 * i + 1] = value === null ? -1 : value.length;
    bytes.set(key, at);
    at += key.length;
    if (value === null) return;
    bytes.set(value, at);
    at += value.length;
  });
  return buffer;
}

/** The pairs as views of the buffer. */
export function unpackKeyValues(buffer: ArrayBuffer): KeyValue[] {
  const [count] = new Uint32Array(buffer, 0, 1);
  const lengths = new Int32Array(buffer, COUNT_BYTES, count * 2);
  let at = COUNT_BYTES + count * 8;
  return Array.from({ length: count }, (_, i) => {
    const key = new Uint8Array(buffer, at, lengths[2 * i]);
    at += key.length;
    const valueLength = lengths[2 * i + 1];
    if (valueLength < 0) return { key, value: null };
    at += valueLength;
    return { key, value: new Uint8Array(buffer, at - valueLength, valueLength) };
  });
}
