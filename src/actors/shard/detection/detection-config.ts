const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Thresholds of baselines and detectors. Powers are kW, times ms, scores are deviations of the baseline. */
export interface DetectionConfig {
  /** One-minute windows a meter must have fed before power is judged at all (spike, drop, dark outage). 1 or more. */
  warmupWindows: number;
  /** Time constant of the exponentially weighted mean and variance. */
  baselineTauMs: number;
  /** The deviation counts as at least this share of what is expected … */
  relativeFloor: number;
  /** … and as at least this much. */
  absoluteFloorKw: number;

  /** Score from which a window is anomalous (candidate of an episode). Also where values fed to the baseline are cut off (winsorised) … */
  enterScore: number;
  /** … unless an episode is open: then they are cut off at this many deviations. */
  openEpisodeReach: number;
  /** An open episode is on its way out below this score. Less than enterScore. */
  exitScore: number;
  /** A run opens an episode when it has this many windows … */
  levelEnterWindows: number;
  /** … and stands for this much time, its last window counted as long as the usual spacing of the meter's windows. */
  levelEnterMs: number;
  /** An episode ends when so many windows in a row … */
  levelExitWindows: number;
  /** … standing for so much time are below exitScore. */
  levelExitMs: number;
  /** After so many anomalous windows of one episode its level is the new normal. 1 … 255 (one byte of state). */
  adoptWindows: number;
  /** How long an adopted level stands beside the seasonal profile before the profile alone counts again. */
  adoptedForMs: number;
  spikeSeverityScores: SeverityScores;
  dropSeverityScores: SeverityScores;
  /** Score of a window exactly at the lowest level of the last two days; what lies below is added in steps of the next two. */
  lowScore: number;
  /** One deviation below the usual low, as a share of it … */
  lowRelativeFloor: number;
  /** … and at least this much. */
  lowAbsoluteFloorKw: number;

  /** Weeks a slot of the hour-of-week profile must have seen before it is what is expected. */
  seasonalWeeksMin: number;
  /** Until then, days that must have seen the same hour of day. */
  seasonalDaysMin: number;
  /** Weight of the meter's general departure from its profile in a slot's variance, in weeks (days) of observation. */
  seasonalPriorWeight: number;
  /** Time constant of that general departure. */
  seasonalTauMs: number;
  /** Least weight of the newest week in a slot. */
  seasonalWeekWeight: number;
  /** Share of an hour that windows must cover for the hour to teach its slot. */
  seasonalCoverageMin: number;

  /** A window at or below this magnitude has no power. */
  darkKw: number;
  /** Darkness is an outage only where at least this much is expected. */
  darkExpectedKw: number;
  darkEnterWindows: number;
  /** Neighbours have power when at least this share of the region's reporting meters has. */
  darkRegionPoweredShare: number;
  /** … and at least so many of them report. */
  darkRegionReportingMin: number;
  /** What is known of the neighbours at one time says something of windows that end within this of it, and nothing of others. */
  darkPictureReachMs: number;

  /** A live meter is silent when nothing came for this long … */
  silenceMinMs: number;
  /** … for so many times the usual time between its readings … */
  silenceCadences: number;
  /** … and for so many times the usual time between its deliveries. */
  silenceArrivalGaps: number;
  /** Assumed time between readings of a meter that has sent one only. */
  cadenceUnknownMs: number;
  /** Silence is CRITICAL after this long (WARN until then). */
  silenceCriticalMs: number;

  /** Identical windows that make a flat line … */
  flatWindows: number;
  /** … if they span this long … */
  flatMs: number;
  /** … and so many times the longest flat stretch the meter is known for. */
  flatUsualFactor: number;
  /** The baseline must have varied by more than this, and by more than flatRelativeDeviation of its mean. */
  flatDeviationKw: number;
  flatRelativeDeviation: number;

  nominalVoltageV: number;
  /** Out of band beyond this percentage of nominal … */
  voltageEnterPercent: number;
  /** … back in band within this. */
  voltageExitPercent: number;
  /** CRITICAL from here on. */
  voltageCriticalPercent: number;
  /** Windows in a row to enter, and to leave. */
  voltageWindows: number;
  /** Below this percentage of nominal there is no supply: an outage's business, not the band's. */
  voltageAbsentPercent: number;
}

/** Scores from which an episode is WARN and CRITICAL; INFO below. */
export interface SeverityScores {
  warn: number;
  critical: number;
}

/**
 * The defaults, each with its reason. "UCI" is ten winter weeks of a French household at one minute, "NAB" the
 * labelled Numenta benchmark; test/integration/detection-real-data.test.ts prints what these values give on both.
 */
