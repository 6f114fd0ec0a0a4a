import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { OperationalError } from '../../src/runtime/errors.ts';
import { createLog, nullLog, type Log, type LogLevel } from '../../src/runtime/log.ts';

function captured(level: LogLevel = 'debug', pretty = false): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const log = createLog({ level, name: 'test', thread: 'shard-3', pretty, destination: { write: (line) => void lines.push(line) } });
  return { log, lines };
}

describe('the log', () => {
  test('writes one JSON object a line with level, ISO time, name, thread, fields and message', () => {
    const { log, lines } = captured();
    log.info({ shard: 3, journalLagBytes: 17n }, 'checkpoint written');
    expect(lines).toHaveLength(1);
    expect(lines[0].endsWith('\n')).toBe(true);
    const entry = JSON.parse(lines[0]);
    expect(entry).toMatchObject({ level: 'info', name: 'test', thread: 'shard-3', shard: 3, journalLagBytes: '17', msg: 'checkpoint written' });
    expect(new Date(entry.time).toISOString()).toBe(entry.time);
  });

  test('leaves out what is below its level', () => {
    const { log, lines } = captured('warn');
    log.debug({}, 'a');
    log.info({}, 'b');
    log.warn({}, 'c');
    log.error({}, 'd');
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'error']);
  });

  test('gives a child the bindings of its parent and its own', () => {
    const { log, lines } = captured();
    log.child({ actor: 'region' }).child({ epoch: 2 }).warn({}, 'restarted');
    expect(JSON.parse(lines[0])).toMatchObject({ actor: 'region', epoch: 2, thread: 'shard-3' });
  });

  test('shows an error with its code, stack and cause', () => {
    const { log, lines } = captured();
    log.error({ error: new OperationalError('storage_full', 'the disk is full', { cause: new Error('ENOSPC') }) }, 'cannot write');
    const { error } = JSON.parse(lines[0]);
    expect(error).toMatchObject({ type: 'OperationalError', code: 'storage_full', retryable: false, message: 'the disk is full' });
    expect(error.stack).toContain('log.test.ts');
    expect(error.cause.message).toBe('ENOSPC');
  });

  test('hides secrets in fields at any depth, in bindings, in URLs, in messages and in errors', () => {
    const { log, lines } = captured();
    log.child({ apiKey: 'S3CRET' }).info(
      {
        password: 'S3CRET',
        headers: { Authorization: 'Bearer S3CRET', 'set-cookie': ['S3CRET'] },
        url: 'postgres://grid:S3CRET@db:5432/grid',
        error: new Error('cannot reach https://S3CRET@host/path'),
      },
      'trying amqp://user:S3CRET@broker',
    );
    expect(lines[0]).not.toContain('S3CRET');
    expect(JSON.parse(lines[0]).url).toBe('postgres://[redacted]@db:5432/grid');
    expect(JSON.parse(lines[0]).msg).toBe('trying amqp://[redacted]@broker');
  });

  test('survives cyclic and very deep fields', () => {
    const { log, lines } = captured();
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    log.info({ cyclic }, 'odd');
    expect(JSON.parse(lines[0]).msg).toBe('odd');
  });

  test.each([false, true])('steers no terminal, whatever it is told (pretty: %s)', (pretty) => {
    const { log, lines } = captured('debug', pretty);
    const hostile = 'a\u001b]0;x\u0007\u009b2J\u202eb\b\r\0\u007f\\u001b';
    log.warn({ who: hostile, error: new Error(`no ${hostile}`) }, `it said ${hostile}\n[12:00:00] ERROR (engine): forged`);
    const text = lines.join('');
    expect(text).toMatch(/^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+$/);
    expect(text).not.toMatch(/^\[12:00:00\]/m);
    expect(text).toContain('u001b]0;x');
    if (!pretty) expect(JSON.parse(text)).toMatchObject({ who: hostile, msg: `it said ${hostile}\n[12:00:00] ERROR (engine): forged` });
  });

  test('is readable in a terminal when pretty', () => {
    const { log, lines } = captured('info', true);
    log.info({ port: 3000 }, 'listening');
    expect(lines.join('')).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO \(test\): listening \{.*"port":3000.*\}\n$/);
  });

  test('writes from a worker thread straight to stdout, also when the process dies at once', () => {
    const script = `
      const { Worker } = require('node:worker_threads');
      new Worker(\`
        import('${new URL('../../src/runtime/log.ts', import.meta.url).href}').then(({ createLog }) => {
          const log = createLog({ level: 'info', name: 'worker', thread: 'shard-0' });
          for (let line = 1; line <= 50; line++) log.info({ line }, 'last words');
          process.kill(process.pid, 'SIGKILL');
        });
      \`, { eval: true });`;
    let stdout = '';
    try {
      execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    } catch (error) {
      stdout = (error as { stdout: string }).stdout;
    }
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(50);
    expect(JSON.parse(lines[49])).toMatchObject({ thread: 'shard-0', line: 50, msg: 'last words' });
  });

  test('nullLog says nothing and has children', () => {
    expect(() => nullLog.child({}).info({}, 'x')).not.toThrow();
  });
});
