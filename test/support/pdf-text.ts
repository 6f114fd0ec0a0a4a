import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Reads PDFs back with poppler, which shares nothing with what wrote them. */

export function popplerAvailable(): boolean {
  return spawnSync('pdftotext', ['-v']).status === 0;
}

export const POPPLER_HOW_TO = 'install poppler-utils';

/** Text of each page, as it stands on it. */
export function pdfPages(pdf: Uint8Array): string[] {
  return onFile(pdf, (file) => execFileSync('pdftotext', ['-layout', file, '-'], { encoding: 'utf8' }).split('\f').slice(0, -1));
}

/** All text in the order in which it was written, with single spaces. */
export function pdfText(pdf: Uint8Array): string {
  return onFile(pdf, (file) => execFileSync('pdftotext', ['-raw', file, '-'], { encoding: 'utf8' })).replace(/\s+/g, ' ');
}

export interface PdfWord {
  page: number;
  text: string;
  xMin: number;
  xMax: number;
  yMin: number;
  yMax: number;
}

/** Words with where they stand, in points from the upper left corner. */
export function pdfWords(pdf: Uint8Array): PdfWord[] {
  const html = onFile(pdf, (file) => execFileSync('pdftotext', ['-bbox', file, '-'], { encoding: 'utf8' }));
  const words: PdfWord[] = [];
  let page = 0;
  for (const [, begin, xMin, yMin, xMax, yMax, text] of html.matchAll(/(<page )|<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)<\/word>/g)) {
    if (begin !== undefined) page++;
    else words.push({ page, text, xMin: Number(xMin), yMin: Number(yMin), xMax: Number(xMax), yMax: Number(yMax) });
  }
  return words;
}

/** `Title`, `Pages`, `JavaScript` and so on, as pdfinfo says. What poppler complains of is an error. */
export function pdfInfo(pdf: Uint8Array): Record<string, string> {
  return onFile(pdf, (file) => {
    const { stdout, stderr, status } = spawnSync('pdfinfo', [file], { encoding: 'utf8' });
    if (status !== 0 || stderr !== '') throw new Error(`pdfinfo: ${stderr}`);
    return Object.fromEntries(stdout.split('\n').filter((line) => line.includes(':')).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
  });
}

function onFile<T>(pdf: Uint8Array, read: (file: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'seg-pdf-'));
  try {
    writeFileSync(join(directory, 'a.pdf'), pdf);
    return read(join(directory, 'a.pdf'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
