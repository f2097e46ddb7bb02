import { Presets, SingleBar } from "cli-progress";

/** Shows how many campaigns are recounted, on a terminal. */
export function verifyProgress(stream: NodeJS.WriteStream, tenantSlug: string) {
  if (!stream.isTTY) return { update: () => undefined, stop: () => undefined };
  const format = `${tenantSlug} {bar} {percentage}% | {value}/{total} campaigns | {eta_formatted} left`;
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
