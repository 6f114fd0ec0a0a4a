import { JSON_NUMBER_BYTES_MAX, writeJsonNumber } from '../model/json-number.ts';
import { openWindowBlock, type WindowBlock } from '../model/window-block.ts';
import { isoTime } from './wire-shapes.ts';

/**
 * A page of a meter's windows as JSON, straight from the block that its shard packed: byte for byte what JSON.stringify makes of `pageShape(page, windowShape)`, in a tenth of the time (bench/RESULTS.md). A test holds the
 * two together, and the fields to `meterWindowSchema`.
 */

/** What stands between two values. Each is written four bytes at a time, so up to three more than it has are overwritten by what follows. */
const BETWEEN = {
  windowEnd: words('","windowEnd":"'),
  avgPowerKw: words('","avgPowerKw":'),
  minPowerKw: words(',"minPowerKw":'),
  maxPowerKw: words(',"maxPowerKw":'),
  energyKwhSum: words(',"energyKwhSum":'),
  measured: words(',"energySource":"measured","voltageAvg":'),
  estimated: words(',"energySource":"estimated","voltageAvg":'),
  voltageMin: words(',"voltageMin":'),
  voltageMax: words(',"voltageMax":'),
  count: words(',"count":'),
  revision: words(',"revision":'),
  final: words(',"final":true},'),
  open: words(',"final":false},'),
} as const;

const PAGE_BEGIN = words('{"data":[');
const PAGE_END = Buffer.from('],"nextCursor":', 'latin1');

/** A window without its names, at most: what stands between, two times of 27 characters (years past 9999 are longer) and nine numbers. */
const WINDOW_BYTES_MAX = Object.values(BETWEEN).reduce((sum, { length }) => sum + length, 0) + 2 * 27 + 9 * JSON_NUMBER_BYTES_MAX;
/** A day of quarter-hours. It grows to the longest page that was asked for: some 4 MB of 10,000 windows. */
const BYTES_MIN = 64 * 1024;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

interface Words {
  length: number;
  words: Uint32Array;
}

function words(text: string): Words {
  const bytes = Buffer.alloc(Math.ceil(text.length / 4) * 4);
  bytes.write(text, 'latin1');
  return { length: text.length, words: Uint32Array.from({ length: bytes.length / 4 }, (_, k) => bytes.readUInt32LE(k * 4)) };
}

/** Renders one page after the other into the same memory. */
export class WindowPageRenderer {
  private bytes = new Uint8Array(BYTES_MIN);
  private view = new DataView(this.bytes.buffer);
  private at = 0;
  private readonly dates = new DateText();

  /** `windows` is a block. The answer is borrowed until the next call. */
  render(windows: ArrayBuffer, nextCursor: string | null): Uint8Array {
    const block = openWindowBlock(windows);
    this.at = 0;
    this.write(PAGE_BEGIN);
    let begin = NO_WORDS;
    for (let i = 0; i < block.count; i++) {
      if (i === 0 || isOfOthers(block, i)) begin = beginOf(block, i);
      this.reserve(begin.length + WINDOW_BYTES_MAX);
      this.write(begin);
      this.writeWindow(block, i);
    }
    // The last comma.
    if (block.count > 0) this.at--;
    const end = Buffer.concat([PAGE_END, Buffer.from(`${JSON.stringify(nextCursor)}}`)]);
    this.reserve(end.length);
    this.bytes.set(end, this.at);
    return this.bytes.subarray(0, this.at + end.length);
  }

  private writeWindow(block: WindowBlock, i: number): void {
    this.writeTime(block.windowStart(i));
    this.write(BETWEEN.windowEnd);
    this.writeTime(block.windowEnd(i));
    this.writeNumber(BETWEEN.avgPowerKw, block.avgPowerKw(i));
    this.writeNumber(BETWEEN.minPowerKw, block.minPowerKw(i));
    this.writeNumber(BETWEEN.maxPowerKw, block.maxPowerKw(i));
    this.writeNumber(BETWEEN.energyKwhSum, block.energyKwhSum(i));
    this.writeNumber(block.energySource(i) === 'measured' ? BETWEEN.measured : BETWEEN.estimated, block.voltageAvg(i));
    this.writeNumber(BETWEEN.voltageMin, block.voltageMin(i));
    this.writeNumber(BETWEEN.voltageMax, block.voltageMax(i));
    this.writeNumber(BETWEEN.count, block.readings(i));
    this.writeNumber(BETWEEN.revision, block.revision(i));
    this.write(block.isFinal(i) ? BETWEEN.final : BETWEEN.open);
  }

