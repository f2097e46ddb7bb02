import { MultiBar, Presets } from "cli-progress";
import type { RefusalReason } from "./file-record.js";
import type { ImportProgress, ImportState, ImportSummary } from "./import-progress.js";

const PLAIN_INTERVAL_MS = 5_000;
const RATE_WINDOW_MS = 2_000;
const MAX_REFUSALS_SHOWN = 100;
const FULL = "waiting until workers have recorded more";

/** Shows a state. Lines that must stay are written through it, or a bar would paint over them. */
interface Display {
  show(state: ImportState, eventsPerSecond: number): void;
  write(line: string): void;
  stop(): void;
}

/**
 * A bar with rate and time left on a terminal, a line every few seconds elsewhere. Refused lines are named one by one up to
 * a hundred and counted after that; the end is a summary by code.
 */
export function terminalProgress(stream: NodeJS.WriteStream): ImportProgress {
  const display = stream.isTTY ? barOn(stream) : plainOn(stream);
  const refusals = new Map<string, number>();
  const started = performance.now();
  let refusedCount = 0;
  let mark = { at: started, lines: 0 };
  let eventsPerSecond = 0;

  return {
    update(state: ImportState): void {
      const now = performance.now();
      const elapsedMs = now - mark.at;
      if (elapsedMs > RATE_WINDOW_MS || mark.lines === 0) {
        eventsPerSecond = Math.round(((state.lines - mark.lines) / Math.max(elapsedMs, 1)) * 1000);
        if (elapsedMs > RATE_WINDOW_MS) mark = { at: now, lines: state.lines };
      }
      display.show(state, eventsPerSecond);
    },
    refused(line: number, { code, field, message }: RefusalReason): void {
      refusals.set(code, (refusals.get(code) ?? 0) + 1);
      refusedCount++;
      if (refusedCount <= MAX_REFUSALS_SHOWN) {
        display.write(
          `line ${line} refused: ${code}${field === null ? "" : ` (${printable(field)})`}: ${printable(message)}`,
        );
      } else if (refusedCount === MAX_REFUSALS_SHOWN + 1) {
        display.write("more lines are refused; from here on they are counted");
      }
    },
    done(summary: ImportSummary): void {
      display.stop();
      for (const line of summaryLines(summary, refusals, (performance.now() - started) / 1000))
        stream.write(`${line}\n`);
    },
  };
}

function summaryLines(summary: ImportSummary, refusals: ReadonlyMap<string, number>, seconds: number): string[] {
  const { lines, accepted, refused, durableThroughLine, interrupted } = summary;
  const rate = Math.round(accepted / Math.max(seconds, 0.001));
  const counts = `${lines} lines read, ${accepted} accepted, ${refused} refused`;
  const result = [`${counts} in ${seconds.toFixed(1)} s (${rate} events/s)`];
  for (const [code, count] of [...refusals].toSorted(([, a], [, b]) => b - a)) result.push(`  ${code}: ${count}`);
  if (interrupted) {
    result.push(
      `interrupted: every line through ${durableThroughLine} is durable or refused`,
      "run the same import again to go on; nothing counts twice",
    );
  }
  return result;
}

function barOn(stream: NodeJS.WriteStream): Display {
  const counts = "{lines} lines | {eventsPerSecond}/s | {refused} refused{full}";
  // The program decides what SIGINT does: the bar's own listener would keep the process alive.
  const options = { stream, hideCursor: true, gracefulExit: false, etaBuffer: 200 };
  let shown: { bars: MultiBar; bar: ReturnType<MultiBar["create"]> } | null = null;
  const startWith = ({ totalBytes }: ImportState): NonNullable<typeof shown> => {
    // Without an end in sight there is nothing to fill a bar with.
    const format = totalBytes === null ? counts : `{bar} {percentage}% | ${counts} | {eta_formatted} left`;
    const bars = new MultiBar({ ...options, format }, Presets.shades_classic);
    return { bars, bar: bars.create(totalBytes ?? 0, 0, { lines: 0, eventsPerSecond: 0, refused: 0, full: "" }) };
  };
  return {
    show(state, eventsPerSecond) {
      shown ??= startWith(state);
      const full = state.isInboxFull ? ` | ${FULL}` : "";
      shown.bar.update(state.bytesRead, { lines: state.lines, eventsPerSecond, refused: state.refused, full });
    },
    write(line) {
      if (shown === null) stream.write(`${line}\n`);
      else shown.bars.log(`${line}\n`);
    },
    stop() {
      if (shown === null) return;
      // Flushes what was logged since the last repaint.
      shown.bars.update();
      shown.bars.stop();
    },
  };
}

function plainOn(stream: NodeJS.WriteStream): Display {
  let shownAt = performance.now();
  let wasFull = false;
  return {
    show({ bytesRead, totalBytes, lines, refused, isInboxFull }, eventsPerSecond) {
      const now = performance.now();
      const isNews = isInboxFull && !wasFull;
      if (now - shownAt < PLAIN_INTERVAL_MS && !isNews) return;
      shownAt = now;
      // Kept until the next line: near the mark an import rests and goes on many times a second.
      wasFull = isInboxFull;
      const percent = totalBytes === null ? "" : `${Math.floor((100 * bytesRead) / Math.max(totalBytes, 1))}%, `;
      stream.write(
        `${percent}${lines} lines, ${eventsPerSecond}/s, ${refused} refused${isInboxFull ? `, ${FULL}` : ""}\n`,
      );
    },
    write: (line) => stream.write(`${line}\n`),
    stop: () => undefined,
  };
}

/** A file's content must not steer the terminal: its control characters are shown, not sent. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F]/g, (character) => `\\x${character.charCodeAt(0).toString(16)}`);
}
