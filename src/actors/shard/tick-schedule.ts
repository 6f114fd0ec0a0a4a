/**
 * Which partitions' windows the clock closes next. All meters' minutes end together and readings come meanwhile, so one tick
 * looks at a bounded number of meters and the next goes on where it ended. One tick is under way at a time: while the disk stalls
 * they do not gather.
 */
export class TickSchedule {
  private readonly partitions: readonly number[];
  private readonly metersMax: number;
  private readonly metersDue: (partition: number, nowMs: number) => number;
  /** Place in `partitions` that the next tick looks at first: after where the last one ended, so that none waits for ever. */
  private from = 0;
  private underWay = false;
  private cut = false;

  /** `metersDue` tells how many meters of a partition a tick at a time would look at. */
  constructor(partitions: readonly number[], metersMax: number, metersDue: (partition: number, nowMs: number) => number) {
    this.partitions = partitions;
    this.metersMax = metersMax;
    this.metersDue = metersDue;
  }

  /**
   * Partitions for a tick at `nowMs`, together at most `metersMax` meters unless one partition alone has more. Empty when there is
   * nothing to close or a tick is under way; otherwise a tick is, until `settled`.
   */
  begin(nowMs: number): number[] {
    const chosen: number[] = [];
    if (this.underWay) return chosen;
    this.cut = false;
    const { from, partitions } = this;
    let meters = 0;
    for (let i = 0; i < partitions.length; i++) {
      const place = (from + i) % partitions.length;
      const due = this.metersDue(partitions[place], nowMs);
      if (due === 0) continue;
      if (meters > 0 && meters + due > this.metersMax) {
        this.from = place;
        this.cut = true;
        break;
      }
      meters += due;
      chosen.push(partitions[place]);
    }
    this.underWay = chosen.length > 0;
    return chosen;
  }

  /** The tick under way was applied, or refused by the disk. True when it was cut: others wait. */
  settled(): boolean {
    this.underWay = false;
    return this.cut;
  }
}
