import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { REPOSITORY } from './engine-process.ts';

/** The dashboards and rules of docker/, and the metrics that their expressions read. */

export const RULE_FILE = join(REPOSITORY, 'docker/prometheus/rules.yml');
const DASHBOARDS = join(REPOSITORY, 'docker/grafana/dashboards');

export interface Dashboard {
  uid: string;
  title: string;
  templating: { list: { datasource: { uid: string }; query: { query: string } }[] };
  panels: { id: number; title: string; datasource: { uid: string }; gridPos: { x: number; y: number; w: number; h: number }; targets: { refId: string; expr: string }[] }[];
}

export interface AlertRule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
}

export interface RecordingRule {
  record: string;
  expr: string;
}

export function readDashboards(): Dashboard[] {
  return readdirSync(DASHBOARDS).map((file) => JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Dashboard);
}

export function readRules(): { alerts: AlertRule[]; recorded: RecordingRule[] } {
  const { groups } = parse(readFileSync(RULE_FILE, 'utf8')) as { groups: { rules: (AlertRule | RecordingRule)[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  return { alerts: rules.filter((rule) => 'alert' in rule), recorded: rules.filter((rule) => 'record' in rule) };
}

/** Expressions of all panels as they are with every engine chosen. */
export function panelExpressions(dashboards: readonly Dashboard[]): { where: string; expr: string }[] {
  return dashboards.flatMap(({ title, panels }) =>
    panels.flatMap((panel) => panel.targets.map(({ expr }) => ({ where: `${title}: ${panel.title}`, expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*') }))),
  );
}

const PROMQL_WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);

/** The metrics that a PromQL expression reads: its names that are no functions, labels, strings, durations or words of the language. */
export function metricsOf(expression: string): string[] {
  const bare = expression
    .replace(/"[^"]*"/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  const names = [...bare.matchAll(/(?<![\w.])([a-zA-Z_:][\w:]*)(\s*\()?/g)].filter(([, , call]) => call === undefined).map(([, name]) => name);
  return names.filter((name) => !PROMQL_WORDS.has(name));
}

/** Of a histogram's series, or of a metric, the name of the metric. */
export function familyOf(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, '');
}
