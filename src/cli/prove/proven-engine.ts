import { OperationalError } from '../../runtime/errors.ts';
import { EngineUnderTest, freePort, verifyOffline, type EngineEnd, type EngineSettings } from './engine-under-test.ts';
import type { SmallDisk } from './small-disk.ts';

/** Ends in a row, with nobody asking for them, that are met with a new start, as a service manager would. */
const UNWANTED_ENDS_MAX = 5;

/** A clear word names what is wrong and what to do about it. */
const WAY_OUT = /restore|backup|bring it back|use the engine|SEG_[A-Z_]+/;

/** The engine of a run over all its lives. */
export class ProvenEngine {
  readonly settings: EngineSettings;
  smallDisk: SmallDisk | null = null;
  /** Lives that ended though nobody wanted it, each in words. */
  readonly unwantedEnds: string[] = [];
  private current: EngineUnderTest | null = null;
  private inARow = 0;
  private closing = false;

  constructor(settings: EngineSettings) {
    this.settings = settings;
  }

  get apiUrl(): string {
    return this.current!.apiUrl;
  }

  /** Starts a life and does not wait. */
  spawn(): void {
    const engine = new EngineUnderTest({ ...this.settings });
    this.current = engine;
    void engine.ended.then((end) => {
      if (engine.endIsWanted || this.closing) return;
      this.unwantedEnds.push(`the engine ended by itself (${describe(end)}):\n${engine.transcript}`);
      this.inARow++;
      if (this.inARow < UNWANTED_ENDS_MAX) this.spawn();
    });
  }

  /** Starts a life; resolves when it is ready and whole. */
  async start(): Promise<void> {
    this.spawn();
    await this.becomesWhole();
  }

  /** Rejects with OperationalError `engine_gone` when it ends again and again, `engine_silent` when it does neither. */
  async becomesWhole(): Promise<void> {
    for (;;) {
      const engine = this.current!;
      if (await engine.becomesReady()) await engine.becomesWhole();
      if (engine.end === null) {
        this.inARow = 0;
        return;
      }
      // Its successor is there once the end has been seen.
      await engine.ended;
      if (engine === this.current) throw new OperationalError('engine_gone', `the engine does not stay up; it said:\n${engine.transcript}`);
    }
  }

  /** Resolves once a thread is missing, the engine has ended, or `timeLimitMs` have passed. */
  becomesBroken(timeLimitMs: number): Promise<void> {
    return this.current!.becomesBroken(timeLimitMs);
  }

  kill9(): Promise<EngineEnd> {
    return this.current!.kill9();
  }

  askToStop(): void {
    this.current!.askToStop();
  }

  stop(): Promise<EngineEnd> {
    return this.current!.stop();
  }

  fault(request: Parameters<EngineUnderTest['fault']>[0]): Promise<void> {
    return this.current!.fault(request);
  }

  /**
   * Starts a life on damaged files that no sender reaches. It may refuse, in words that show a way out, or be proven right by `prove`,
   * which gives null for right; else `seg verify` at least has to find the damage. It is gone when this resolves.
   */
  async trial(prove: (apiUrl: string) => Promise<string | null>): Promise<{ outcome: string; unclear: boolean }> {
    const engine = new EngineUnderTest({ ...this.settings, ingestPort: await freePort() });
    engine.endIsWanted = true;
    try {
      if (await engine.becomesReady()) {
        const fault = await prove(engine.apiUrl);
        if (fault === null) return { outcome: 'started, and is right', unclear: false };
        // A start does not read every window; seg verify does.
        await engine.kill9();
        const verified = await verifyOffline(engine.settings);
        return verified.found
          ? { outcome: `started, and ${fault}; FOUND BY seg verify ALONE: ${verified.firstFault}`, unclear: false }
          : { outcome: `started, and ${fault}; seg verify finds nothing`, unclear: true };
      }
      const word = engine.transcript.split('\n').findLast((line) => line.startsWith('seg: ')) ?? '';
      const clear = engine.end?.code === 1 && WAY_OUT.test(word);
      return { outcome: clear ? `refused: ${word.slice(5)}` : `ended (${describe(engine.end!)}) without a clear word: ${engine.transcript}`, unclear: !clear };
    } finally {
      await engine.kill9();
    }
  }

  /** For the end of a run. */
  async close(): Promise<void> {
    this.closing = true;
    if (this.current !== null) await this.current.kill9();
    this.smallDisk?.unmount();
  }
}

function describe({ code, signal }: EngineEnd): string {
  return signal ?? `code ${code}`;
}
