import { BODY_BYTES_MAX } from '../../model/reading.ts';

/**
 * Bytes past the end of a body that may be read without a bounds check: a key is matched twelve at a time and a timestamp is read
 * up to its twentieth byte before anything is concluded from them.
 */
const PADDING_BYTES = 32;

/** Where a decoder starts: most bodies are batches of a few hundred readings. Doubles up to BODY_BYTES_MAX, then stays. */
const INITIAL_BYTES = 256 * 1024;

/**
 * A decoder's own copy of the body at hand, with a stop byte after its end, so that no loop has to look for the end. Copying costs a
 * few percent of decoding; one per decoder, reused, at most BODY_BYTES_MAX and the padding.
 */
export class PaddedBody {
  bytes = new Uint8Array(INITIAL_BYTES);
  view = new DataView(this.bytes.buffer);
  /** Length of the body; what lies past the stop byte at `bytes[end]` is left from earlier bodies. */
  end = 0;

  /** Copies `body` and sets the stop byte. Throws when the caller did not enforce BODY_BYTES_MAX. */
  load(body: Uint8Array, stopByte: number): void {
    const length = body.length;
    if (length + PADDING_BYTES > this.bytes.length) this.grow(length);
    this.bytes.set(body);
    this.bytes[length] = stopByte;
    this.end = length;
  }

  private grow(length: number): void {
    if (length > BODY_BYTES_MAX) throw new Error(`invariant broken: body of ${length} bytes is over the limit of ${BODY_BYTES_MAX}`);
    const doubled = Math.min(this.bytes.length * 2, BODY_BYTES_MAX + PADDING_BYTES);
    this.bytes = new Uint8Array(Math.max(doubled, length + PADDING_BYTES));
    this.view = new DataView(this.bytes.buffer);
  }
}
