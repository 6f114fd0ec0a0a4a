import type { RegionPicture } from './protocol.ts';

/** A picture of the regions and the log record that brought it. */
export interface LoggedPicture {
  sequence: number;
  /** When it was true, epoch ms: the record's time. */
  nowMs: number;
  regions: RegionPicture['regions'];
}

/**
 * The pictures of the records that the log still holds, and the one before them: windows are judged by the newest, so when the log before
 * a record goes, the picture that was in force there has to stay, or a replay from there would judge otherwise. As short as the log: one in 5 s.
 */
export class PictureHistory {
  private pictures: LoggedPicture[] = [];

  applied(picture: LoggedPicture): void {
    this.pictures.push(picture);
  }

  /** What is in force when a log that begins at `sequence` is replayed; null before the first. */
  inForceAt(sequence: number): LoggedPicture | null {
    return this.pictures.findLast((picture) => picture.sequence < sequence) ?? null;
  }

  /** The log begins at `sequence` now. */
  trimmed(sequence: number): void {
    const first = this.pictures.findLastIndex((picture) => picture.sequence < sequence);
    if (first > 0) this.pictures.splice(0, first);
  }
}
