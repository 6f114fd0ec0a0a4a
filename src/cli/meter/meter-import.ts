import { plainLine } from '../../actors/notifications/templates/plain-line.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { ApiClient } from '../api-client.ts';
import { progressBar, rateParts } from '../progress-bar.ts';
import { formatDuration, ProgressLine, withThousands, type ProgressStream } from '../progress-line.ts';
import { fileBytes, readMeterFile, type FilePlan, type FileSink } from './meter-file.ts';

/** `seg meter import`: a file, sent in requests of some thousand rows, one after the other, as later rows may be of the same meters. */

/** Rows a request: the API takes 10,000, and each is answered before the next is sent. */
const ROWS_A_REQUEST = 5_000;
/** Characters a request; the API takes 4 MiB, and a character is three bytes at most in JSON of the basic plane. */
const CHARS_A_REQUEST = 1_300_000;
/** What is done sooner needs no word on how far it is. */
const SHOWN_AFTER_MS = 1_000;
/** Refused rows that are printed; a file with more has one fault, many times. */
const REFUSED_SHOWN = 1_000;

export interface MeterImport {
  file: string;
  plan: FilePlan;
  isDryRun: boolean;
  newRegions: boolean;
  by: string | undefined;
}

export interface MeterImportCounts {
  rows: number;
  created: number;
  updated: number;
  unchanged: number;
  refused: number;
}

interface WireOutcome {
  created: number;
  updated: number;
  unchanged: number;
  refused: number;
  rows: { index: number; meterId: string | null; code: string; path: string; message: string }[];
}

/** Throws OperationalError: those of readMeterFile and of ApiClient.postRows. What was sent until then is in the registry. */
export async function importMeters(api: Pick<ApiClient, 'postRows'>, { file, plan, isDryRun, newRegions, by }: MeterImport, stderr: ProgressStream): Promise<MeterImportCounts> {
  const counts: MeterImportCounts = { rows: 0, created: 0, updated: 0, unchanged: 0, refused: 0 };
  const query = { rows: 'refused', ...(isDryRun ? { mode: 'dry-run' } : {}), ...(newRegions ? { newRegions: 'true' } : {}), ...(by === undefined ? {} : { by }) };
  const line = new ProgressLine(stderr);
  const say = (text: string): void => {
    line.end();
    stderr.write(`${text}\n`);
  };
  const refuse = (at: number, what: string): void => {
    counts.refused++;
    if (counts.refused <= REFUSED_SHOWN) say(plainLine(`line ${at}: ${what}`));
    else if (counts.refused === REFUSED_SHOWN + 1) say('and more, which are counted');
  };
  const send = async (lines: readonly string[], places: readonly number[]): Promise<void> => {
    const outcome = (await api.postRows('/api/v1/registry/imports', query, lines.join('\n'))) as unknown as WireOutcome;
    counts.rows += lines.length;
    for (const name of ['created', 'updated', 'unchanged'] as const) counts[name] += outcome[name];
    for (const { index, meterId, code, path, message } of outcome.rows) refuse(places[index], `${meterId === null ? '' : `${meterId}: `}${path === '' ? '' : `${path}: `}${message} [${code}]`);
  };
  const sender = new RowSender(send);
  const watch = { startedMs: systemClock.monotonic(), bytesTotal: fileBytes(file) };
  const sink: FileSink = {
    row: (json, at) => sender.add(json, at),
    unreadable: (at, reason) => {
      counts.rows++;
      refuse(at, `${reason} [unreadable]`);
    },
    drained: () => sender.drained(),
    notTaken: (headers) => say(plainLine(`columns that are not taken: ${headers.join(', ')}`)),
  };
  try {
    await readMeterFile(file, plan, sink, (bytes) => {
      const nowMs = systemClock.monotonic();
      if (nowMs - watch.startedMs >= SHOWN_AFTER_MS && line.due(nowMs)) line.show(progressText(counts, bytes, watch.bytesTotal, nowMs - watch.startedMs), nowMs);
    });
    await sender.end();
    line.end();
    stderr.write(summaryText(counts, systemClock.monotonic() - watch.startedMs, isDryRun));
    return counts;
  } finally {
    line.end();
  }
}

/** Gathers rows into requests; while one is under way the next is gathered. */
class RowSender {
  private readonly send: (lines: readonly string[], places: readonly number[]) => Promise<void>;
  private lines: string[] = [];
  private places: number[] = [];
  private chars = 0;
  /** Full ones that wait; a chunk of a file makes a few at most. */
  private waiting: { lines: string[]; places: number[] }[] = [];
  private underWay: Promise<void> = Promise.resolve();

  constructor(send: RowSender['send']) {
    this.send = send;
  }

  add(json: string, place: number): void {
    if (this.lines.length >= ROWS_A_REQUEST || this.chars + json.length > CHARS_A_REQUEST) this.close();
    this.lines.push(json);
    this.places.push(place);
    this.chars += json.length + 1;
  }

  /** Resolves when all but one of the full ones are sent. */
  async drained(): Promise<void> {
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      await this.underWay;
      const { lines, places } = next;
      this.underWay = this.send(lines, places);
      // It is heard of with the next.
      this.underWay.catch(() => undefined);
    }
  }

  async end(): Promise<void> {
    if (this.lines.length > 0) this.close();
    await this.drained();
    await this.underWay;
  }

  private close(): void {
    this.waiting.push({ lines: this.lines, places: this.places });
    this.lines = [];
    this.places = [];
    this.chars = 0;
  }
}

/** `[########----------------]  33 %  330,000 rows  2 refused  21,240/s  54s left`. */
function progressText({ rows, refused }: MeterImportCounts, bytes: number, bytesTotal: number, elapsedMs: number): string {
  const share = bytesTotal === 0 ? 1 : bytes / bytesTotal;
  const rowsLeft = share === 0 ? 0 : (rows * (1 - share)) / share;
  return [progressBar(bytes, bytesTotal), `${withThousands(rows)} rows`, ...(refused > 0 ? [`${withThousands(refused)} refused`] : []), ...rateParts(rowsLeft, rows / Math.max(1, elapsedMs), elapsedMs)].join('  ');
}

function summaryText({ rows, created, updated, unchanged, refused }: MeterImportCounts, elapsedMs: number, isDryRun: boolean): string {
  const rate = withThousands((rows * 1_000) / Math.max(1, elapsedMs));
  return `${withThousands(rows)} rows in ${formatDuration(elapsedMs)} (${rate}/s): ${withThousands(created)} created, ${withThousands(updated)} updated, ${withThousands(unchanged)} unchanged, ${withThousands(refused)} refused${isDryRun ? '; nothing was written' : ''}\n`;
}
