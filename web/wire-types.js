// @ts-check
/**
 * Types of the JSON that the gateway and the live stream send (src/http/wire-shapes.ts, alert-shapes.ts, live-protocol.ts). Times
 * are ISO 8601 in UTC. Types only: nothing imports this file at run time.
 *
 * @typedef {object} Region
 * @property {string} region
 * @property {number} meters
 * @property {number} metersReporting
 * @property {number} metersSilent
 * @property {number} loadKw
 * @property {number | null} capacityKw
 * @property {number | null} loadPercent
 * @property {number} openAnomalies
 *
 * @typedef {object} CurveWindow one minute of a region's curve
 * @property {string} region
 * @property {string} windowStart
 * @property {number} metersReporting
 * @property {number} sumPowerKw
 * @property {number | null} loadPercent
 * @property {boolean} final
 *
 * @typedef {'spike' | 'drop' | 'outage' | 'flat_line' | 'voltage_band'} AnomalyKind
 *
 * @typedef {object} Anomaly
 * @property {string} id
 * @property {string} meterId
 * @property {string} region
 * @property {AnomalyKind} kind
 * @property {'INFO' | 'WARN' | 'CRITICAL'} severity
 * @property {string} startedAt
 * @property {string | null} endedAt
 * @property {'recovered' | 'adapted' | null} endReason
 * @property {number} value
 * @property {number} expected
 * @property {number} score
 * @property {string} message
 *
 * @typedef {object} Sink
 * @property {'timescale' | 'kafka'} sink
 * @property {'connecting' | 'running' | 'waiting' | 'failed' | 'down'} state
 * @property {number | null} lagMs
 * @property {number | null} setAside
 * @property {string | null} problem
 *
 * @typedef {object} Engine
 * @property {'starting' | 'ready' | 'degraded' | 'stopping'} state
 * @property {string} version
 * @property {string} startedAt
 * @property {string} now
 * @property {{ shard: number, state: 'starting' | 'up' | 'restarting' | 'down' }[]} shards
 * @property {Sink[]} sinks
 * @property {Alerting | null} alerts null: the engine runs without them
 * @property {number} meters
 * @property {number} readingsAccepted
 * @property {number} acceptedPerSecond
 * @property {number} rejectedPerSecond
 * @property {number | null} ackLatencyP99Ms
 * @property {string} ingestUrl
 *
 * @typedef {object} Alerting Alerts, notifications and their thread.
 * @property {'starting' | 'up' | 'restarting' | 'down'} state
 * @property {string | null} problem
 * @property {{ bySeverity: Record<'INFO' | 'WARN' | 'CRITICAL', number>, suppressed: number } | null} active
 * @property {{ channel: 'email' | 'sms' | 'push' | 'webhook' | 'live', state: 'on' | 'off' | 'failing' }[]} channels
 *
 * @typedef {object} Alert
 * @property {string} id
 * @property {number} version
 * @property {'METER_OUTAGE' | 'REGIONAL_OVERLOAD' | 'ANOMALY' | 'SYSTEM_FAILURE'} type
 * @property {string} kind
 * @property {'INFO' | 'WARN' | 'CRITICAL'} severity
 * @property {'open' | 'acknowledged' | 'resolved'} state
 * @property {string} rule
 * @property {string} title
 * @property {string} description
 * @property {string | null} region
 * @property {string | null} meterId
 * @property {string | null} component
 * @property {number | null} value
 * @property {number | null} threshold
 * @property {'kW' | 'V' | '%' | 'meters' | null} unit
 * @property {string} startedAt
 * @property {string} openedAt
 * @property {Deed | null} acknowledged
 * @property {Deed | null} resolved
 * @property {number} affectedMeters
 * @property {number} occurrences
 * @property {boolean} isFlapping
 * @property {Suppression | null} suppression
 *
 * @typedef {{ at: string, by: string | null, why: string | null }} Deed `by`: null for the engine itself
 * @typedef {{ by: 'silence' | 'maintenance' | 'inhibition' | 'flapping', id: string }} Suppression
 * @typedef {Deed & { sequence: number, kind: 'opened' | 'changed' | 'recurred' | 'acknowledged' | 'resolved' | 'suppressed' | 'unsuppressed' | 'notified' | 'escalated', text: string }} AlertEvent
 * @typedef {Alert & { history: AlertEvent[] }} AlertDetail
 * @typedef {{ at: string, step: string, outcome: 'passed' | 'held' | 'stopped', reason: string, contactId: string | null }} Decision
 * @typedef {{ id: string, endsAt: string, createdBy: string, comment: string }} Silence
 *
 * @typedef {object} MeterSummary
 * @property {string} meterId
 * @property {string} region
 * @property {number} partition
 * @property {'reporting' | 'silent' | 'historical'} health
 * @property {string} newestTimestamp
 * @property {number} lastPowerKw
 * @property {AnomalyKind[]} openAnomalies
 *
 * @typedef {object} LastReading
 * @property {string} timestamp
 * @property {string} receivedAt
 * @property {number} powerKw
 * @property {number | null} energyKwh
 * @property {number | null} voltage
 * @property {number | null} current
 * @property {number | null} frequency
 * @property {number | null} powerFactor
 * @property {number | null} seq
 * @property {'OK' | 'ERROR'} status
 *
 * @typedef {object} Baseline
 * @property {number} meanKw
 * @property {number} deviationKw
 * @property {number} windows
 * @property {boolean} warm
 * @property {{ hour: number, meanKw: number, deviationKw: number }[]} hourOfWeek
 *
 * @typedef {MeterSummary & { lastReading: LastReading, readings: number | null, cadenceMs: number | null, baseline: Baseline }} Meter
 *
 * @typedef {object} MeterWindow
 * @property {string} windowStart
 * @property {'1m' | '15m'} granularity
 * @property {number} avgPowerKw
 * @property {number} minPowerKw
 * @property {number} maxPowerKw
 * @property {number} count
 * @property {number} energyKwhSum
 * @property {number | null} voltageAvg
 * @property {number | null} voltageMin
 * @property {number | null} voltageMax
 * @property {number} revision one more for each correction after it was closed
 * @property {boolean} final
 *
 * @typedef {object} LiveMessage any message of the live stream, with the fields of all types
 * @property {'hello' | 'access' | 'snapshot' | 'update' | 'heartbeat' | 'pong' | 'error'} type
 * @property {string} [channel]
 * @property {number} [seq]
 * @property {number} [after] of an update: whoever has this seq, or a later one, has `seq` with it
 * @property {string} [scope] of a snapshot that not everybody gets alike
 * @property {any} [data]
 * @property {number} [heartbeatMs]
 * @property {string} [code]
 * @property {string} [message]
 *
 * @typedef {{ status: 'connecting' } | { status: 'live' } | { status: 'waiting', retryAtMs: number } | { status: 'ended' }} Connection
 *   `retryAtMs`: when the next try comes, by this machine's clock. `ended`: the session has
 */

/**
 * @template T
 * @typedef {{ data: T[], nextCursor: string | null }} Page
 */

export {};
