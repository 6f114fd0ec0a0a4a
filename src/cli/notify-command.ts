import type { Command } from 'commander';
import { Option } from 'commander';
import { smsSize } from '../actors/notifications/templates/gsm7.ts';
import { plainLine } from '../actors/notifications/templates/plain-line.ts';
import type { Severity } from '../model/anomaly.ts';
import { SEVERITIES } from '../model/anomaly.ts';
import type { ChannelName } from '../model/contact.ts';
import { CHANNEL_NAMES } from '../model/contact.ts';
import type { DeliveryState } from '../model/notice.ts';
import type { ApiClient } from './api-client.ts';
import { EXIT, EXIT_CODES_HELP, endUsageFaultsWith2, runToEnd } from './command-end.ts';
import { addUrl, toStdout, withApi, writeOut, type Print } from './engine-command.ts';
import { textTable } from './text-table.ts';

interface MessageFlags {
  url: string;
  contact: string;
  channel: ChannelName;
}

/** As `POST /api/v1/notifications/preview` answers. */
interface WireMessage {
  subject: string;
  text: string;
  html: string | null;
  /** `png` in base64. */
  pictures: { cid: string; png: string; text: string }[];
}

/** Of what `POST /api/v1/notifications/test` answers. */
interface WireDelivery {
  id: string;
  state: DeliveryState;
  receipts: { at: string; channel: ChannelName | null; step: string; code: string | null; text: string; providerId: string | null }[];
}

/** Of a row of `GET /api/v1/contacts`. */
interface WireContact {
  id: string;
  name: string;
  zone: string;
  locale: string;
  addresses: Record<string, unknown>;
}

const CONTACTS_PER_PAGE = 500;

const HELP = `
Examples:
  seg notify contacts
  seg notify preview --contact c-7h2k --channel email --severity CRITICAL --out mail.html
  seg notify test --contact c-7h2k --channel sms
${EXIT_CODES_HELP} A test message that did not certainly go is a failure.`;

/** Adds `seg notify`. */
export function registerNotify(program: Command): void {
  const notify = endUsageFaultsWith2(program.command('notify')).description('see and try what people are told, by way of a running engine').addHelpText('after', HELP);
  addUrl(notify.command('contacts'))
    .description('list the people who can be told, with their ids')
    .action((flags: { url: string }) => runToEnd((signal) => withApi(flags, signal, (api) => listContacts(api, toStdout))));
  addMessage(notify.command('preview'))
    .description('show a message as it would look; nothing is sent')
    .addOption(new Option('--severity <severity>', 'of the alert in it').choices(SEVERITIES).default('CRITICAL'))
    .option('--out <file>', 'write it there; of an e-mail the HTML, to be opened in a browser')
    .action((flags: MessageFlags & { severity: Severity; out?: string }) => runToEnd((signal) => withApi(flags, signal, (api) => previewMessage(api, flags, toStdout))));
  addMessage(notify.command('test'))
    .description('send one message now and say what happened')
    .action((flags: MessageFlags) =>
      runToEnd(async (signal) => {
        if (!(await withApi(flags, signal, (api) => sendTestMessage(api, flags, toStdout)))) process.exitCode = EXIT.failed;
      }),
    );
}

/** Prints every contact: id, name, ways to reach them, zone and locale. */
export async function listContacts(api: ApiClient, print: Print): Promise<void> {
  const rows: string[][] = [];
  for await (const page of api.pages('/api/v1/contacts', { limit: String(CONTACTS_PER_PAGE) })) {
    for (const contact of page.data as unknown as WireContact[]) rows.push([contact.id, contact.name, reachableBy(contact).join(' ') || '–', contact.zone, contact.locale]);
  }
  if (rows.length === 0) return print('there are no contacts yet; POST /api/v1/contacts makes one\n');
  print(textTable(['id', 'name', 'channels', 'zone', 'locale'].map((title) => ({ title })), rows));
}

/** Prints the message, or writes it to `out`. Throws OperationalError: those of ApiClient.post, and `out_unwritable`. */
export async function previewMessage(api: ApiClient, { contact, channel, severity, out }: MessageFlags & { severity: Severity; out?: string }, print: Print): Promise<void> {
  const message = (await api.post('/api/v1/notifications/preview', { contactId: contact, channel, severity })) as unknown as WireMessage;
  if (out === undefined) return print(`${headOf(message, channel)}${message.text.trimEnd()}\n`);
  await writeOut(out, message.html === null ? `${message.text.trimEnd()}\n` : withPictures(message.html, message));
  print(`${headOf(message, channel)}written to ${out}\n`);
}

/** Prints what happened, step by step; true when the message certainly went. */
export async function sendTestMessage(api: ApiClient, { contact, channel }: MessageFlags, print: Print): Promise<boolean> {
  const delivery = (await api.post('/api/v1/notifications/test', { contactId: contact, channel })) as unknown as WireDelivery;
  for (const { at, channel: by, step, code, text, providerId } of delivery.receipts) {
    const ids = [code, providerId].filter((id) => id !== null);
    print(plainLine(`${at}  ${by ?? ''} ${step}${ids.length === 0 ? '' : ` [${ids.join(', ')}]`}: ${text}`) + '\n');
  }
  print(`${OUTCOME[delivery.state]} (${plainLine(delivery.id)})\n`);
  return delivery.state === 'sent';
}

const OUTCOME: Readonly<Record<DeliveryState, string>> = {
  sent: 'sent: the provider took it',
  sending: 'not known: it was handed to the provider, who has not answered; it may have gone',
  waiting: 'not sent yet: it will be tried again',
  digest: 'not sent yet: it goes with others',
  failed: 'failed: it did not go',
  suppressed: 'not sent: the person does not want messages on this channel',
};

/** Subject, or what an SMS costs. */
function headOf({ subject, text }: WireMessage, channel: ChannelName): string {
  if (channel !== 'sms') return `Subject: ${plainLine(subject)}\n\n`;
  const { segments, encoding } = smsSize(text);
  return `${segments} ${segments === 1 ? 'segment' : 'segments'}, ${encoding}\n\n`;
}

/** The pictures inside the file, as a browser knows nothing of `cid:`. */
function withPictures(html: string, { pictures }: WireMessage): string {
  return pictures.reduce((text, { cid, png }) => text.replaceAll(`cid:${cid}`, `data:image/png;base64,${png}`), html);
}

function reachableBy({ addresses }: WireContact): ChannelName[] {
  return CHANNEL_NAMES.filter((name) => {
    const address = addresses[name];
    return Array.isArray(address) ? address.length > 0 : address !== null && address !== undefined;
  });
}

function addMessage(command: Command): Command {
  return addUrl(command)
    .requiredOption('--contact <id>', 'who; seg notify contacts lists them')
    .addOption(new Option('--channel <channel>', 'which way').choices(CHANNEL_NAMES).makeOptionMandatory());
}
