import { type BrotliOptions, brotliCompressSync, constants, gzipSync, type ZlibOptions } from "node:zlib";
import fastifyCompress from "@fastify/compress";
import type { FastifyInstance, FastifyReply } from "fastify";
import { copyToKeep } from "../copy-to-keep.js";

/** Below this the packets are as many, and the time is lost. */
const MIN_BYTES = 1_400;
/** What is compressed at once, in less than a millisecond; larger answers go through a thread in pieces. */
const MAX_BYTES_AT_ONCE = 65_536;
const brotliOptions: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

/**
 * Lets routes of this scope compress their answers for clients that ask for it: see sendCompressed. Bodies of requests are not decompressed: a small one could
 * become a large one.
 *
 * An answer that is kept whole is sent again as the same bytes in memory: what they became is remembered with them, which is
 * cheaper than to send them as they are (20 kB: 70 µs of CPU a call against 110) and takes about a quarter of their memory more.
 * The first time costs 200 to 250 µs.
 */
export async function compressAnswers(scope: FastifyInstance): Promise<void> {
  // Only routes that come after it is there can compress.
  await scope.register(fastifyCompress, {
    // Short answers would pay for the question, and most are short.
    global: false,
    globalDecompression: false,
    encodings: ["br", "gzip"],
    threshold: MIN_BYTES,
    syncThreshold: MAX_BYTES_AT_ONCE,
    brotliOptions,
    zlib: {
      brotliCompressSync: remembering((bytes: Buffer, options?: BrotliOptions) => brotliCompressSync(bytes, options)),
      gzipSync: remembering((bytes: Buffer, options?: ZlibOptions) => gzipSync(bytes, options)),
    },
  });
}

/** Sends the answer, compressed where that is worth it and the client asks for it. */
export function sendCompressed(reply: FastifyReply, answer: string | Buffer): FastifyReply {
  const isAskedFor = reply.request.headers["accept-encoding"] !== undefined;
  if (!isAskedFor || Buffer.byteLength(answer) < MIN_BYTES) return reply.send(answer);
  reply.compress(answer);
  return reply;
}

/** Remembers what came of the very same bytes for as long as somebody else keeps them. */
function remembering<Options>(compress: (bytes: Buffer, options?: Options) => Buffer) {
  const known = new WeakMap<Buffer, Buffer>();
  return (bytes: Buffer, options?: Options): Buffer => {
    const before = known.get(bytes);
    if (before !== undefined) return before;
    const compressed = copyToKeep(compress(bytes, options));
    known.set(bytes, compressed);
    return compressed;
  };
}
