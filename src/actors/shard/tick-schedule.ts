/** Some pages of a partition: numbers `fromPage` … `toPage` − 1. */
export interface TickSlice {
  partition: number;
  fromPage: number;
  toPage: number;
}

/** What the schedule needs to know of a page. */
interface PageDue {
  /** No meter of it needs a look before. */
  readonly nextTickMs: number;
  readonly rowCount: number;
}

/**
 * Which meters' windows are closed next. All meters' minutes end together and readings come meanwhile, so one tick
 * looks at a bounded number of meters and the next goes on where it ended. One tick is under way at a time: while the disk stalls
 * they do not gather.
 */
export class TickSchedule {
  private readonly partitions: readonly number[];
  private readonly metersMax: number;
  private readonly pagesOf: (partition: number) => readonly PageDue[];
  /** Where the next tick begins to look, after where the last one ended, so that none waits for ever: place in `partitions`, */
  private fromPlace = 0;
  /** and page. */
  private fromPage = 0;
  private underWay = false;
  private cut = false;

  /** `pagesOf` gives a partition's pages in order of their number. `metersMax` is at least a page's. */
  constructor(partitions: readonly number[], metersMax: number, pagesOf: (partition: number) => readonly PageDue[]) {
    this.partitions = partitions;
    this.metersMax = metersMax;
    this.pagesOf = pagesOf;
  }

  /**
   * Slices for a tick at `nowMs`, of pages that are due and have together at most `metersMax` meters. Empty when there is
   * nothing to close or a tick is under way; otherwise a tick is, until `settled`.
   */
  begin(nowMs: number): TickSlice[] {
    const slices: TickSlice[] = [];
    if (this.underWay) return slices;
    this.cut = false;
    const { fromPlace, fromPage, partitions } = this;
    let room = this.metersMax;
    // The partition that the last tick ended in comes first from that page on, and last up to it.
    for (let i = 0; i <= partitions.length && !this.cut && partitions.length > 0; i++) {
      const place = (fromPlace + i) % partitions.length;
      const end = i === partitions.length ? fromPage : Infinity;
      room = this.take(place, i === 0 ? fromPage : 0, end, nowMs, room, slices);
    }
    this.underWay = slices.length > 0;
    return slices;
  }

  /** Adds the due pages of one partition while there is room; gives what is left of it. */
  private take(place: number, from: number, end: number, nowMs: number, room: number, slices: TickSlice[]): number {
    const partition = this.partitions[place];
    const pages = this.pagesOf(partition);
    let last: TickSlice | null = null;
    for (let number = from; number < Math.min(end, pages.length); number++) {
      const { nextTickMs, rowCount } = pages[number];
      if (nextTickMs > nowMs) continue;
      if (rowCount > room) {
        this.fromPlace = place;
        this.fromPage = number;
        this.cut = true;
        return 0;
      }
      room -= rowCount;
      if (last !== null && last.toPage === number) last.toPage++;
      else slices.push((last = { partition, fromPage: number, toPage: number + 1 }));
    }
    return room;
  }

  /** The tick under way was applied, or refused by the disk. True when it was cut: others wait. */
  settled(): boolean {
    this.underWay = false;
    return this.cut;
  }
}
