import { PaddedBody } from './padded-body.ts';
import { FAULT } from './reading-rules.ts';

/** Tokens of MessagePack (github.com/msgpack/msgpack, spec.md) over a padded body. FAILED means `errorOffset` says where. */

export const FAILED = -1;

/** Kinds of a skipped value: a FAULT, or nil. */
export const KIND_NIL = 255;

/** First bytes of a value. */
export const TOKEN = {
  fixmap: 0x80,
  fixarray: 0x90,
  fixstr: 0xa0,
  nil: 0xc0,
  unused: 0xc1,
  bin8: 0xc4,
  ext8: 0xc7,
  float32: 0xca,
  float64: 0xcb,
  uint8: 0xcc,
  uint16: 0xcd,
  uint32: 0xce,
  uint64: 0xcf,
  int8: 0xd0,
  int16: 0xd1,
  int32: 0xd2,
  int64: 0xd3,
  fixext1: 0xd4,
  fixext16: 0xd8,
  str8: 0xd9,
  str16: 0xda,
  str32: 0xdb,
  array16: 0xdc,
  array32: 0xdd,
  map16: 0xde,
  map32: 0xdf,
  negativeFixint: 0xe0,
} as const;

const TWO_32 = 2 ** 32;

export class MsgpackScanner {
  readonly body = new PaddedBody();
  errorOffset = 0;
  /** A FAULT or KIND_NIL: what the value skipped last was. */
  skippedKind = 0;
  /** Payload bytes of the string or extension read last. */
  length = 0;
  /** Type of the extension read last, −128 … 127. */
  extensionType = 0;

  fail(offset: number): number {
    this.errorOffset = offset;
    return FAILED;
  }

  /** Elements or pairs of the array or map that starts at `at`, or −1 when it is neither. `headerBytes` gives the size of its header. */
  count(at: number): number {
    const { bytes, view } = this.body;
    const token = bytes[at];
    if (token >= TOKEN.fixmap && token < TOKEN.fixstr) return token & 0x0f;
    if (token === TOKEN.map16 || token === TOKEN.array16) return view.getUint16(at + 1);
    if (token === TOKEN.map32 || token === TOKEN.array32) return view.getUint32(at + 1);
    return -1;
  }

  headerBytes(at: number): number {
    const token = this.body.bytes[at];
    if (token < TOKEN.array16) return 1;
    return token === TOKEN.map16 || token === TOKEN.array16 ? 3 : 5;
  }

  isMap(at: number): boolean {
    const token = this.body.bytes[at];
    return token >>> 4 === TOKEN.fixmap >>> 4 || token === TOKEN.map16 || token === TOKEN.map32;
  }

  isArray(at: number): boolean {
    const token = this.body.bytes[at];
    return token >>> 4 === TOKEN.fixarray >>> 4 || token === TOKEN.array16 || token === TOKEN.array32;
  }

  isString(at: number): boolean {
    const token = this.body.bytes[at];
    return token >>> 5 === TOKEN.fixstr >>> 5 || (token >= TOKEN.str8 && token <= TOKEN.str32);
  }

  /** Start of the payload of the string at `at`; sets `length`. FAILED when the body ends before it does. */
  openString(at: number): number {
    const { bytes, view, end } = this.body;
    const token = bytes[at];
    let start: number;
    if (token < TOKEN.nil) {
      this.length = token & 0x1f;
      start = at + 1;
    } else if (token === TOKEN.str8) {
      this.length = bytes[at + 1];
      start = at + 2;
    } else if (token === TOKEN.str16) {
      this.length = view.getUint16(at + 1);
      start = at + 3;
    } else {
      this.length = view.getUint32(at + 1);
      start = at + 5;
    }
    return start + this.length > end ? this.fail(at) : start;
  }

  /** Start of the payload of the extension at `at`; sets `length` and `extensionType`. FAILED when the body ends before it does. */
  openExtension(at: number): number {
    const { view, end } = this.body;
    const token = this.body.bytes[at];
    let start: number;
    if (token >= TOKEN.fixext1) {
      this.length = 1 << (token - TOKEN.fixext1);
      start = at + 2;
    } else {
      const lengthBytes = 1 << (token - TOKEN.ext8);
      this.length = this.lengthAt(at + 1, lengthBytes);
      start = at + 1 + lengthBytes + 1;
    }
    this.extensionType = view.getInt8(start - 1);
    return start + this.length > end ? this.fail(at) : start;
  }

