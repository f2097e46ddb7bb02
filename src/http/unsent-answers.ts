import type { FastifyReply } from "fastify";
import { PublicError } from "../errors.js";

/** Smaller ones are not counted: they hardly wait, as sockets have room for them. */
const COUNTED_BYTES = 262_144;

/**
 * Answers that wait for their clients to take them. Whoever asks for large ones and reads none of them would fill the process's memory;
 * past the limit no more are begun until some were taken, or their connections closed.
 */
export class UnsentAnswers {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Counts it until it was sent. Throws UNAVAILABLE where there is no room. */
  begin(reply: FastifyReply, answer: string | Buffer): void {
    const bytes = answer.length;
    if (bytes < COUNTED_BYTES || reply.raw.closed) return;
    if (this.#bytes + bytes > this.#maxBytes) {
      const message = "Too many large answers wait for those who asked for them; try again, or ask for smaller pages.";
      throw new PublicError("UNAVAILABLE", message, { retryAfterSeconds: 1 });
    }
    this.#bytes += bytes;
    reply.raw.once("close", () => {
      this.#bytes -= bytes;
    });
  }
}
