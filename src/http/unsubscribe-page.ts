import type { ChannelName } from '../model/contact.ts';

/** What a person sees who follows the link at the end of a message, in their language. */

export interface Page {
  language: 'en' | 'de';
  title: string;
  /** HTML. */
  body: string;
}

interface Texts {
  language: Page['language'];
  channels: Readonly<Record<ChannelName, string>>;
  question: { title: string; text(name: string, what: string): string; button: string };
  stopped: { title: string; text(name: string, what: string): string; button: string };
  resumed: { title: string; text(name: string, what: string): string };
  broken: { title: string; text: string };
  notAForm: { title: string; text: string };
}

const ENGLISH: Texts = {
  language: 'en',
  channels: { email: 'e-mails', sms: 'text messages', push: 'push messages', webhook: 'webhook calls', live: 'messages on the dashboard' },
  question: { title: 'No more of these messages?', text: (name, what) => `${name} would not be told of alerts by ${what} any more.`, button: 'Unsubscribe' },
  stopped: { title: 'Unsubscribed', text: (name, what) => `${name} gets no more ${what}.`, button: 'Turn them on again' },
  resumed: { title: 'Turned on again', text: (name, what) => `${name} gets ${what} again.` },
  broken: { title: 'This link does not work', text: 'It may have been cut off on its way. Take the one from a newer message, or ask whoever runs this grid.' },
  notAForm: { title: 'Not understood', text: 'Open the link in a browser and press its button; a program posts the form <code>List-Unsubscribe=One-Click</code>.' },
};

const GERMAN: Texts = {
  language: 'de',
  channels: { email: 'E-Mails', sms: 'SMS', push: 'Push-Nachrichten', webhook: 'Webhook-Aufrufe', live: 'Nachrichten in der Live-Ansicht' },
  question: { title: 'Keine solchen Nachrichten mehr?', text: (name, what) => `${name} bekäme von Alarmen keine ${what} mehr.`, button: 'Abbestellen' },
  stopped: { title: 'Abbestellt', text: (name, what) => `${name} bekommt keine ${what} mehr.`, button: 'Wieder einschalten' },
  resumed: { title: 'Wieder eingeschaltet', text: (name, what) => `${name} bekommt wieder ${what}.` },
  broken: { title: 'Dieser Link funktioniert nicht', text: 'Vielleicht wurde er unterwegs abgeschnitten. Nehmen Sie den aus einer neueren Nachricht, oder fragen Sie, wer dieses Netz betreibt.' },
  notAForm: { title: 'Nicht verstanden', text: 'Öffnen Sie den Link im Browser und drücken Sie den Knopf; ein Programm schickt das Formular <code>List-Unsubscribe=One-Click</code>.' },
};

/** The fields that the two forms post: the first is RFC 8058's. */
export const STOP_FIELD = { name: 'List-Unsubscribe', value: 'One-Click' };
export const RESUME_FIELD = { name: 'Resubscribe', value: 'Yes' };

/** Whose messages of which channel. */
export interface PageSubject {
  name: string;
  channel: ChannelName;
  /** BCP 47. */
  locale: string;
}

/** GET: whether they want no more. */
export function questionPage({ name, channel, locale }: PageSubject): Page {
  const { language, channels, question } = textsOf(locale);
  return { language, title: question.title, body: paragraph(question.text(escaped(name), channels[channel])) + form(STOP_FIELD, question.button) };
}

/** They get no more, and may take it back. */
export function stoppedPage({ name, channel, locale }: PageSubject): Page {
  const { language, channels, stopped } = textsOf(locale);
  return { language, title: stopped.title, body: paragraph(stopped.text(escaped(name), channels[channel])) + form(RESUME_FIELD, stopped.button) };
}

export function resumedPage({ name, channel, locale }: PageSubject): Page {
  const { language, channels, resumed } = textsOf(locale);
  return { language, title: resumed.title, body: paragraph(resumed.text(escaped(name), channels[channel])) };
}

/** `languages`: an Accept-Language header, as nobody knows whose link it is. */
export function brokenLinkPage(languages: string): Page {
  const { language, broken } = textsOf(languages);
  return { language, title: broken.title, body: paragraph(broken.text) };
}

export function notAFormPage(languages: string): Page {
  const { language, notAForm } = textsOf(languages);
  return { language, title: notAForm.title, body: paragraph(notAForm.text) };
}

export function pageHtml({ language, title, body }: Page): string {
  return `<!doctype html><html lang="${language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>${title}</title><h1>${title}</h1>${body}</html>\n`;
}

function textsOf(locale: string): Texts {
  return /^de\b/i.test(locale) ? GERMAN : ENGLISH;
}

function paragraph(html: string): string {
  return `<p>${html}</p>`;
}

function form({ name, value }: { name: string; value: string }, button: string): string {
  return `<form method="post"><input type="hidden" name="${name}" value="${value}"><p><button>${button}</button></p></form>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
