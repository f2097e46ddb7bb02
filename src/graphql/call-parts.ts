import type { HTTPGraphQLRequest } from "@apollo/server";
import { PublicError } from "../errors.js";

/** What of a call tells its document, each of any type as it came; undefined where it is absent or null. */
export interface CallParts {
  readonly query: unknown;
  readonly documentId: unknown;
  /** Of Apollo's persisted queries. */
  readonly hash: unknown;
}

export type Fields = Readonly<Record<string, unknown>>;

const PARTS_BESIDE = ["operationName", "variables"] as const;
const NOTHING: CallParts = { query: undefined, documentId: undefined, hash: undefined };

/** Throws BAD_INPUT for an address that holds several documentIds. */
export function partsOf({ method, search, body }: HTTPGraphQLRequest): CallParts {
  if (method !== "GET") {
    if (!isFields(body)) return NOTHING;
    return {
      query: body["query"] ?? undefined,
      documentId: body["documentId"] ?? undefined,
      hash: hashIn(body["extensions"]),
    };
  }
  const parameters = new URLSearchParams(search);
  const [documentId, ...more] = parameters.getAll("documentId");
  if (more.length > 0) {
    throw new PublicError("BAD_INPUT", "There is more than one documentId.", { field: ["documentId"] });
  }
  const query = parameters.getAll("query").find((text) => text !== "");
  return { query, documentId, hash: hashIn(extensionsOf(parameters)) };
}

/** An empty text is what some clients send along with an id. */
export function hasText({ query }: CallParts): boolean {
  return query !== undefined && query !== "";
}

/** The call asking for this document, with its operation's name, variables and extensions; nothing else of it remains. */
export function callWith(call: HTTPGraphQLRequest, document: string): HTTPGraphQLRequest {
  if (call.method !== "GET") {
    const given = call.body as Fields;
    const body: Record<string, unknown> = { query: document };
    // Left out where it was, as a part that is there and undefined is refused.
    for (const name of PARTS_BESIDE) if (name in given) body[name] = given[name];
    if ("extensions" in given) body["extensions"] = withoutHash(given["extensions"]);
    return { ...call, body };
  }
  const given = new URLSearchParams(call.search);
  const parameters = new URLSearchParams({ query: document });
  for (const name of PARTS_BESIDE) {
    for (const value of given.getAll(name)) parameters.append(name, value);
  }
  const extensions = extensionsOf(given);
  if (extensions !== undefined) parameters.set("extensions", JSON.stringify(withoutHash(extensions)));
  return { ...call, search: `?${parameters}` };
}

function hashIn(extensions: unknown): unknown {
  const persistedQuery = isFields(extensions) ? extensions["persistedQuery"] : undefined;
  return isFields(persistedQuery) ? (persistedQuery["sha256Hash"] ?? undefined) : undefined;
}

function withoutHash(extensions: unknown): unknown {
  if (!isFields(extensions)) return extensions;
  const { persistedQuery: _hash, ...rest } = extensions;
  return rest;
}

/** What is no JSON is left to whoever reads the call. */
function extensionsOf(parameters: URLSearchParams): unknown {
  const text = parameters.get("extensions");
  if (text === null) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}
