import type { DecodedReading, ReadingSink } from '../../model/decoded-reading.ts';
import type { RejectCode } from '../../model/reading.ts';
import type { ReadingScope } from './reading-scope.ts';
import type { RequestTally } from './request-tally.ts';

/**
 * Stands before the sink of a request whose key may not send everything. A reading outside is rejected to its sender and goes nowhere else: no dead letter, as those are for what
 * somebody has to look at, and the few there is room for are not for whoever has a wrong key to push out.
 */
export class ScopedSink implements ReadingSink {
  private readonly sink: ReadingSink;
  private readonly tally: RequestTally;
  private readonly scope: ReadingScope;

  constructor(sink: ReadingSink, tally: RequestTally, scope: ReadingScope) {
    this.sink = sink;
    this.tally = tally;
    this.scope = scope;
  }

  accept(index: number, reading: DecodedReading, body: Uint8Array, start: number, end: number): void {
    if (this.scope.reaches(reading)) this.sink.accept(index, reading, body, start, end);
    else this.tally.addError(index, 'out_of_scope', this.scope.message);
  }

  reject(index: number, code: RejectCode, message: string, body: Uint8Array, start: number, end: number): void {
    this.sink.reject(index, code, message, body, start, end);
  }
}
