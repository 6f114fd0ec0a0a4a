import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ProviderCalls, ProviderKind } from './provider-main.ts';

/** A provider of the contract servers as a process of its own: it neither waits for the test nor the test for it, and it can be killed. */
export class ProviderProcess<Kind extends ProviderKind> {
  readonly url: string;
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, (result: unknown) => void>();
  private lastId = 0;

  private constructor(child: ChildProcess, url: string) {
    this.child = child;
    this.url = url;
    child.on('message', ({ id, result }: { id: number; result: unknown }) => {
      this.waiting.get(id)?.(result);
      this.waiting.delete(id);
    });
  }

  static async start<Kind extends ProviderKind>(kind: Kind): Promise<ProviderProcess<Kind>> {
    const child = fork(join(import.meta.dirname, 'provider-main.ts'), [kind], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    return new ProviderProcess<Kind>(child, url);
  }

  ask<Name extends keyof ProviderCalls[Kind] & string>(name: Name, ...args: ProviderCalls[Kind][Name] extends (...args: infer Args) => unknown ? Args : never): Promise<ProviderCalls[Kind][Name] extends (...args: never[]) => infer Result ? Result : never> {
    return new Promise((resolve) => {
      const id = ++this.lastId;
      this.waiting.set(id, resolve as (result: unknown) => void);
      this.child.send({ id, name, args });
    });
  }

  /** Nobody listens at its address any more. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}
