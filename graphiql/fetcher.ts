import { type Cost, costOf } from "./cost-line.js";
import type { Fetcher } from "@graphiql/toolkit";

/** What an answer says about the authority it was asked with. */
export type KeyVerdict = "accepted" | "missing" | "refused" | "header-refused";

type FetcherOptions = {
  readonly endpoint: string;
  readonly readApiKey: () => string;
  readonly onVerdict: (verdict: KeyVerdict) => void;
  /** What the answer to an operation of the user's cost; null where it does not say. */
  readonly onCost: (cost: Cost | null) => void;
};

type Answer = {
  readonly data?: unknown;
  readonly extensions?: unknown;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: unknown } }[];
};

const INTROSPECTION = "IntrospectionQuery";

/** A door in between (a proxy, a server that is starting) answers in another tongue: show it rather than "Unexpected token". */
async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer === "object" && answer !== null) return answer;
  } catch {
    // Falls through to the same words as JSON that is no answer.
  }
  return { errors: [{ message: `The server answered ${response.status} and no GraphQL: ${text.slice(0, 200)}` }] };
}

function isUnauthenticated(response: Response, answer: Answer): boolean {
  return (
    response.status === 401 || (answer.errors?.some((error) => error.extensions?.code === "UNAUTHENTICATED") ?? false)
  );
}

/**
 * Sends operations as JSON with `Authorization: Bearer <key>`. A header typed in GraphiQL's own editor wins, whatever its
 * case: `Headers` joins two spellings of one name, which plain objects would send as two values.
 */
export function createFetcher({ endpoint, readApiKey, onVerdict, onCost }: FetcherOptions): Fetcher {
  return async (operation, options) => {
    const headers = new Headers(options?.headers);
    const isTyped = headers.has("authorization");
    const key = readApiKey();
    if (!isTyped && key !== "") headers.set("authorization", `Bearer ${key}`);
    if (!headers.has("accept")) headers.set("accept", "application/graphql-response+json, application/json");
    headers.set("content-type", "application/json");

    const body = JSON.stringify(operation);
    const response = await fetch(endpoint, { method: "POST", headers, body, credentials: "omit" });
    const answer = await readAnswer(response);
    // The schema is asked for by the page, and not by whoever reads the line.
    if (operation.operationName !== INTROSPECTION) onCost(costOf(answer.extensions));

    // An answer to a key that has been replaced meanwhile, or a fault of the server's, says nothing about the key.
    if (key !== readApiKey() || response.status >= 500) return answer;
    if (!isUnauthenticated(response, answer)) onVerdict("accepted");
    else if (isTyped) onVerdict("header-refused");
    else onVerdict(key === "" ? "missing" : "refused");
    return answer;
  };
}
