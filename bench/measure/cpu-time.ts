/** The processor time that processes and all their children have used, as Linux keeps it. */
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ: fixed in Linux's interface, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly parent: number;
  /** Its own, and that of its children that have ended. */
  readonly ticks: number;
}

/** Seconds, user and system, of these processes and everything they started. */
export function cpuSeconds(roots: Iterable<number>): number {
  const processes = readProcesses();
  const counted = new Set(roots);
  for (let grew = true; grew;) {
    grew = false;
    for (const [pid, { parent }] of processes) {
      if (counted.has(pid) || !counted.has(parent)) continue;
      counted.add(pid);
      grew = true;
    }
  }
  let ticks = 0;
  for (const pid of counted) ticks += processes.get(pid)?.ticks ?? 0;
  return ticks / TICKS_PER_SECOND;
}

export function parentOf(pid: number): number {
  const found = readProcesses().get(pid);
  if (found === undefined) throw new Error(`There is no process ${pid}`);
  return found.parent;
}

function readProcesses(): Map<number, ProcessTimes> {
  const found = new Map<number, ProcessTimes>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      // The second field is a name in parentheses that may hold anything, blanks too.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const at = (index: number) => Number(fields[index]);
      found.set(Number(entry), { parent: at(1), ticks: at(11) + at(12) + at(13) + at(14) });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** Resident memory of a process, in megabytes (10^6 bytes). */
export function residentMegabytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (found === null) throw new Error(`Process ${pid} tells no memory`);
  return (Number(found[1]) * 1024) / 1e6;
}
