import type { Failure } from './contract-server.ts';
import { FcmServer, type DeviceState } from './fcm-server.ts';
import { MailServer, type MailFailure } from './mail-server.ts';
import { TwilioServer } from './twilio-server.ts';
import { WebhookServer } from './webhook-server.ts';

/** A provider as a process of its own (provider-process.ts): `node provider-main.ts KIND`; it does what its parent's messages name, and tells what came of it. */

export interface ProviderCalls {
  mail: { mails(): { to: string[]; subject: string; text: string; html: string; pictures: number; listUnsubscribe: string }[]; fail(step: keyof MailServer['failures'], failures: MailFailure[]): void; connections(): number };
  twilio: { messages(): { to: string; body: string; sid: string }[]; fail(failures: Failure[]): void; stop(number: string): void; requests(): number; landline(number: string): void };
  fcm: { messages(): Record<string, unknown>[]; fail(failures: Failure[]): void; device(token: string, state: DeviceState): void; requests(): number; account(): Record<string, string> };
  webhook: { received(): { id: string; document: unknown }[]; fail(failures: Failure[]): void; requests(): number };
}

export type ProviderKind = keyof ProviderCalls;
export interface ProviderCall {
  id: number;
  name: string;
  args: unknown[];
}

type Handlers = Record<string, (...args: never[]) => unknown>;

/** What a message of Twilio's needs to be found in its list: the time at which it left. */
const TWILIO_LEAVES_MS = 200;

async function mail(): Promise<{ url: string; calls: ProviderCalls['mail'] }> {
  const server = await MailServer.start();
  return {
    url: `smtp://127.0.0.1:${server.port}`,
    calls: {
      mails: () =>
        server.mails.map(({ to, parsed }) => ({
          to,
          subject: parsed.subject ?? '',
          text: parsed.text ?? '',
          html: parsed.html || '',
          pictures: parsed.attachments.filter(({ contentType }) => contentType === 'image/png').length,
          listUnsubscribe: String(parsed.headerLines.find(({ key }) => key === 'list-unsubscribe')?.line ?? ''),
        })),
      fail: (step, failures) => void server.failures[step].push(...failures),
      connections: () => server.connectionsEver,
    },
  };
}

async function twilio(): Promise<{ url: string; calls: ProviderCalls['twilio'] }> {
  const server = await TwilioServer.start();
  setInterval(() => {
    for (const message of server.messages) message.sentAt ??= Date.now();
  }, TWILIO_LEAVES_MS);
  return {
    url: server.url,
    calls: {
      messages: () => server.messages.map(({ to, body, sid }) => ({ to, body, sid })),
      fail: (failures) => failures.forEach((failure) => server.fail(failure)),
      stop: (number) => void server.stopped.add(number),
      landline: (number) => void server.landlines.add(number),
      requests: () => server.requests.length,
    },
  };
}

async function fcm(): Promise<{ url: string; calls: ProviderCalls['fcm'] }> {
  const server = await FcmServer.start();
  return {
    url: server.url,
    calls: {
      messages: () => server.messages,
      fail: (failures) => failures.forEach((failure) => server.failSend(failure)),
      device: (token, state) => void server.devices.set(token, state),
      requests: () => server.sendRequests.length,
      account: () => server.serviceAccount(),
    },
  };
}

async function webhook(): Promise<{ url: string; calls: ProviderCalls['webhook'] }> {
  const server = await WebhookServer.start();
  return {
    url: server.url,
    calls: {
      received: () => [...server.received].map(([id, document]) => ({ id, document })),
      fail: (failures) => failures.forEach((failure) => server.fail(failure)),
      requests: () => server.requests.length,
    },
  };
}

const { url, calls } = await { mail, twilio, fcm, webhook }[process.argv[2] as ProviderKind]();
process.on('message', ({ id, name, args }: ProviderCall) => process.send!({ id, result: (calls as unknown as Handlers)[name](...(args as never[])) ?? null }));
process.on('disconnect', () => process.exit());
process.send!({ url });
