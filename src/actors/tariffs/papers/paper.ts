import PDFDocument from 'pdfkit';
import type { FontName, PaperFonts } from './paper-fonts.ts';
import { paperLine, textRuns } from './paper-text.ts';

/**
 * A4 paper, measured in points from its upper left corner, on which lines of text stand where they are put: nothing flows, so that no text, however long, pushes another away or off the page.
 * A text that is too long for its place ends in an ellipsis.
 */

export const PAGE_WIDTH = 595.28;
export const PAGE_HEIGHT = 841.89;
/** 20 mm. */
export const MARGIN = 56.7;
export const CONTENT_WIDTH = PAGE_WIDTH - 2 * MARGIN;

export const INK = '#1b2733';
export const FAINT = '#5c6b78';
export const RULE = '#c9d2da';
export const TINT = '#f1f5f8';

const ELLIPSIS = '…';

export interface TextStyle {
  size: number;
  bold?: boolean;
  colour?: string;
  /** Of `width`; left when absent. */
  align?: 'left' | 'right' | 'centre';
  /** No more than this; absent: as wide as the text is. */
  width?: number;
}

export interface PaperAbout {
  title: string;
  author: string;
  subject: string;
  language: string;
  /** Epoch ms that the document says it is from: the same for the same document, which then has the same bytes. */
  madeAt: number;
}

export class Paper {
  readonly pdf: PDFKit.PDFDocument;
  private readonly fonts: PaperFonts;
  private readonly chunks: Uint8Array[] = [];
  private readonly ended: Promise<void>;

  constructor(fonts: PaperFonts, { title, author, subject, language, madeAt }: PaperAbout) {
    this.fonts = fonts;
    this.pdf = new PDFDocument({
      size: 'A4',
      margin: 0,
      bufferPages: true,
      pdfVersion: '1.7',
      lang: language,
      displayTitle: true,
      // Otherwise every document begins with Helvetica.
      font: null as unknown as string,
      info: { Title: title, Author: author, Subject: subject, Creator: 'Smart Energy Grid', Producer: 'Smart Energy Grid', CreationDate: new Date(madeAt) },
    });
    for (const [name, font] of Object.entries(fonts)) this.pdf.registerFont(name, font as unknown as string);
    this.pdf.on('data', (chunk: Uint8Array) => this.chunks.push(chunk));
    this.ended = new Promise((resolve, reject) => {
      this.pdf.on('end', resolve);
      this.pdf.on('error', reject);
    });
  }

  /** Writes a line whose letters stand on `baseline`. */
  text(text: string, x: number, baseline: number, style: TextStyle): void {
    const { size, bold = false, colour = INK, align = 'left', width } = style;
    const line = width === undefined ? paperLine(text) : this.fitted(paperLine(text), width, style);
    if (line === '') return;
    const free = width === undefined || align === 'left' ? 0 : width - this.width(line, style);
    let at = x + (align === 'centre' ? free / 2 : free);
    this.pdf.fillColor(colour);
    for (const { font, text: run } of textRuns(line, bold, this.fonts)) {
      this.pdf.font(font, size).text(run, at, baseline, { lineBreak: false, baseline: 'alphabetic', features: featuresOf(font) });
      at += this.runWidth(font, run, size);
    }
  }

  /** Writes what must not be cut, as an amount: in the largest of the sizes at which it fits, the last when none does. */
  figure(text: string, x: number, baseline: number, style: TextStyle & { width: number }, sizes: readonly number[]): void {
    const size = sizes.find((candidate) => this.width(text, { ...style, size: candidate }) <= style.width) ?? sizes[sizes.length - 1];
    this.text(text, x, baseline, { ...style, size });
  }

  width(text: string, { size, bold = false }: TextStyle): number {
    return textRuns(text, bold, this.fonts).reduce((sum, { font, text: run }) => sum + this.runWidth(font, run, size), 0);
  }

  /** The text in lines of `width` at most, `linesMax` of them; words longer than a line are broken. */
  wrapped(text: string, width: number, style: TextStyle, linesMax: number): string[] {
    const lines: string[] = [];
    let rest = paperLine(text);
    while (rest !== '' && lines.length < linesMax) {
      if (lines.length === linesMax - 1 || this.width(rest, style) <= width) {
        lines.push(this.fitted(rest, width, style));
        break;
      }
      const characters = [...rest];
      const fits = this.charactersThatFit(characters, width, style);
      const head = characters.slice(0, fits).join('');
      const space = characters[fits] === ' ' ? head.length : head.lastIndexOf(' ');
      const end = space > 0 ? space : head.length;
      lines.push(rest.slice(0, end));
      rest = rest.slice(end).trimStart();
    }
    return lines;
  }

  rule(x: number, y: number, width: number, { colour = RULE, weight = 0.5, dash }: { colour?: string; weight?: number; dash?: number } = {}): void {
    this.pdf.save().lineWidth(weight).strokeColor(colour);
    if (dash !== undefined) this.pdf.dash(dash, { space: dash });
    this.pdf.moveTo(x, y).lineTo(x + width, y).stroke().restore();
  }

  box(x: number, y: number, width: number, height: number, colour: string, radius = 0): void {
    if (radius > 0) this.pdf.roundedRect(x, y, width, height, radius).fill(colour);
    else this.pdf.rect(x, y, width, height).fill(colour);
  }

  newPage(): void {
    this.pdf.addPage();
  }

  /** Draws what every page has, when it is known how many there are. */
  onEachPage(draw: (page: number, pages: number) => void): void {
    const { count } = this.pdf.bufferedPageRange();
    for (let page = 0; page < count; page++) {
      this.pdf.switchToPage(page);
      draw(page + 1, count);
    }
  }

  /** The document's bytes, in a buffer of their own. */
  async finish(): Promise<Uint8Array<ArrayBuffer>> {
    this.pdf.end();
    await this.ended;
    const bytes = new Uint8Array(this.chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  private runWidth(font: FontName, run: string, size: number): number {
    return this.pdf.font(font, size).widthOfString(run, { features: featuresOf(font) });
  }

  private fitted(line: string, width: number, style: TextStyle): string {
    if (this.width(line, style) <= width) return line;
    const characters = [...line];
    const fits = this.charactersThatFit(characters, width - this.width(ELLIPSIS, style), style);
    return `${characters.slice(0, fits).join('').trimEnd()}${ELLIPSIS}`;
  }

  /** At least one, or nothing would ever end. */
  private charactersThatFit(characters: readonly string[], width: number, style: TextStyle): number {
    let fits = 1;
    let over = characters.length;
    while (over - fits > 1) {
      const middle = (fits + over) >> 1;
      if (this.width(characters.slice(0, middle).join(''), style) <= width) fits = middle;
      else over = middle;
    }
    return fits;
  }
}

/** Of the second font whole runs are laid out at once, as what is written from right to left has its words in that order too; of the first word by word, which are remembered. */
function featuresOf(font: FontName): PDFKit.Mixins.OpenTypeFeatures[] | undefined {
  return font === 'otherRegular' || font === 'otherBold' ? [] : undefined;
}
