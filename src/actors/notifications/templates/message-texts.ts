import type { AlertState, AlertType } from '../../../model/alert.ts';
import type { Severity } from '../../../model/anomaly.ts';
import type { ChannelName } from '../../../model/contact.ts';
import type { NoticeAlert, NoticeReason } from '../../../model/notice.ts';
import type { LocalFormats } from './local-formats.ts';

/** What messages say, in one language. Numbers and times come as text already, except where their size chooses the words. */
export interface MessageTexts {
  /** BCP 47 language of the texts themselves. */
  language: string;
  /** In capitals: the first word of every subject. */
  severity: Record<Severity, string>;
  resolved: string;
  test: string;
  state: Record<AlertState, string>;
  /** Stands behind the severity, in parentheses; null: nothing, for what is new. */
  reason(reason: NoticeReason, level: number): string | null;
  /** `12 meter outages`; null: of several types. */
  alerts(count: string, type: AlertType | null): string;
  /** `region-01, region-02`, `5 regions`: where it is. */
  inRegions(regions: string): string;
  regions(count: string): string;
  resolvedOf(count: string): string;
  notices(count: string): string;
  /** Alerts beside those that are named. */
  more(count: string): string;
  moreNotices(count: string): string;

  /** null: the alert's own title and description, which are English. */
  title(alert: NoticeAlert, formats: LocalFormats): string | null;
  description(alert: NoticeAlert, formats: LocalFormats): string | null;

  region: string;
  meter: string;
  since: string;
  until: string;
  stateLabel: string;
  affected: string;
  meters(count: string): string;
  /** `5 min ago`. */
  ago(duration: string): string;
  /** `after 2 h`. */
  after(duration: string): string;
  sinceMoment(moment: string): string;
  resolvedMoment(moment: string): string;

  curveTitle(what: 'load' | 'power' | 'voltage', of: string): string;
  curveSpan(from: string, to: string): string;
  curveNow(value: string): string;
  curveHighest(value: string, time: string): string;
  curveThreshold(value: string): string;
  curveBand: string;

  testText(channel: string): string;
  channel: Record<ChannelName, string>;
  open: string;
  whyRecipient(level: number): string;
  whySubscriber: string;
  zone(zone: string): string;
  unsubscribe: string;
  reference(reference: string): string;
  /** As short as it goes, for an SMS. */
  referenceShort(reference: string): string;
}
