import { tellError } from "./tell-error.js";

type OnBroken = (error: NodeJS.ErrnoException) => void;

/** As a shell reports a program that SIGPIPE has ended, which Node is not told of. */
const READER_GONE = 141;

/** Calls it where stdout or stderr takes no more. Without a listener that would end the process where it stands. */
export function onBrokenOutput(listener: OnBroken): () => void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", listener);
  return () => {
    for (const stream of [process.stdout, process.stderr]) stream.off("error", listener);
  };
}

/** What to exit with then. That a reader has seen enough, as `head` has after some lines, is nothing to tell of. */
export function statusOfBrokenOutput(error: NodeJS.ErrnoException): number {
  if (error.code === "EPIPE") return READER_GONE;
  tellError(error);
  return 1;
}

/** For all that has nothing to leave behind. Where anybody else listens, it is theirs. */
export function exitOnBrokenOutput(): void {
  onBrokenOutput((error) => {
    if (process.stdout.listenerCount("error") === 1) process.exit(statusOfBrokenOutput(error));
  });
}
