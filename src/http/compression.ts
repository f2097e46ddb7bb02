import { promisify } from "node:util";
import { brotliCompress, brotliCompressSync, constants, gzip, gzipSync } from "node:zlib";
import { negotiate } from "@fastify/accept-negotiator";
import type { FastifyReply } from "fastify";
import { copyToKeep } from "../copy-to-keep.js";

/** Below this the packets are as many, and the time is lost. */
const MIN_BYTES = 1_400;
/** What is compressed at once, in a millisecond or two; larger answers go to another thread, which costs more in all. */
const MAX_BYTES_AT_ONCE = 262_144;

type Encoding = "br" | "gzip";
/** The first is preferred where the client has no preference. */
const ENCODINGS: Encoding[] = ["br", "gzip"];
/** A window of 2^18 bytes: Brotli's usual 2^22 makes answers no smaller, and getting its memory takes longer than compressing. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_LGWIN]: 18 } };

const atOnce: Record<Encoding, (bytes: Buffer) => Buffer> = {
  br: (bytes) => brotliCompressSync(bytes, BROTLI),
  gzip: (bytes) => gzipSync(bytes),
};

const [brotliInThread, gzipInThread] = [promisify(brotliCompress), promisify(gzip)];
/** In one piece: as a stream it takes twice the time. */
const inThread: Record<Encoding, (bytes: Buffer) => Promise<Buffer>> = {
  br: (bytes) => brotliInThread(bytes, BROTLI),
  gzip: (bytes) => gzipInThread(bytes),
};

/**
 * Sends the answer, compressed where that is worth it and the client asks for it. `isKept`: the very same bytes may be sent again.
 * Then what they became is remembered with them, which is cheaper than to send them as they are (20 kB: 70 µs of CPU a call against
 * 110) and takes about a quarter of their memory more. Bodies of requests are not decompressed: a small one could become a large one.
 */
export function sendCompressed(
  reply: FastifyReply,
  answer: string | Buffer,
  { isKept }: { readonly isKept: boolean },
): FastifyReply | Promise<FastifyReply> {
  const accepted = reply.request.headers["accept-encoding"];
  if (accepted === undefined || Buffer.byteLength(answer) < MIN_BYTES) return reply.send(answer);
  // In any case, and x-gzip is gzip (RFC 9110, 8.4.1). Who takes anything gets what everybody knows, and may have refused Brotli beside it.
  const encoding = negotiate(accepted.toLowerCase().replace(/\*|x-gzip/g, "gzip"), ENCODINGS);
  if (encoding === null) return reply.send(answer);
  const vary = reply.getHeader("vary");
  reply.header("vary", vary === undefined ? "accept-encoding" : `${String(vary)}, accept-encoding`);
  const bytes = typeof answer === "string" ? Buffer.from(answer) : answer;
  const compressed = isKept ? compressedOnce(bytes, encoding) : compress(bytes, encoding);
  const send = (body: Buffer): FastifyReply => reply.header("content-encoding", encoding).send(body);
  // Where no memory could be had for it, as it is.
  return compressed instanceof Promise ? compressed.then(send, () => reply.send(answer)) : send(compressed);
}

function compress(bytes: Buffer, encoding: Encoding): Buffer | Promise<Buffer> {
  return (bytes.length <= MAX_BYTES_AT_ONCE ? atOnce : inThread)[encoding](bytes);
}

/** What comes of bytes, for as long as somebody else keeps them. */
const known = new WeakMap<Buffer, Partial<Record<Encoding, Buffer | Promise<Buffer>>>>();

function compressedOnce(bytes: Buffer, encoding: Encoding): Buffer | Promise<Buffer> {
  let forms = known.get(bytes);
  if (forms === undefined) known.set(bytes, (forms = {}));
  const before = forms[encoding];
  if (before !== undefined) return before;
  const compressed = compress(bytes, encoding);
  return (forms[encoding] = compressed instanceof Promise ? compressed.then(copyToKeep) : copyToKeep(compressed));
}
