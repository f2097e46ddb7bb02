/**
 * Calls of which there is nothing left for Apollo to say: posted, in good form, with a document that it has found valid before, from
 * a client whose `Accept` it has answered before. They are executed and answered as Apollo would have it, and are most calls there are.
 * What Apollo does to each call took a sixth of the processor time of a short one (docs/decisions/0054).
 */
import type { HTTPGraphQLRequest } from "@apollo/server";
import { type DocumentNode, getOperationAST, type OperationDefinitionNode } from "graphql";
import { growingLru } from "../growing-lru.js";
import { type Fields, isFields } from "./call-parts.js";
import type { ParsedDocuments } from "./parsed-documents.js";

export interface KnownCall {
  /** The document's text. */
  readonly source: string;
  readonly document: DocumentNode;
  /** SHA-256 of the document's text. */
  readonly documentHash: string;
  readonly operation: OperationDefinitionNode;
  readonly operationName: string | null;
  readonly variables: Fields;
  readonly extensions: Fields | undefined;
  /** Of the answer, for what the client accepts. */
  readonly contentType: string;
}

const MAX_ACCEPTS = 100;
const JSON_TYPE = "application/json";

export class KnownCalls {
  readonly #documents: ParsedDocuments;
  /** Of answers, by the `Accept` of those who were answered. */
  readonly #contentTypes = growingLru<string, string>(MAX_ACCEPTS);

  constructor(documents: ParsedDocuments) {
    this.#documents = documents;
  }

  /** Null where Apollo is to be asked: it alone says what is wrong with a call. */
  find({ method, headers, body }: HTTPGraphQLRequest): KnownCall | null {
    if (method !== "POST" || !isFields(body)) return null;
    // Of other types browsers may send what a page made up without asking first, and Apollo guards against that.
    if (headers.get("content-type")?.startsWith(JSON_TYPE) !== true) return null;
    const { query, operationName, variables, extensions } = body;
    if (typeof query !== "string" || !mayBeName(operationName) || !mayBeFields(variables) || !mayBeFields(extensions))
      return null;
    if (extensions?.["persistedQuery"] !== undefined) return null;
    const contentType = this.#contentTypes.get(headers.get("accept") ?? "");
    const parsed = contentType === undefined ? undefined : this.#documents.find(query);
    if (contentType === undefined || parsed === undefined) return null;
    const operation = getOperationAST(parsed.document, operationName);
    if (operation === null || operation === undefined) return null;
    return {
      source: query,
      document: parsed.document,
      documentHash: parsed.hash,
      operation,
      operationName: operation.name?.value ?? null,
      variables: variables ?? {},
      extensions: extensions ?? undefined,
      contentType,
    };
  }

  /** From an answer of Apollo's to a call that was executed: where it was posted, the type depends on what the client accepts alone. */
  learn({ method, headers }: HTTPGraphQLRequest, contentType: string): void {
    if (method !== "POST") return;
    this.#contentTypes.set(headers.get("accept") ?? "", contentType);
  }
}

function mayBeName(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === "string";
}

function mayBeFields(value: unknown): value is Fields | null | undefined {
  return value === undefined || value === null || isFields(value);
}
