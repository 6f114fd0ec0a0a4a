import type { Log } from './log.ts';
import type { Tracing, TracingOptions } from './tracing.ts';

/** Loads what sends traces where they are sent: some 0.1 s and 4 MB for a thread (bench/RESULTS.md), which one that does not trace is spared. */
export async function openTracing(options: TracingOptions | null, thread: string, modules: { log: Log; nowMs(): number; random?(): number }): Promise<Tracing | null> {
  if (options === null) return null;
  const { otlpTracing } = await import('./otlp-tracing.ts');
  return otlpTracing(options, thread, { random: Math.random, ...modules });
}
