import type { Anomaly } from '../../../model/anomaly.ts';
import { durationText, figure } from './figures.ts';

/** What an episode's alert says. Times are not in it: who shows it writes them in the reader's zone. */

export function episodeTitle({ kind, meterId, region, value, expected }: Anomaly): string {
  const meter = `${meterId} in ${region}`;
  switch (kind) {
    case 'outage':
      return `Outage of meter ${meter}`;
    case 'spike':
      return `High load at meter ${meter}: ${figure(value)} kW instead of ${figure(expected)} kW`;
    case 'drop':
      return `Low load at meter ${meter}: ${figure(value)} kW instead of ${figure(expected)} kW`;
    case 'flat_line':
      return `Meter ${meter} stands still at ${figure(value)} kW`;
    case 'voltage_band':
      return `Voltage of ${figure(value)} V at meter ${meter}`;
  }
}

export function episodeDescription(anomaly: Anomaly, forMs: number): string {
  const { kind, message, score } = anomaly;
  const sentences = [`${message.charAt(0).toUpperCase()}${message.slice(1)}.`];
  if (kind === 'spike' || kind === 'drop') sentences.push(`That is ${figure(score)} times the deviation that is usual for it.`);
  if (forMs > 0) sentences.push(`It has gone on for ${durationText(forMs)} or more.`);
  return sentences.join(' ');
}

/** Why the alert of an episode that ended is over. */
export function endText({ kind, endReason }: Anomaly): string {
  if (endReason === 'adapted') return 'The level has become what is usual for this meter.';
  switch (kind) {
    case 'outage':
      return 'The meter is back.';
    case 'spike':
    case 'drop':
      return 'The load is as usual again.';
    case 'flat_line':
      return 'The readings move again.';
    case 'voltage_band':
      return 'The voltage is within its band again.';
  }
}
