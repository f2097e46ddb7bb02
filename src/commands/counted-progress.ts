import { Presets, SingleBar } from "cli-progress";

/** Shows how much of a known number of things is done, on a terminal. */
export function countedProgress(stream: NodeJS.WriteStream, title: string, unit: string) {
  if (!stream.isTTY) return { update: () => undefined, stop: () => undefined };
  const format = `${title} {bar} {percentage}% | {value}/{total} ${unit} | {eta_formatted} left`;
  const bar = new SingleBar({ stream, format, hideCursor: true, gracefulExit: false }, Presets.shades_classic);
  let isShown = false;
  return {
    update(done: number, total: number): void {
      if (isShown) bar.update(done);
      else bar.start(total, done);
      isShown = true;
    },
    stop: () => bar.stop(),
  };
}
