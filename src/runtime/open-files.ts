/** Node's own, which its types lack. */
interface LimitsReport {
  excludeNetwork: boolean;
  getReport(): { userLimits?: { open_files?: { soft: number | 'unlimited' } } };
}

/** Open files and sockets that this process and those it starts may have each (`ulimit -n`); Infinity where there is no limit. */
export function openFilesMax(): number {
  const report = process.report as unknown as LimitsReport;
  // Looking up the names of all interfaces takes seconds on some machines.
  report.excludeNetwork = true;
  const soft = report.getReport().userLimits?.open_files?.soft;
  // Windows has no such limit.
  return typeof soft === 'number' ? soft : Infinity;
}
