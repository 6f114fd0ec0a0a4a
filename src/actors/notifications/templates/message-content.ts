import type { Severity } from '../../../model/anomaly.ts';
import type { Contact } from '../../../model/contact.ts';
import type { Notice, NoticeAlert } from '../../../model/notice.ts';
import { curvePicture, type CurveData, type CurvePicture } from './curve-picture.ts';
import { plainLine, shortened } from './plain-line.ts';
import type { MessageContext } from './message-context.ts';
import { isOver, type Headline, type Wording } from './wording.ts';

/** What an e-mail says, before it is plain text or HTML: both are made of this, so neither can say less than the other. */
export interface MessageContent {
  headline: Headline;
  tone: Tone;
  /** Of a test; null otherwise. */
  note: string | null;
  sections: ContentSection[];
  /** Notices that are only counted; null: none. */
  more: string | null;
  curve: ContentCurve | null;
  /** Lines. */
  footer: string[];
  unsubscribe: { text: string; link: string } | null;
}

export type Tone = Severity | 'resolved' | 'test';

/** One notice. */
export interface ContentSection {
  /** null where the message is of this one alone. */
  headline: Headline | null;
  tone: Tone;
  alerts: ContentAlert[];
  /** Its alerts are told in few lines. */
  isBrief: boolean;
  /** Alerts that are only counted; null: none. */
  more: string | null;
}

export interface ContentAlert {
  /** null where the headline above is the same. */
  title: string | null;
  description: string;
  badge: string;
  tone: Tone;
  rows: { label: string; value: string }[];
  link: { text: string; url: string } | null;
}

export interface ContentCurve {
  title: string;
  /** What it shows, for who reads words. */
  facts: string[];
  high: string;
  low: string;
  from: string;
  to: string;
  picture: CurvePicture;
}

/** Notices of a digest that are written out, and alerts of each: with all at their longest the HTML stays below the 102 KB past which Gmail cuts a message off. */
export const DIGEST_NOTICES_MAX = 15;
export const DIGEST_ALERTS_MAX = 3;
const DIGEST_DESCRIPTION_CHARACTERS_MAX = 160;

/** `notices` in the order in which they are to stand. */
export function messageContent(notices: readonly Notice[], contact: Contact, context: MessageContext, wording: Wording): MessageContent {
  const { texts, formats, nowMs } = wording;
  const [worst] = notices;
  const isDigest = notices.length > 1;
  const isRecipient = notices.some(({ recipients }) => recipients.includes(contact.id));
  const named = notices.slice(0, DIGEST_NOTICES_MAX);
  const isTest = worst.reason === 'test';
  return {
    headline: isDigest ? wording.digestHeadline(notices) : wording.headline(worst),
    tone: toneOf(worst),
    note: isTest ? texts.testText(texts.channel.email) : null,
    sections: named.map((notice) => section(notice, isDigest, context, wording)),
    more: named.length === notices.length ? null : texts.moreNotices(wording.count(notices.length - named.length)),
    curve: context.curve === null ? null : curveContent(context.curve, wording),
    footer: [...(isTest ? [] : [isRecipient ? texts.whyRecipient(worst.level) : texts.whySubscriber]), texts.zone(formats.zoneAt(nowMs)), texts.reference(context.reference)],
    unsubscribe: context.unsubscribeLink === null ? null : { text: texts.unsubscribe, link: context.unsubscribeLink },
  };
}

function section(notice: Notice, isDigest: boolean, context: MessageContext, wording: Wording): ContentSection {
  const named = isDigest ? notice.alerts.slice(0, DIGEST_ALERTS_MAX) : notice.alerts;
  const unnamed = notice.alertCount - named.length;
  return {
    headline: isDigest ? wording.headline(notice) : null,
    tone: toneOf(notice),
    alerts: named.map((alert) => {
      const content = alertContent(alert, isDigest ? DIGEST_DESCRIPTION_CHARACTERS_MAX : Infinity, context, wording);
      return notice.alertCount === 1 ? { ...content, title: null } : content;
    }),
    isBrief: isDigest,
    more: unnamed > 0 ? wording.texts.more(wording.count(unnamed)) : null,
  };
}

function alertContent(alert: NoticeAlert, descriptionMax: number, { link }: MessageContext, wording: Wording): ContentAlert {
  const { texts } = wording;
  const url = link(alert.id);
  return {
    title: wording.title(alert),
    description: shortened(wording.description(alert), descriptionMax),
    badge: alert.state === 'resolved' ? texts.resolved : texts.severity[alert.severity],
    tone: alert.state === 'resolved' ? 'resolved' : alert.severity,
    rows: rowsOf(alert, wording),
    link: url === null ? null : { text: texts.open, url },
  };
}

function rowsOf(alert: NoticeAlert, { texts, formats, nowMs }: Wording): ContentAlert['rows'] {
  const { region, meterId, affectedMeters, startedAt, resolvedAt } = alert;
  const rows: ContentAlert['rows'] = [];
  if (region !== null) rows.push({ label: texts.region, value: plainLine(region) });
  if (meterId !== null) rows.push({ label: texts.meter, value: plainLine(meterId) });
  if (affectedMeters > 1) rows.push({ label: texts.affected, value: texts.meters(formats.count(affectedMeters)) });
  const goesOnFor = nowMs - startedAt;
  rows.push({ label: texts.since, value: formats.dateTime(startedAt) + (resolvedAt === null && goesOnFor > 0 ? `, ${texts.ago(formats.duration(goesOnFor))}` : '') });
  if (resolvedAt !== null) rows.push({ label: texts.until, value: formats.dateTime(resolvedAt) + (resolvedAt > startedAt ? `, ${texts.after(formats.duration(resolvedAt - startedAt))}` : '') });
  else rows.push({ label: texts.stateLabel, value: texts.state[alert.state] });
  return rows;
}

function curveContent(data: CurveData, { texts, formats, nowMs }: Wording): ContentCurve | null {
  const picture = curvePicture(data);
  if (picture === null) return null;
  const figure = (value: number) => formats.figure(value, data.unit);
  const measured = data.points.filter((point): point is { at: number; value: number } => point.value !== null && Number.isFinite(point.value));
  const newest = measured[measured.length - 1];
  const highest = measured.reduce((most, point) => (point.value > most.value ? point : most));
  const facts = [
    texts.curveSpan(formats.time(picture.from), formats.moment(picture.to, nowMs)),
    texts.curveNow(figure(newest.value)),
    texts.curveHighest(figure(highest.value), formats.time(highest.at)),
    ...(data.threshold === null ? [] : [texts.curveThreshold(figure(data.threshold))]),
    ...((data.band?.length ?? 0) < 2 ? [] : [texts.curveBand]),
  ];
  return { title: texts.curveTitle(data.what, plainLine(data.label)), facts, high: figure(picture.high), low: figure(picture.low), from: formats.time(picture.from), to: formats.moment(picture.to, nowMs), picture };
}

function toneOf(notice: Notice): Tone {
  if (notice.reason === 'test') return 'test';
  return isOver(notice) ? 'resolved' : notice.severity;
}