  isExtension(at: number): boolean {
    const token = this.body.bytes[at];
    return (token >= TOKEN.ext8 && token <= TOKEN.ext8 + 2) || (token >= TOKEN.fixext1 && token <= TOKEN.fixext16);
  }

  /** Reads the number at `at` into `target[index]`; returns the position after it, or −1 when it is no number. int64 rounds to a double. */
  readNumber(at: number, target: Float64Array, index: number): number {
    const { bytes, view } = this.body;
    const token = bytes[at];
    if (token === TOKEN.float64) {
      target[index] = view.getFloat64(at + 1);
      return at + 9;
    }
    if (token < TOKEN.fixmap) {
      target[index] = token;
      return at + 1;
    }
    if (token >= TOKEN.negativeFixint) {
      target[index] = token - 0x100;
      return at + 1;
    }
    switch (token) {
      case TOKEN.float32:
        target[index] = view.getFloat32(at + 1);
        return at + 5;
      case TOKEN.uint8:
        target[index] = bytes[at + 1];
        return at + 2;
      case TOKEN.uint16:
        target[index] = view.getUint16(at + 1);
        return at + 3;
      case TOKEN.uint32:
        target[index] = view.getUint32(at + 1);
        return at + 5;
      case TOKEN.uint64:
        target[index] = view.getUint32(at + 1) * TWO_32 + view.getUint32(at + 5);
        return at + 9;
      case TOKEN.int8:
        target[index] = view.getInt8(at + 1);
        return at + 2;
      case TOKEN.int16:
        target[index] = view.getInt16(at + 1);
        return at + 3;
      case TOKEN.int32:
        target[index] = view.getInt32(at + 1);
        return at + 5;
      case TOKEN.int64:
        target[index] = view.getInt32(at + 1) * TWO_32 + view.getUint32(at + 5);
        return at + 9;
      default:
        return -1;
    }
  }

  /**
   * Skips any value; returns the position after it and sets `skippedKind`. Iterative: what is still to come is one number, whatever the
   * nesting.
   */
  skipValue(at: number): number {
    const { bytes, end } = this.body;
    this.skippedKind = this.kindAt(at);
    let p = at;
    let pending = 1;
    while (pending > 0) {
      // Each pending value takes at least a byte, so this also bounds what a few bytes of header can claim.
      if (pending > end - p) return this.fail(p);
      pending--;
      const token = bytes[p];
      const count = this.count(p);
      if (count >= 0) {
        pending += this.isMap(p) ? count * 2 : count;
        p += this.headerBytes(p);
        continue;
      }
      const next = this.scalarEnd(p, token);
      if (next < 0 || next > end) return this.fail(p);
      p = next;
    }
    return p > end ? this.fail(at) : p;
  }

  private scalarEnd(at: number, token: number): number {
    if (token < TOKEN.fixmap || token >= TOKEN.negativeFixint) return at + 1;
    if (this.isString(at)) {
      const start = this.openString(at);
      return start < 0 ? FAILED : start + this.length;
    }
    if (this.isExtension(at)) {
      const start = this.openExtension(at);
      return start < 0 ? FAILED : start + this.length;
    }
    if (token >= TOKEN.bin8 && token < TOKEN.ext8) {
      const lengthBytes = 1 << (token - TOKEN.bin8);
      return at + 1 + lengthBytes + this.lengthAt(at + 1, lengthBytes);
    }
    if (token === TOKEN.unused) return FAILED;
    if (token <= TOKEN.bin8) return at + 1;
    if (token === TOKEN.float32) return at + 5;
    if (token === TOKEN.float64) return at + 9;
    // uint8 … uint64 and int8 … int64: the low two bits give the width.
    return at + 1 + (1 << (token & 3));
  }

  private lengthAt(at: number, lengthBytes: number): number {
    const { bytes, view } = this.body;
    if (lengthBytes === 1) return bytes[at];
    return lengthBytes === 2 ? view.getUint16(at) : view.getUint32(at);
  }

  private kindAt(at: number): number {
    const token = this.body.bytes[at];
    if (this.isMap(at)) return FAULT.object;
    if (this.isArray(at)) return FAULT.array;
    if (this.isString(at)) return FAULT.string;
    if (this.isExtension(at)) return FAULT.extension;
    if (token === TOKEN.nil) return KIND_NIL;
    if (token === TOKEN.nil + 2 || token === TOKEN.nil + 3) return FAULT.boolean;
    return token >= TOKEN.bin8 && token < TOKEN.ext8 ? FAULT.binary : FAULT.number;
  }
}