  private writeNumber(before: Words, value: number): void {
    this.write(before);
    this.at = writeJsonNumber(this.bytes, this.at, value);
  }

  private write({ length, words }: Words): void {
    const { view, at } = this;
    for (let k = 0; k < words.length; k++) view.setUint32(at + k * 4, words[k], true);
    this.at = at + length;
  }

  private writeTime(epochMs: number): void {
    this.at = this.dates.write(this.bytes, this.at, epochMs);
  }

  /** `bytes`, and the three that a word may be longer. */
  private reserve(bytes: number): void {
    const needed = this.at + bytes + 3;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, needed));
    larger.set(this.bytes.subarray(0, this.at));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

const NO_WORDS: Words = words('');

/** Whether a window has not the names of the one before it. A meter may move to another region. */
function isOfOthers(block: WindowBlock, i: number): boolean {
  return block.regionNumber(i) !== block.regionNumber(i - 1) || block.granularity(i) !== block.granularity(i - 1) || block.idStart(i) !== block.idStart(i - 1) || block.idLength(i) !== block.idLength(i - 1);
}

function beginOf(block: WindowBlock, i: number): Words {
  const { meterId, region, granularity } = { meterId: block.meterId(i), region: block.region(i), granularity: block.granularity(i) };
  const text = `{"meterId":${JSON.stringify(meterId)},"region":${JSON.stringify(region)},"granularity":"${granularity}","windowStart":"`;
  return words(Buffer.from(text).toString('latin1'));
}

/** ISO 8601 in UTC with milliseconds, as Date has it. Times come in order, so the date is mostly that of the one before. */
class DateText {
  private dayStartMs = NaN;
  /** `2026-01-15T`. */
  private date = new Uint8Array(0);

  write(bytes: Uint8Array, at: number, epochMs: number): number {
    if (!(epochMs >= this.dayStartMs && epochMs < this.dayStartMs + DAY_MS)) this.begin(epochMs);
    const { date } = this;
    for (let k = 0; k < date.length; k++) bytes[at + k] = date[k];
    const ofDay = (epochMs - this.dayStartMs) | 0;
    const minutes = (ofDay / MINUTE_MS) | 0;
    const hours = (minutes / 60) | 0;
    const ms = ofDay - minutes * MINUTE_MS;
    const seconds = (ms / 1_000) | 0;
    const rest = ms - seconds * 1_000;
    const hundreds = (rest / 100) | 0;
    at = writePair(bytes, at + date.length, hours, COLON);
    at = writePair(bytes, at, minutes - hours * 60, COLON);
    at = writePair(bytes, at, seconds, DOT);
    bytes[at] = DIGIT_0 + hundreds;
    return writePair(bytes, at + 1, rest - hundreds * 100, ZULU);
  }

  private begin(epochMs: number): void {
    this.dayStartMs = Math.floor(epochMs / DAY_MS) * DAY_MS;
    this.date = Buffer.from(isoTime(this.dayStartMs).slice(0, -'00:00:00.000Z'.length), 'latin1');
  }
}

const DIGIT_0 = 0x30;
const COLON = 0x3a;
const DOT = 0x2e;
const ZULU = 0x5a;

function writePair(bytes: Uint8Array, at: number, value: number, then: number): number {
  const tens = (value / 10) | 0;
  bytes[at] = DIGIT_0 + tens;
  bytes[at + 1] = DIGIT_0 + (value - tens * 10);
  bytes[at + 2] = then;
  return at + 3;
}
