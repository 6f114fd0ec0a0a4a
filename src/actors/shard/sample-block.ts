/** Samples of a page's minute that have left memory; sample-blocks.ts says how they lie. */
export interface SampleBlock {
  /** Of the minute. */
  windowNumber: number;
  /** Log position of the snapshot that it was made with: with page and minute its name on disk. */
  sequence: number;
  bytes: Uint8Array;
}
