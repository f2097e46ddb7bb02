import * as fc from "fast-check";
import { type GraphQLInterfaceType, parse, validate } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import type { ToldCost } from "../support/told-cost.js";
import { TEN_EVENTS } from "../support/ten-events.js";
import { type RandomOperation, randomOperations } from "./random-operations.js";
import { RICH } from "../support/rich.js";

const SEED = 20_261_121;
/** 20,000 before a release: `HOSTILE_RUNS=20000 npx vitest run test/hostile/random-operations.test.ts`. */
const RUNS = Math.max(1, Number(process.env["HOSTILE_RUNS"] ?? 1_500));
/** So many at the same time. */
const AT_ONCE = 4;
const LONGEST_MS = 2_000;
/** Executed as it stands, looked for and kept, compiled or from what was kept. */
const TIMES = 4;

const schema = buildPublicSchema();
let product: Product;
let key: string;
const known = {
  ids: [] as string[],
  texts: ["spring", "ann@example.com", "mirrored", "EUR", "https://example.com/read"],
};

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

async function post(query: string, variables: unknown): Promise<Reply> {
  const began = performance.now();
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  return { status: response.status, text, ms: performance.now() - began };
}

beforeAll(async () => {
  product = await startProduct({ env: RICH });
  ({ key } = await product.createTenant());
  known.ids.push(await recordEvents(product, key, TEN_EVENTS));
  await product.settled(key);
  const { data } = await product.graphql<{
    campaigns: { edges: { cursor: string; node: { id: string } }[] };
    events: { edges: { cursor: string; node: { id: string } }[] };
    viewer: { tenant: { id: string } };
  }>(
    key,
    `{ campaigns { edges { cursor node { id } } } viewer { tenant { id } }
       events(first: 5, filter: { occurredAt: { from: "2026-11-01T00:00:00Z", to: "2026-11-04T00:00:00Z" } }) { edges { cursor node { id } } } }`,
  );
  for (const { cursor, node } of [...data.campaigns.edges, ...data.events.edges]) {
    known.ids.push(node.id);
    known.texts.push(cursor);
  }
  known.ids.push(data.viewer.tenant.id);
});
afterAll(() => product.stop());

/** What no client may be told: SQL, names of tables and roles, places in the code, hosts, other names of the schema. */
const INTERNALS =
  /syntax error at|relation "|mailtally_|app\.current_tenant|violates|postgres|ECONN|\bpg_|node_modules|\.[jt]s:\d|\n\s+at |127\.0\.0\.1|did you mean/i;

/**
 * Without what tells the moment, and of errors whether there are any: where several take the same object along, the first that
 * comes is told (GraphQL, 6.4.4), and the databases decide which that is.
 */
const lasting = (text: string): string => {
  const { data, errors } = JSON.parse(text) as Answered;
  return JSON.stringify({ data, hasErrors: errors !== undefined }, (name, value: unknown) =>
    /(^|_)(requestId|cacheAgeSeconds|rolledUpThrough|pendingEvents|lastUsedAt)$/.test(name) ? "now" : value,
  );
};

/** Objects that have an id in an answer. The rows of a page are the same ones under `nodes` and under `edges`. */
function nodesIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + nodesIn(item), 0);
  if (typeof value !== "object" || value === null) return 0;
  let pages = 0;
  let others = 0;
  for (const [name, member] of Object.entries(value)) {
    if (/(^|_)(nodes|edges)$/.test(name)) pages = Math.max(pages, nodesIn(member));
    else others += nodesIn(member);
  }
  const isNode = "__typename" in value && NODE_TYPES.has(String(value.__typename));
  return (isNode ? 1 : 0) + pages + others;
}

const NODE_TYPES = new Set(schema.getPossibleTypes(schema.getType("Node") as GraphQLInterfaceType).map(String));

function expectPriced(what: string, text: string): void {
  const { data, extensions } = JSON.parse(text) as Answered;
  if (extensions === undefined) return;
  const { requested, actual } = extensions.cost;
  expect(requested, what).toBeGreaterThanOrEqual(actual);
  expect(actual, what).toBeGreaterThanOrEqual(1);
  expect(requested, what).toBeGreaterThanOrEqual(nodesIn(data));
}

interface Answered {
  data?: unknown;
  extensions?: { readonly cost: ToldCost };
  errors?: { message: string; extensions?: { code?: string } }[];
}

function expectTold(what: string, { status, text, ms }: Reply): void {
  const { data, errors } = JSON.parse(text) as Answered;
  expect(status, `${what}\n${text.slice(0, 2_000)}`).toBeLessThan(500);
  expect(errors?.filter(({ extensions }) => !KNOWN_CODES.has(extensions?.code ?? "")) ?? [], what).toEqual([]);
  expect(errors === undefined ? "" : errors.map(({ message }) => message).join("\n"), what).not.toMatch(INTERNALS);
  expect(data !== undefined || errors !== undefined, what).toBe(true);
  expectPriced(what, text);
  expect(ms, what).toBeLessThan(LONGEST_MS);
}

const KNOWN_CODES: ReadonlySet<string> = new Set([
  "BAD_INPUT",
  "BAD_CURSOR",
  "NOT_FOUND",
  "FORBIDDEN",
  "CONFLICT",
  "IDEMPOTENCY_KEY_REUSED",
  "TOO_LARGE",
  "QUERY_TOO_COSTLY",
]);

function isValid(query: string): boolean {
  try {
    return validate(schema, parse(query)).length === 0;
  } catch {
    return false;
  }
}

async function tryOut({ operation, query, variables }: RandomOperation): Promise<boolean> {
  const what = JSON.stringify({ query, variables });
  const first = await post(query, variables);
  expectTold(what, first);
  if (operation === "mutation" || !isValid(query)) return false;
  for (let time = 1; time < TIMES; time += 1) {
    const again = await post(query, variables);
    expectTold(what, again);
    expect(lasting(again.text), what).toBe(lasting(first.text));
  }
  return true;
}

// Questions apart from mutations: what those change, others are answered anew.
test.each(["query", "mutation"] as const)(
  "a random %s has a good answer or a clear error, soon, the same one whichever way it is executed, and never for less than it holds",
  async (operation) => {
    let valid = 0;
    let all = 0;
    const operations = randomOperations(schema, known).filter((one) => one.operation === operation);
    await fc.assert(
      fc.asyncProperty(fc.array(operations, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (batch) => {
        const tried = await Promise.all(batch.map(tryOut));
        all += tried.length;
        valid += tried.filter(Boolean).length;
      }),
      {
        numRuns: Math.ceil((RUNS * (operation === "query" ? 0.85 : 0.15)) / AT_ONCE),
        // The same ones in every run of the suite, so that a change is what makes it fail; others in a long run.
        ...(process.env["HOSTILE_RUNS"] === undefined && { seed: SEED }),
        endOnFailure: process.env["HOSTILE_SHRINK"] === undefined,
      },
    );
    expect(valid).toBeGreaterThanOrEqual(operation === "query" ? all / 3 : 0);
    if (process.env["HOSTILE_RUNS"] !== undefined) process.stdout.write(`${all} of ${operation}, ${valid} valid\n`);
    expect((await fetch(`${product.url}/healthz`)).status).toBe(200);
  },
  60_000 * Math.max(1, RUNS / 1_000),
);
