/**
 * What a call's document is, before anything of it is parsed: the text that was sent, or the registered document whose id was
 * sent, as `documentId` (the appendix on persisted documents of GraphQL over HTTP) or as the hash of Apollo's persisted queries.
 *
 * Who is locked to registered documents gets nothing else past here. What goes on for them is made anew around the registered
 * text, so that no field of the call, whatever it is called and wherever it stands, can bring another text along.
 */
import type { HTTPGraphQLRequest } from "@apollo/server";
import type { Principal } from "../access/principal.js";
import type { DocumentLock } from "../config-variables.js";
import type { DocumentDirectory } from "../documents/document-directory.js";
import { parseDocumentId } from "../documents/document-id.js";
import { PublicError } from "../errors.js";
import { type CallParts, callWith, hasText, partsOf } from "./call-parts.js";
import type { RequestContext } from "./context.js";
import { hasMoreLines } from "./document-faults.js";
import type { PersistedQueries } from "./persisted-queries.js";

interface GateOptions {
  readonly directory: DocumentDirectory;
  /** Documents that anybody may have sent: nothing for those who are locked. */
  readonly persistedQueries: PersistedQueries;
  readonly lock: DocumentLock;
  /** Of a document's text. */
  readonly maxLines: number;
}

export class DocumentGate {
  readonly #directory: DocumentDirectory;
  readonly #persistedQueries: PersistedQueries;
  readonly #lock: DocumentLock;
  readonly #maxLines: number;

  constructor({ directory, persistedQueries, lock, maxLines }: GateOptions) {
    this.#directory = directory;
    this.#persistedQueries = persistedQueries;
    this.#lock = lock;
    this.#maxLines = maxLines;
  }

  /** Whether the principal may ask for registered documents alone. Null: nobody who is known. */
  isLocked(principal: Principal | null): boolean {
    return this.#lock === "all" || (this.#lock === "tokens" && principal?.kind === "USER");
  }

  /**
   * The call with its document in it. Throws DOCUMENT_NOT_TRUSTED, PERSISTED_QUERY_NOT_FOUND, BAD_INPUT for what is no id and for a text
   * of too many lines, UNAUTHENTICATED where nobody asks by an id, and UNAVAILABLE where documents cannot be looked up.
   */
  async pass(context: RequestContext, call: HTTPGraphQLRequest): Promise<HTTPGraphQLRequest> {
    const parts = partsOf(call);
    if (this.isLocked(context.tenant?.principal ?? null)) {
      const id = parts.documentId ?? parts.hash;
      if (id === undefined || hasText(parts)) {
        const message = "Only registered documents are answered here: send the `documentId` of one, and no query.";
        throw new PublicError("DOCUMENT_NOT_TRUSTED", message);
      }
      return this.#registered(context, call, parts, id);
    }
    if (parts.documentId !== undefined) {
      if (hasText(parts)) throw badId("Send a documentId or a query, not both.");
      return this.#registered(context, call, parts, parts.documentId);
    }
    if (!hasText(parts)) return parts.hash === undefined ? call : this.#persisted(context, call, parts.hash);
    if (typeof parts.query !== "string") return call;
    if (hasMoreLines(parts.query, this.#maxLines)) {
      throw new PublicError("BAD_INPUT", `A document has at most ${this.#maxLines} lines.`, { field: ["query"] });
    }
    // What strangers send is not kept: all that is kept has a bound that all share.
    return parts.hash !== undefined && context.tenant === null ? callWith(call, parts.query) : call;
  }

  async #registered(
    context: RequestContext,
    call: HTTPGraphQLRequest,
    parts: CallParts,
    given: unknown,
  ): Promise<HTTPGraphQLRequest> {
    // Made-up ids cost a look-up, which strangers do not get.
    const { answerLife } = context.authenticated();
    const id = typeof given === "string" ? parseDocumentId(given) : null;
    if (id === null) throw badId("A documentId is `sha256:` with 64 hexadecimal digits, or what it was registered as.");
    const found = await this.#directory.find(id);
    if (found === null) {
      // The first is what clients with persisted queries know: older ones look at the message.
      const message =
        parts.documentId === undefined ? "PersistedQueryNotFound" : "No document is registered under this documentId.";
      throw new PublicError("PERSISTED_QUERY_NOT_FOUND", message);
    }
    // What was removed must not be given again for longer than it may be executed.
    answerLife.atMost(found.endsAt);
    return callWith(call, found.document);
  }

  /** By the hash of what somebody sent before, which is Apollo's to find, or else of what is registered. */
  async #persisted(context: RequestContext, call: HTTPGraphQLRequest, hash: unknown): Promise<HTTPGraphQLRequest> {
    const { answerLife } = context.authenticated();
    const id = typeof hash === "string" ? parseDocumentId(hash) : null;
    if (id === null) throw new PublicError("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound");
    if ((await this.#persistedQueries.get(`apq:${String(hash)}`)) !== undefined) return call;
    // The client can still send it: no reason to tell it that the registered ones cannot be looked up.
    const found = await this.#directory.find(id).catch((error: unknown) => {
      if (error instanceof PublicError) return null;
      throw error;
    });
    if (found === null) return call;
    answerLife.atMost(found.endsAt);
    return callWith(call, found.document);
  }
}

function badId(message: string): PublicError {
  return new PublicError("BAD_INPUT", message, { field: ["documentId"] });
}
