import type { Alert } from '../../model/alert.ts';
import type { Severity } from '../../model/anomaly.ts';
import { NOTICE_ALERTS_MAX, NOTICE_MEMBERS_MAX, type Notice, type NoticeAlert } from '../../model/notice.ts';
import { rank } from './group.ts';

/** What a notice says of its alerts. */

export type NoticeContents = Pick<Notice, 'severity' | 'regions' | 'alerts' | 'others' | 'alertCount' | 'resolvedCount'>;

/** One alert at least. Keeps the worst in view, however many there are. */
export function noticeContents(alerts: readonly Alert[]): NoticeContents {
  const worst: Alert[] = [];
  const regions = new Set<string>();
  let alertCount = 0;
  let resolvedCount = 0;
  let severity: Severity = 'INFO';
  let severityGoingOn: Severity | null = null;
  for (const alert of alerts) {
    alertCount++;
    if (alert.region !== null) regions.add(alert.region);
    if (rank(alert.severity) > rank(severity)) severity = alert.severity;
    if (alert.state === 'resolved') resolvedCount++;
    else if (severityGoingOn === null || rank(alert.severity) > rank(severityGoingOn)) severityGoingOn = alert.severity;
    insertWorst(worst, alert);
  }
  return { severity: severityGoingOn ?? severity, regions: [...regions].sort(), alerts: worst.map(noticeAlert), ...othersOf(alerts, worst), alertCount, resolvedCount };
}

function othersOf(alerts: readonly Alert[], named: readonly Alert[]): Pick<Notice, 'others'> {
  if (alerts.length <= named.length) return {};
  const names = new Set(named.map(({ id }) => id));
  const others = alerts.slice(0, NOTICE_MEMBERS_MAX).map(({ id }) => id);
  return { others: others.filter((id) => !names.has(id)) };
}

function insertWorst(worst: Alert[], alert: Alert): void {
  if (worst.length === NOTICE_ALERTS_MAX) {
    if (byWorst(alert, worst[worst.length - 1]) >= 0) return;
    worst.pop();
  }
  const place = worst.findIndex((other) => byWorst(alert, other) < 0);
  worst.splice(place < 0 ? worst.length : place, 0, alert);
}

/** What goes on before what is over, then by severity, by how many it affects, by age. */
function byWorst(a: Alert, b: Alert): number {
  return (
    Number(a.state === 'resolved') - Number(b.state === 'resolved') ||
    rank(b.severity) - rank(a.severity) ||
    b.affectedMeters - a.affectedMeters ||
    a.startedAt - b.startedAt ||
    (a.id < b.id ? -1 : 1)
  );
}

function noticeAlert({ id, type, severity, state, title, description, region, meterId, affectedMeters, startedAt, resolved, kind, component, value, threshold, unit }: Alert): NoticeAlert {
  const facts = { kind, component, value, threshold, unit };
  return { id, type, severity, state, title, description, region, meterId, affectedMeters, startedAt, resolvedAt: resolved?.at ?? null, facts };
}
