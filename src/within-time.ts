/**
 * Fails where an answer takes longer than this; a network that swallows packets would hold whoever waits for minutes.
 *
 * After a busy stretch timers run before sockets are read: an answer that came meanwhile lies there unread. So the sockets are
 * read once more before the answer is given up, or whatever keeps the process busy would be taken for somebody else's silence.
 */
export async function withinTime<T>(
  answer: Promise<T>,
  maxMs: number,
  errorOf: (message: string) => Error = (message) => new Error(message),
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void => reject(errorOf(`No answer within ${maxMs} ms`));
    timer = setTimeout(() => setImmediate(giveUp), maxMs);
  });
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
