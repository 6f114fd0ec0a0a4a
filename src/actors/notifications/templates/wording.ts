import type { Severity } from '../../../model/anomaly.ts';
import { SEVERITIES } from '../../../model/anomaly.ts';
import type { Contact } from '../../../model/contact.ts';
import type { Notice, NoticeAlert } from '../../../model/notice.ts';
import { localFormats, type LocalFormats } from './local-formats.ts';
import { textsFor } from './languages.ts';
import type { MessageTexts } from './message-texts.ts';
import { plainLine, shortened } from './plain-line.ts';

/** How one person is spoken to, at one time: alerts and notices as their lines. */

/** Longest title and description that a message holds, characters: the engine's own are shorter, and a subject past it is not read. */
export const TITLE_CHARACTERS_MAX = 160;
export const DESCRIPTION_CHARACTERS_MAX = 500;
/** Regions that are named; of more their number is. */
const REGIONS_NAMED_MAX = 3;

/** A message in one line: how bad it is and whether it is news, then what, where and how many. */
export interface Headline {
  /** `CRITICAL (still open)`. */
  badge: string;
  /** `12 meter outages in region-03 (3 resolved)`. */
  text: string;
}

export class Wording {
  readonly texts: MessageTexts;
  readonly formats: LocalFormats;
  readonly nowMs: number;

  constructor(contact: Pick<Contact, 'locale' | 'zone'>, nowMs: number) {
    this.formats = localFormats(contact);
    this.texts = textsFor(this.formats.locale);
    this.nowMs = nowMs;
  }

  title(alert: NoticeAlert): string {
    return shortened(plainLine(this.texts.title(alert, this.formats) ?? alert.title), TITLE_CHARACTERS_MAX);
  }

  description(alert: NoticeAlert): string {
    return shortened(plainLine(this.texts.description(alert, this.formats) ?? alert.description), DESCRIPTION_CHARACTERS_MAX);
  }

  /** `Since 14:32 CET.` or `Resolved 15:02 CET.` */
  when(alert: NoticeAlert): string {
    const { texts, formats, nowMs } = this;
    return alert.resolvedAt === null ? texts.sinceMoment(formats.moment(alert.startedAt, nowMs)) : texts.resolvedMoment(formats.moment(alert.resolvedAt, nowMs));
  }

  headline(notice: Notice): Headline {
    const { texts } = this;
    if (notice.reason === 'test') return { badge: texts.test, text: 'Smart Energy Grid' };
    if (isOver(notice)) return { badge: texts.resolved, text: this.what(notice, false) };
    const reason = texts.reason(notice.reason, notice.level);
    return { badge: texts.severity[notice.severity] + (reason === null ? '' : ` (${reason})`), text: this.what(notice, true) };
  }

  /** Of several notices in one message, worst first. */
  digestHeadline(notices: readonly Notice[]): Headline {
    const { texts } = this;
    const alertCount = sum(notices, (notice) => notice.alertCount);
    const resolvedCount = sum(notices, (notice) => notice.resolvedCount);
    const regions = [...new Set(notices.flatMap((notice) => notice.regions))].sort();
    const isAllOver = notices.every(isOver);
    const counted = `${texts.notices(this.count(notices.length))}, ${texts.alerts(this.count(alertCount), null)}`;
    return {
      badge: isAllOver ? texts.resolved : texts.severity[notices[0].severity],
      text: counted + this.where(regions) + (isAllOver ? '' : this.resolvedOf(resolvedCount)),
    };
  }

  count(value: number): string {
    return this.formats.count(value);
  }

  private what(notice: Notice, withResolved: boolean): string {
    const [first] = notice.alerts;
    if (notice.alertCount === 1 && notice.alerts.length === 1) return this.oneAlert(first);
    // What is not named might be of another type.
    const type = notice.alerts.length === notice.alertCount && notice.alerts.every((alert) => alert.type === first.type) ? first.type : null;
    const counted = this.texts.alerts(this.count(notice.alertCount), type) + this.where(notice.regions) + (withResolved ? this.resolvedOf(notice.resolvedCount) : '');
    return type === null && first !== undefined ? `${counted}: ${this.title(first)}` : counted;
  }

  /** With its region and its meters where the title does not name them. */
  private oneAlert(alert: NoticeAlert): string {
    const title = this.title(alert);
    const { region, affectedMeters } = alert;
    const missing: string[] = [];
    if (region !== null && !title.includes(region)) missing.push(plainLine(region));
    if (affectedMeters > 1 && !title.includes(String(affectedMeters)) && !title.includes(this.count(affectedMeters))) missing.push(this.texts.meters(this.count(affectedMeters)));
    return missing.length === 0 ? title : `${title} (${missing.join(', ')})`;
  }

  private where(regions: readonly string[]): string {
    if (regions.length === 0) return '';
    return ` ${this.texts.inRegions(regions.length <= REGIONS_NAMED_MAX ? regions.map(plainLine).join(', ') : this.texts.regions(this.count(regions.length)))}`;
  }

  private resolvedOf(resolvedCount: number): string {
    return resolvedCount === 0 ? '' : ` (${this.texts.resolvedOf(this.count(resolvedCount))})`;
  }
}

export function isOver({ alertCount, resolvedCount }: Notice): boolean {
  return alertCount > 0 && resolvedCount >= alertCount;
}

/** What goes on before what is over, worst first, then newest first. */
export function worstFirst(notices: readonly Notice[]): Notice[] {
  return [...notices].sort((a, b) => Number(isOver(a)) - Number(isOver(b)) || rank(b.severity) - rank(a.severity) || b.at - a.at);
}

function rank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}

function sum(notices: readonly Notice[], of: (notice: Notice) => number): number {
  return notices.reduce((total, notice) => total + of(notice), 0);
}
