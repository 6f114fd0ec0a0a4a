import type { ChannelName, Contact } from '../../../model/contact.ts';
import type { Notice } from '../../../model/notice.ts';
import { invariant } from '../../../runtime/errors.ts';
import type { OutgoingMessage, RenderedMessage } from '../channels/channel.ts';
import { CURVE_CID, emailHtml } from './email-html.ts';
import { emailText } from './email-text.ts';
import { messageContent } from './message-content.ts';
import type { MessageContext } from './message-context.ts';
import { noticeDocument } from './notice-document.ts';
import { plainLine, shortened } from './plain-line.ts';
import { smsText } from './sms-text.ts';
import { Wording, worstFirst, type Headline } from './wording.ts';

/** All of a message but whom it goes to and which attempt it is. */
export type ComposedMessage = Omit<OutgoingMessage, 'deliveryId' | 'attempt' | 'addresses' | 'contactId'>;

/** Longest subject, characters: phones show some 40, desks some 100. */
const SUBJECT_CHARACTERS_MAX = 200;
/** A push message's body: a locked phone shows about four lines. */
const PUSH_BODY_CHARACTERS_MAX = 300;
/** Alerts that a short message names; the headline has counted all. */
const SHORT_TITLES_MAX = 3;

/** Notices for one person as one message; several are a digest. */
export function renderMessage(notices: readonly Notice[], contact: Contact, channel: ChannelName, context: MessageContext): ComposedMessage {
  invariant(notices.length > 0, 'a message is of one notice at least');
  const ordered = worstFirst(notices);
  const [worst] = ordered;
  const wording = new Wording(contact, context.nowMs);
  const headline = ordered.length > 1 ? wording.digestHeadline(ordered) : wording.headline(worst);
  return {
    ...rendered(ordered, contact, channel, context, wording, headline),
    // One that stands for several groups takes no other's place, and nothing takes its place.
    collapseKey: ordered.length > 1 ? `digest/${notices[0].id}` : worst.group,
    severity: worst.severity,
    reason: worst.reason,
    link: worst.alerts.length === 0 ? null : context.link(worst.alerts[0].id),
    unsubscribeLink: context.unsubscribeLink,
    document: noticeDocument(ordered, contact, context),
  };
}

function rendered(notices: readonly Notice[], contact: Contact, channel: ChannelName, context: MessageContext, wording: Wording, headline: Headline): RenderedMessage {
  const subject = shortened(plainLine(`${headline.badge}: ${headline.text}`), SUBJECT_CHARACTERS_MAX);
  switch (channel) {
    case 'email':
      return emailMessage(subject, notices, contact, context, wording);
    case 'sms':
      return { subject: '', text: smsMessage(notices, context, wording, headline), html: null, pictures: [] };
    case 'push':
    case 'live':
    case 'webhook':
      return { subject, text: shortened(sentencesOf(notices, channel, wording).join(' '), PUSH_BODY_CHARACTERS_MAX), html: null, pictures: [] };
  }
}

function emailMessage(subject: string, notices: readonly Notice[], contact: Contact, context: MessageContext, wording: Wording): RenderedMessage {
  const content = messageContent(notices, contact, context, wording);
  const { curve } = content;
  return {
    subject,
    text: emailText(content),
    html: emailHtml(content, wording.texts.language),
    pictures: curve === null ? [] : [{ cid: CURVE_CID, png: curve.picture.png, text: `${curve.title}: ${curve.facts.join('; ')}` }],
  };
}

function smsMessage(notices: readonly Notice[], context: MessageContext, wording: Wording, headline: Headline): string {
  const [alert] = notices[0].alerts;
  return smsText({
    head: `${headline.badge}: ${headline.text}`,
    sentences: sentencesOf(notices, 'sms', wording),
    link: alert === undefined ? null : context.link(alert.id),
    reference: wording.texts.referenceShort(context.reference),
  });
}

/** What follows the headline where there is room for a few sentences: of one alert when it began and its figures, of several the worst ones, of a digest its headlines. */
function sentencesOf(notices: readonly Notice[], channel: ChannelName, wording: Wording): string[] {
  const { texts } = wording;
  const [worst] = notices;
  if (notices.length > 1) return notices.map((notice) => `${wording.headline(notice).badge}: ${wording.headline(notice).text}.`);
  if (worst.reason === 'test') return [texts.testText(texts.channel[channel])];
  if (worst.alerts.length === 0) return [];
  if (worst.alertCount === 1) return [wording.when(worst.alerts[0]), wording.description(worst.alerts[0])];
  const { text } = wording.headline(worst);
  const goingOn = worst.alerts.filter(({ state }) => state !== 'resolved');
  const titles = (goingOn.length === 0 ? worst.alerts : goingOn).slice(0, SHORT_TITLES_MAX).map((alert) => wording.title(alert));
  return [wording.when(worst.alerts[0]), ...titles.filter((title) => !text.includes(title)).map((title) => `${title}.`)];
}
