import { type DestinationStream, pino, type Logger, stdSerializers } from "pino";

export type { Logger };

/**
 * What PostgreSQL adds to an error quotes the values of rows (`detail`, `where`), which may be an address; a parser's error
 * may hold what it read. So of an error, and of its causes,
 * message and stack are logged and no more.
 */
function withoutData(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = stdSerializers.err(error);
  const { code, statement } = error as { code?: unknown; statement?: unknown };
  return { type, message, stack, code, statement };
}

/**
 * Structured logs on stderr, so that commands may print their result on stdout. No addresses, keys or payloads go in.
 * Another destination is for tests.
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: withoutData },
      redact: {
        paths: ["authorization", "*.authorization", "secret", "*.secret", "password", "*.password"],
        remove: true,
      },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  );
}

const BUFFER_BYTES = 4_096;
const FLUSH_MS = 100;

/**
 * stderr for servers, which log a line a request: some lines are written at a time, a tenth of a second late at most. What is
 * left is written when the process ends; a kill -9 loses it.
 */
export function bufferedStderr(): DestinationStream {
  const stderr = pino.destination({ dest: 2, sync: false, minLength: BUFFER_BYTES, periodicFlush: FLUSH_MS });
  // A terminal that was closed takes no lines any more, which is no reason to leave without having stopped.
  stderr.on("error", () => undefined);
  return stderr;
}
