import type { SendOutcome } from './channel.ts';

/** What nodemailer says went wrong: its own code, the command it was at, and the server's reply where there was one. */
export interface SmtpFault {
  code?: string;
  /** Of the system or of TLS, behind nodemailer's own. */
  originalCode?: string;
  command?: string;
  responseCode?: number | false;
  response?: string;
  message: string;
}

/** A minute: servers that greylist (RFC 6647) take no second attempt before, and most take it then. */
export const GREYLIST_RETRY_MS = 60_000;

/**
 * Of a message that did not get through (RFC 5321): what the server refused with a reply certainly did not go, also after its end; without a reply it did not go as long as its end was not written (`isWritten`).
 * `mailbox`: the recipient's or the message's own fault; everything before the recipient is the server's, or of our settings.
 */
export function smtpOutcome(fault: SmtpFault, isWritten: boolean): SendOutcome {
  const reply = typeof fault.responseCode === 'number' && fault.responseCode >= 400 && fault.responseCode < 600 ? fault.responseCode : null;
  return reply === null ? withoutReply(fault, isWritten) : withReply(fault, reply);
}

function withReply({ command = '', response, message }: SmtpFault, reply: number): SendOutcome {
  const text = `The mail server answers${command === '' ? '' : ` to ${command.split(' ')[0] === 'AUTH' ? 'AUTH' : command}`}: ${response ?? message}`;
  const code = String(reply);
  const isOfMailbox = command === 'RCPT TO' || command === 'DATA' || (command === 'MAIL FROM' && reply === 552);
  // 421: it closes its doors, whatever it was asked.
  if (reply === 421 || !isOfMailbox) return { kind: 'retry', code, text, retryAfterMs: null, isProvider: true };
  if (reply < 500) return { kind: 'retry', code, text, retryAfterMs: GREYLIST_RETRY_MS, isProvider: false };
  return { kind: 'rejected', code, text };
}

function withoutReply({ code = 'network', originalCode, command, message }: SmtpFault, isWritten: boolean): SendOutcome {
  const label = originalCode ?? code;
  if (isWritten) return { kind: 'unknown', code: label, text: `The mail server had the whole message and did not say whether it took it: ${message}.` };
  if (code === 'EMESSAGE' && command === 'MAIL FROM') return { kind: 'rejected', code: 'too_large', text: `The mail server takes no message of this size: ${message}.` };
  if (code === 'EENVELOPE' && command === 'API') return { kind: 'rejected', code: 'bad_address', text: `It is no address that mail can go to: ${message}.` };
  return { kind: 'retry', code: label, text: `The mail server did not get the message: ${message}.`, retryAfterMs: null, isProvider: true };
}
