import { describe, expect, it } from 'vitest';
import { Actor, type Answer } from '../../src/runtime/actor.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { Supervisor } from '../../src/runtime/supervisor.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

function actorOf<Message>(receive: (message: Message) => void | Promise<void>, mailboxMax = 10): { time: VirtualTime; actor: Actor<Message> } {
  const time = new VirtualTime();
  return { time, actor: new Actor<Message>({ name: 'worker', mailboxMax, receive }, { clock: time, timers: time }) };
}

const sleep = (time: VirtualTime, ms: number): Promise<void> => new Promise((resolve) => time.after(ms, resolve));

describe('an actor', () => {
  it('handles its messages in order and one at a time, also when handling takes a while', async () => {
    const log: string[] = [];
    const { time, actor } = actorOf<string>(async (message) => {
      log.push(`${message} begins`);
      await sleep(time, 10);
      log.push(`${message} ends`);
    });
    actor.tell('a');
    actor.tell('b');
    await time.advanceSettled(20);
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('never handles a message before tell has returned, not even one it tells itself', async () => {
    const log: string[] = [];
    const { time, actor } = actorOf<number>((message) => {
      log.push(`in ${message}`);
      if (message < 2) actor.tell(message + 1);
      log.push(`out ${message}`);
    });
    actor.tell(0);
    expect(log).toEqual([]);
    await time.advanceSettled(0);
    expect(log).toEqual(['in 0', 'out 0', 'in 1', 'out 1', 'in 2', 'out 2']);
  });

  it('refuses messages past mailboxMax and takes them again when there is room', async () => {
    const got: number[] = [];
    const { time, actor } = actorOf<number>((message) => void got.push(message), 2);
    expect([1, 2, 3].map((message) => actor.tell(message))).toEqual([true, true, false]);
    await time.advanceSettled(0);
    expect(actor.tell(4)).toBe(true);
    await time.advanceSettled(0);
    expect(got).toEqual([1, 2, 4]);
    expect(actor.metrics.snapshot()).toMatchObject({ depth: 0, depthMax: 2, handled: 3, refused: 1 });
  });

  it('works off a long mailbox with room for timers between turns', async () => {
    const { time, actor } = actorOf<number>(() => undefined, 200);
    for (let i = 0; i < 200; i++) actor.tell(i);
    await new Promise((resolve) => setImmediate(resolve));
    const { handled } = actor.metrics.snapshot();
    expect(handled).toBeGreaterThan(0);
    expect(handled).toBeLessThan(200);
    await time.advanceSettled(0);
    expect(actor.metrics.snapshot().handled).toBe(200);
  });

  it('measures how long messages wait and are worked on', async () => {
    const { time, actor } = actorOf<string>((): Promise<void> => sleep(time, 30));
    actor.tell('a');
    actor.tell('b');
    await time.advanceSettled(60);
    const { wait, handle } = actor.metrics.snapshot();
    expect([wait.sumMs, handle.sumMs]).toEqual([30, 60]);
  });
});

describe('asking an actor', () => {
  type Question = { text: string; answer: Answer<string> };

  it('gives its answer or its error', async () => {
    const { actor } = actorOf<Question>(({ text, answer }) => {
      if (text === 'bad') answer.fail(new OperationalError('no', 'no such thing'));
      else answer.ok(text.toUpperCase());
    });
    expect(await actor.ask<string>((answer) => ({ text: 'a', answer }), 100)).toBe('A');
    await expect(actor.ask<string>((answer) => ({ text: 'bad', answer }), 100)).rejects.toMatchObject({ code: 'no' });
  });

  it('rejects at the deadline; an answer after it does no harm', async () => {
    const held: Question[] = [];
    const { time, actor } = actorOf<Question>((question) => void held.push(question));
    const answer = actor.ask<string>((answer) => ({ text: 'a', answer }), 100).catch((error: OperationalError) => error.code);
    await time.advanceSettled(100);
    expect(await answer).toBe('deadline');
    held[0].answer.ok('late');
    held[0].answer.fail(new OperationalError('late', 'late'));
    expect(time.timersPending).toBe(0);
  });

  it('rejects with mailbox_full when there is no room, and bounds open questions too', async () => {
    const held: Question[] = [];
    const { time, actor } = actorOf<Question>((question) => void held.push(question), 2);
    const ask = (): Promise<string> => actor.ask<string>((answer) => ({ text: 'a', answer }), 100).catch((error: OperationalError) => error.code);
    const outcomes = [ask(), ask()];
    await time.advanceSettled(0);
    expect(await ask()).toBe('mailbox_full');
    for (const { answer } of held) answer.ok('done');
    expect(await Promise.all(outcomes)).toEqual(['done', 'done']);
  });
});

describe('an actor that crashes', () => {
  it.each([
    ['throws', () => { throw new Error('boom'); }],
    ['rejects', () => Promise.reject(new Error('boom'))],
  ])('because receive %s exits, drops its mailbox and rejects its askers', async (_how, receive: () => void | Promise<void>) => {
    const { actor } = actorOf<unknown>(receive);
    const answer = actor.ask<string>((reply) => reply, 100).catch((error: OperationalError) => error);
    actor.tell('next');
    expect(await actor.exited).toMatchObject({ kind: 'crashed', error: { message: 'boom' } });
    expect(await answer).toMatchObject({ code: 'peer_gone', retryable: true, cause: { message: 'boom' } });
    expect(actor.tell('after')).toBe(false);
    await expect(actor.ask<string>((reply) => reply, 100)).rejects.toMatchObject({ code: 'peer_gone' });
    expect(actor.metrics.snapshot()).toMatchObject({ depth: 0, failed: 1, handled: 0 });
  });

  it('is made anew by its supervisor', async () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    let current: Actor<string> | null = null;
    const supervisor = new Supervisor(
      { name: 's', strategy: 'one_for_one', restartsMax: 3, withinMs: 1_000, backoffMinMs: 10, backoffMaxMs: 10 },
      [
        {
          name: 'alerts',
          stopTimeoutMs: 100,
          async start({ epoch }) {
            current = new Actor<string>(
              {
                name: 'alerts',
                mailboxMax: 10,
                receive(message) {
                  if (message === 'poison') throw new Error('boom');
                  seen.push(`${message}#${epoch}`);
                },
              },
              { clock: time, timers: time },
            );
            return current;
          },
        },
      ],
      { clock: time, timers: time, log: nullLog, onEscalate: () => undefined },
    );
    await supervisor.start();
    for (const message of ['a', 'poison', 'lost']) current!.tell(message);
    await time.advanceSettled(10);
    current!.tell('b');
    await time.advanceSettled(0);
    expect(seen).toEqual(['a#1', 'b#2']);
    await supervisor.stop();
  });
});

describe('stopping an actor', () => {
  it('works off what waits and takes nothing new', async () => {
    const got: string[] = [];
    const { time, actor } = actorOf<string>(async (message) => {
      await sleep(time, 10);
      got.push(message);
    });
    actor.tell('a');
    actor.tell('b');
    const stopped = actor.stop(100);
    expect(actor.tell('c')).toBe(false);
    await time.advanceSettled(20);
    expect(await stopped).toEqual({ kind: 'stopped' });
    expect(got).toEqual(['a', 'b']);
    expect(time.timersPending).toBe(0);
  });

  it('ends at the time limit when a message is never done with', async () => {
    let finishLate: () => void = () => undefined;
    const { time, actor } = actorOf<unknown>(() => new Promise<void>((resolve) => (finishLate = resolve)));
    const answer = actor.ask<string>((reply) => reply, 10_000).catch((error: OperationalError) => error.code);
    const stopped = actor.stop(100);
    await time.advanceSettled(100);
    expect(await stopped).toEqual({ kind: 'terminated' });
    expect(await answer).toBe('peer_gone');
    finishLate();
    await time.advanceSettled(0);
    expect(actor.metrics.snapshot()).toMatchObject({ depth: 0, handled: 0 });
  });

  it('is done at once when idle, and may be asked for twice', async () => {
    const { actor } = actorOf<string>(() => undefined);
    expect(await Promise.all([actor.stop(1), actor.stop(1)])).toEqual([{ kind: 'stopped' }, { kind: 'stopped' }]);
  });
});
