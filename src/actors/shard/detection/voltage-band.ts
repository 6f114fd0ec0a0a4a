import type { DetectionConfig } from './detection-config.ts';
import type { DetectorCells } from './detector-cells.ts';
import { clearRun, extendRun, KIND, openSeverity, runStartMs, SEVERITY_CODE } from './detector-cells.ts';
import type { AnomalySink } from './episodes.ts';
import { endEpisode, openEpisode, worsenEpisode } from './episodes.ts';

/**
 * Voltage out of band (EN 50160). `voltageV` is the window's average; NaN, where no reading carried one, proves nothing: it breaks a run and
 * leaves an open episode open. So does a voltage near zero: that is no supply, or a meter without a sensor.
 */
export function observeVoltage(cells: DetectorCells, startMs: number, voltageV: number, config: DetectionConfig, emit: AnomalySink): void {
  const percent = (100 * Math.abs(voltageV - config.nominalVoltageV)) / config.nominalVoltageV;
  const open = openSeverity(cells, KIND.voltageBand) !== 0;
  const absent = !(Math.abs(voltageV) * 100 >= config.nominalVoltageV * config.voltageAbsentPercent);
  const code = percent >= config.voltageCriticalPercent ? SEVERITY_CODE.CRITICAL : SEVERITY_CODE.WARN;
  if (open && !absent && percent > config.voltageEnterPercent) {
    worsenEpisode(cells, KIND.voltageBand, 'nominal', code, voltageV, config.nominalVoltageV, percent, emit);
  }
  const runs = open ? percent <= config.voltageExitPercent : percent > config.voltageEnterPercent;
  if (absent || !runs) {
    clearRun(cells, KIND.voltageBand);
    return;
  }
  if (extendRun(cells, KIND.voltageBand, startMs) < config.voltageWindows) return;
  const since = runStartMs(cells, KIND.voltageBand);
  if (open) endEpisode(cells, KIND.voltageBand, since, 'recovered', emit);
  else openEpisode(cells, KIND.voltageBand, 'nominal', code, since, voltageV, config.nominalVoltageV, percent, emit);
}