export const DEFAULT_DETECTION: DetectionConfig = {
  // Half an hour of minutes: the relative error of a deviation from 30 samples is 13 %, small beside a threshold of 4.
  warmupWindows: 30,
  // A household's load has a daily cycle; a mean over about a day does not chase it, and forgets a moved-out tenant in a week.
  baselineTauMs: DAY_MS,
  // Meters of class 2 and a process that holds still differ by a few percent; ten are nobody's alarm. Caps a drop's plain score at 10.
  relativeFloor: 0.1,
  // A refrigerator's compressor and a lamp; below it nothing in a house is worth a call.
  absoluteFloorKw: 0.2,

  // Measured: at 3.5 fifteen of 32 episodes on NAB's taxi rides are false, at 4 two of 14 (both on Labor Day), at 5 one of five labelled
  // days is missed. UCI has 1.4 episodes a week at 4, all INFO.
  enterScore: 4,
  // One deviation a window leaves the variance as it is: an episode does not explain itself away before its level is adopted.
  openEpisodeReach: 1,
  // One and a half deviations of hysteresis: a level that wobbles by less crosses only one of the edges.
  exitScore: 2.5,
  // One reading of a half-hourly meter may be a typing error of its register; two are not.
  levelEnterWindows: 2,
  // A kettle takes two to four minutes at 3 kW; what lasts five is heating, charging or a fault.
  levelEnterMs: 5 * MINUTE_MS,
  // A thermostat's pause of two minutes ends nothing.
  levelExitWindows: 2,
  levelExitMs: 3 * MINUTE_MS,
  // Half an hour at one minute; 15 hours at half-hourly, where one evening is not yet a new normal.
  adoptWindows: 30,
  // Two weeks teach every slot of the profile the new level twice.
  adoptedForMs: 14 * DAY_MS,
  // Twice the enter score, which UCI's ordinary life does not reach, and half as much again and more.
  spikeSeverityScores: { warn: 8, critical: 14 },
  // A drop cannot score past 1 / relativeFloor by its plain score: half of the load gone is 5 (INFO), seven tenths 7, nine tenths 9.
  dropSeverityScores: { warn: 7, critical: 9 },
  // As unusual as something seen about once in two days; well under exitScore, so that the usual low alone keeps no episode open.
  lowScore: 2,
  // A third of the base load gone scores 4.2 and opens an INFO, three quarters 7 and a WARN; all of it scores 8.7.
  lowRelativeFloor: 0.15,
  // A base load of 100 W is known to within a lamp.
  lowAbsoluteFloorKw: 0.02,

  // One week has no spread between weeks.
  seasonalWeeksMin: 2,
  // Monday to Wednesday; one day would call every Saturday an anomaly, three have a spread.
  seasonalDaysMin: 3,
  // With two weeks seen, half of the variance is that of all hours: people shift their habits by an hour.
  seasonalPriorWeight: 2,
  // A week holds every kind of hour once.
  seasonalTauMs: 7 * DAY_MS,
  // About the last four weeks, so that seasons of the year are followed.
  seasonalWeekWeight: 0.25,
  // The mean of less than half an hour is not that of the hour.
  seasonalCoverageMin: 0.5,

  // Resolution of a class 1 meter's power register is 1–10 W; a dead line reads below 20 W.
  darkKw: 0.02,
  // Five times dark: no doubt that something was on.
  darkExpectedKw: 0.1,
  // One window may be cut in half by a restart of the meter.
  darkEnterWindows: 2,
  // Where most are dark it is the region's outage, and one alert is better than a thousand.
  darkRegionPoweredShare: 0.5,
  // Two neighbours can be on the same dead line.
  darkRegionReportingMin: 3,
  // A live meter's window closes within twice the allowed lateness of its end, two minutes at most; one more for the way here and the
  // picture's age. What closes later is history, and its neighbours of then are not those of now.
  darkPictureReachMs: 3 * MINUTE_MS,

  // Whatever the cadence, a broken connection is given time for a retry or two.
  silenceMinMs: 90_000,
  // Three readings lost in a row are bad luck on radio; four are silence.
  silenceCadences: 4,
  // A concentrator that delivers daily must miss a whole delivery.
  silenceArrivalGaps: 2,
  // Most meters that are not faster send quarter-hours.
  cadenceUnknownMs: 15 * MINUTE_MS,
  // Restarts of routers and base stations are over by then.
  silenceCriticalMs: HOUR_MS,

  // At three decimals UCI never repeats a value for more than 15 minutes; half-hourly registers in 0.01 kWh may do so for a night.
  flatWindows: 60,
  flatMs: HOUR_MS,
  // A machine that holds one level for eight hours a day may hold it for twelve.
  flatUsualFactor: 2,
  // Above the last digit of a register in watts.
  flatDeviationKw: 0.01,
  // A standing lamp's load varies with the voltage by as much.
  flatRelativeDeviation: 0.01,

  // EN 50160 and IEC 60038: 230 V ± 10 %, and never below −15 %.
  nominalVoltageV: 230,
  voltageEnterPercent: 10,
  // A tap changer moves in steps of 1–2 %: less than a step of hysteresis is not sure to hold.
  voltageExitPercent: 9,
  voltageCriticalPercent: 15,
  // Motors starting sag for seconds; their minute's average may follow once.
  voltageWindows: 2,
  // Induced on a line without supply; nothing runs on it.
  voltageAbsentPercent: 10,
};
