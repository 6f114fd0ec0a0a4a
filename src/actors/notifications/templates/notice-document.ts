import type { Contact } from '../../../model/contact.ts';
import type { Notice, NoticeAlert } from '../../../model/notice.ts';
import { DIGEST_NOTICES_MAX } from './message-content.ts';
import type { MessageContext } from './message-context.ts';

/** What a program gets, by webhook or live stream: `{type, timestamp, data}` as Standard Webhooks recommends. Texts are the engine's own, in English; whoever shows them escapes them. */
export function noticeDocument(notices: readonly Notice[], contact: Contact, { link, nowMs, reference }: MessageContext): object {
  const common = { timestamp: isoTime(nowMs) };
  const receiver = { contactId: contact.id, reference };
  if (notices.length === 1) return { type: 'alerts.notice', ...common, data: { ...receiver, ...noticeShape(notices[0], link) } };
  return { type: 'alerts.digest', ...common, data: { ...receiver, noticeCount: notices.length, notices: notices.slice(0, DIGEST_NOTICES_MAX).map((notice) => noticeShape(notice, link)) } };
}

function noticeShape({ id, at, reason, group, severity, regions, alerts, alertCount, resolvedCount, level }: Notice, link: MessageContext['link']): object {
  return { id, at: isoTime(at), reason, group, severity, regions, level, alertCount, resolvedCount, alerts: alerts.map((alert) => alertShape(alert, link(alert.id))) };
}

function alertShape({ facts, ...alert }: NoticeAlert, link: string | null): object {
  return { ...alert, ...facts, startedAt: isoTime(alert.startedAt), resolvedAt: alert.resolvedAt === null ? null : isoTime(alert.resolvedAt), link };
}

function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
