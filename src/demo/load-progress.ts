import { Presets, SingleBar } from "cli-progress";

const PLAIN_STEP = 0.1;

/** Shows how far the demo's data is: a bar on a terminal, a line for every tenth elsewhere. */
export function progressOn(stream: NodeJS.WriteStream): {
  update(loaded: number, total: number): void;
  stop(): void;
} {
  if (!stream.isTTY) return plainOn(stream);
  let bar: SingleBar | undefined;
  return {
    update(loaded, total) {
      if (bar === undefined) {
        const format = "Loading the demo's data {bar} {percentage}% | {value}/{total} events | {eta_formatted} left";
        // The program decides what SIGINT does: the bar's own listener would keep the process alive.
        bar = new SingleBar({ stream, format, hideCursor: true, gracefulExit: false }, Presets.shades_classic);
        bar.start(total, loaded);
      } else bar.update(loaded);
      if (loaded === total) bar.stop();
    },
    stop: () => bar?.stop(),
  };
}

function plainOn(stream: NodeJS.WriteStream) {
  let next = PLAIN_STEP;
  return {
    update(loaded: number, total: number): void {
      if (loaded < total * next) return;
      while (loaded >= total * next && next < 1) next += PLAIN_STEP;
      stream.write(`Loading the demo's data: ${loaded} of ${total} events\n`);
      if (loaded === total) next = Number.POSITIVE_INFINITY;
    },
    stop: () => undefined,
  };
}
