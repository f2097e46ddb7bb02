/** Fails where an answer takes longer than this; a network that swallows packets would hold whoever waits for minutes. */
export async function withinTime<T>(
  answer: Promise<T>,
  maxMs: number,
  errorOf: (message: string) => Error = (message) => new Error(message),
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(errorOf(`No answer within ${maxMs} ms`)), maxMs);
  });
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
