/** What known scanners and attack tools try: the checks of graphql-cop, the shapes that graphql-armor is for, and bad HTTP. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { TEN_EVENTS } from "../support/ten-events.js";

const MAX_CALL_BYTES = 200_000;
const LONGEST_MS = 2_000;

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct({ env: { MAX_CALL_BYTES: String(MAX_CALL_BYTES) } });
  ({ key } = await product.createTenant());
  await recordEvents(product, key, TEN_EVENTS);
  await product.settled(key);
});
afterAll(() => product.stop());

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly body: {
    data?: unknown;
    extensions?: object;
    errors?: readonly { message: string; extensions: { code: string } }[];
  };
}

async function send(init: RequestInit, search = ""): Promise<Reply> {
  const began = performance.now();
  const response = await fetch(`${product.url}/graphql${search}`, init);
  const text = await response.text();
  expect(performance.now() - began).toBeLessThan(LONGEST_MS);
  return { status: response.status, text, body: JSON.parse(text) as Reply["body"] };
}

function post(body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  return send({
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json",
      authorization: `Bearer ${key}`,
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

const ask = (query: string, variables: Record<string, unknown> = {}): Promise<Reply> => post({ query, variables });

async function expectRefused(reply: Promise<Reply>, message: RegExp): Promise<void> {
  const { status, body } = await reply;
  expect(body.errors?.map((error) => error.message).join("\n")).toMatch(message);
  expect(body.data ?? null).toBeNull();
  expect(status).toBe(400);
}

const times = (count: number, part: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => part(n)).join(" ");

describe("graphql-cop finds nothing:", () => {
  test("a hundred and one aliases are refused", () =>
    expectRefused(ask(`query cop { ${times(101, (n) => `alias${n}: __typename`)} }`), /more than 100 aliased/));
  test("arrays of operations are refused", async () => {
    const { status, body } = await post(Array.from({ length: 10 }, () => ({ query: "query cop { __typename }" })));
    expect(status).toBe(400);
    expect(body.data).toBeUndefined();
  });
  test("ten unknown directives are one error", async () => {
    const { body } = await ask(`query cop { __typename ${"@aa".repeat(10)} }`);
    expect(body.errors).toHaveLength(1);
    expect(body.data ?? null).toBeNull();
  });
  test("the schema asked for in circles is refused", () =>
    expectRefused(
      ask(`query cop { __schema { types { ${"fields { type { ".repeat(4)} name ${"} }".repeat(4)} } } }`),
      /introspection depth/i,
    ));
  test("a field written five hundred times is refused", () =>
    expectRefused(ask(`query cop { ${"__typename ".repeat(500)} }`), /repeated/));
  test("no suggestion tells a field's name", async () => {
    const { text } = await ask("query cop { __schema { directive } campaign(externalID: 1) { nam } }");
    expect(text).not.toMatch(/did you mean/i);
  });
  test("no trace, no stack, no debugging is in an answer", async () => {
    const { text, body } = await post({ query: "query cop { __typename }" }, { "apollo-tracing": "1", "x-debug": "1" });
    expect(Object.keys(body)).toEqual(["data", "extensions"]);
    expect(Object.keys(body.extensions ?? {})).toEqual(["cost"]);
    const { body: wrong } = await ask("queryy cop { __typename }");
    expect(JSON.stringify(wrong)).not.toMatch(/stack|exception|debug/i);
    expect(text).not.toMatch(/tracing/i);
  });
  test.each(["mutation cop { __typename }", "query cop { __typename }"])(
    "by GET from another site: %s is refused",
    async (query) => {
      const { status, body } = await send({ method: "GET" }, `?query=${encodeURIComponent(query)}`);
      expect(status).toBe(400);
      expect(body.data).toBeUndefined();
    },
  );
  test("a mutation by GET is refused, whatever its headers say", async () => {
    const headers = { "apollo-require-preflight": "1", authorization: `Bearer ${key}` };
    const { status, body } = await send({ headers }, `?query=${encodeURIComponent("mutation cop { __typename }")}`);
    expect([400, 405]).toContain(status);
    expect(body.data).toBeUndefined();
  });
  test.each(["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])(
    "a form's type %s is refused",
    async (type) => {
      const { status, body } = await send({
        method: "POST",
        headers: { "content-type": type },
        body: "query={__typename}",
      });
      expect(status).toBe(415);
      expect(body.data).toBeUndefined();
    },
  );
});

describe("short documents with long answers are refused at once:", () => {
  const campaigns = (inner: string): string => `{ campaigns { nodes { ${inner} } } }`;
  test("fragments that double at each level", () => {
    const doubling = (kind: string, inner: string): string =>
      times(
        15,
        (n) =>
          `fragment F${n} on Campaign { a: ${kind} { ${n === 14 ? "__typename" : inner.replace("NEXT", `...F${n + 1}`)} } b: ${kind} { __typename } c: id ...G }`,
      );
    const text = `${campaigns("...F0")} ${doubling("events", "nodes { campaign { NEXT NEXT } }")} fragment G on Campaign { d: name e: id }`;
    return expectRefused(ask(text), /aliased|deep/);
  });
  test("fragments that spread the next one ten times", () =>
    expectRefused(
      ask(
        `{ viewer { ...F0 } } ${times(20, (n) => `fragment F${n} on Viewer { ${n === 19 ? "a: scopes" : times(10, () => `...F${n + 1}`)} }`)}`,
      ),
      /more than 100 aliased/,
    ));
  test("fragments that spread the next one twice, below what counts which numbers are asked for", async () => {
    const range = `range: { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }`;
    const fragments = times(
      40,
      (n) => `fragment F${n} on Metrics { ${n === 39 ? "from" : `...F${n + 1} ...F${n + 1}`} }`,
    );
    // As it stands, and compiled.
    for (let time = 0; time < 4; time++) {
      expect((await ask(`{ kpis(${range}) { metrics { ...F0 } } } ${fragments}`)).status).toBe(200);
    }
  });
  test("fragments in a circle", () =>
    expectRefused(
      ask("{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }"),
      /within itself/,
    ));
  test("pages in pages in pages, also by way of fragments", async () => {
    await expectRefused(
      ask(campaigns("events { nodes { campaign { events { edges { cursor } } } } }")),
      /3 pages deep/,
    );
    const fragments =
      "fragment E on EventConnection { edges { node { campaign { links { ...L } } } } } fragment L on LinkConnection { nodes { url } }";
    await expectRefused(ask(`${campaigns("events { ...E }")} ${fragments}`), /3 pages deep/);
    expect((await ask(campaigns("links { nodes { url } }"))).status).toBe(200);
  });
  test("more levels than the limit", () =>
    expectRefused(ask(campaigns(`${"events { nodes { campaign { ".repeat(7)} id ${"} } }".repeat(7)}`)), /deep/));
  test("more levels by way of fragments", () =>
    expectRefused(
      ask(
        `${campaigns("...F0")} ${times(8, (n) => `fragment F${n} on Campaign { events { nodes { campaign { ${n === 7 ? "id" : `...F${n + 1}`} } } } }`)}`,
      ),
      /deep/,
    ));
  test("more tokens than the limit", () => expectRefused(ask(`{ ${"viewer { scopes } ".repeat(2_000)} }`), /tokens/i));
  test("more lines than tokens, behind which each error would look for its own", async () => {
    const lines = "\n".repeat(90_000);
    await expectRefused(ask(`${lines}{ ${times(99, (n) => `x${n}`)} }`), /at most 5000 lines/);
    await expectRefused(
      ask(`${lines.replaceAll("\n", "\r")}{ ${times(99, (n) => `x${n}: viewer { scopes }`)} }`),
      /lines/,
    );
    expect((await ask(`${"\r\n".repeat(4_999)}{ viewer { scopes } }`)).status).toBe(200);
  });
  test("the schema about itself under many names", () =>
    expectRefused(
      ask(`{ ${times(5, (n) => `s${n}: __schema { types { name } }`)} }`),
      /more than 100 aliased or repeated/,
    ));
  test.each([
    ["a part of the schema", `{ __schema { ${times(5, (n) => `t${n}: types { name fields { name } }`)} } }`],
    ["its names", `{ __schema { types { ${times(21, (n) => `n${n}: name`)} } } }`],
    [
      "a part that fragments spread",
      `{ __schema { ${times(5, (n) => `...F${n}`)} } } ${times(5, (n) => `fragment F${n} on __Schema { t${n}: types { name } }`)}`,
    ],
    ["a type", `{ ${times(5, (n) => `t${n}: __type(name: "Query") { name }`)} }`],
  ])("%s, which nobody pays for, under many names", (_what, query) =>
    expectRefused(ask(query), /more than 100 aliased/),
  );
  test("values nested past any limit of a stack", async () => {
    const { status, body } = await ask(`{ node(id: ${"[".repeat(2_450)}${"]".repeat(2_450)}) { id } }`);
    expect(status).toBe(400);
    expect(body.errors?.map(({ message }) => message).join()).not.toMatch(/stack/);
  });
  test("metadata to look for that is nested past any limit of a stack", async () => {
    const range = '{ from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }';
    const query = `query ($m: JSONObject) { events(filter: { occurredAt: ${range}, recipient: "a@b.c", metadata: $m }) { nodes { id } } }`;
    const deep = `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`;
    const { body } = await post(`{"query":${JSON.stringify(query)},"variables":{"m":${deep}}}`);
    expect(body.errors?.[0]).toMatchObject({
      message: expect.stringMatching(/levels/),
      extensions: { code: "BAD_INPUT" },
    });
  });
  test("more tags in a filter than it may name", async () => {
    const tags = Array.from({ length: 101 }, (_, n) => `tag ${n}`);
    const range = { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" };
    for (const query of [
      "query ($tags: [String!]) { campaigns(filter: { tags: $tags }) { nodes { id } } }",
      "query ($tags: [String!], $range: DateTimeRange!) { kpis(range: $range, filter: { tags: $tags }) { metrics { sent { total } } } }",
    ]) {
      const { body } = await ask(query, query.includes("$range") ? { tags, range } : { tags });
      expect(body.errors?.[0]?.message).toMatch(/at most 100 tags/);
      expect(body.errors?.[0]?.extensions.code).toBe("BAD_INPUT");
    }
  });
  test("more directives than the limit", () =>
    expectRefused(
      ask(`{ viewer { ${times(51, () => "... @include(if: true) { scopes }")} } }`),
      /more than 50 directives/,
    ));
  test("the same directive twice at one place", () =>
    expectRefused(ask(`{ viewer { scopes ${"@skip(if: false) ".repeat(40)} } }`), /only be used once/));
  test("expensive fields under many names", () =>
    expectRefused(
      ask(
        `{ ${times(101, (n) => `k${n}: kpis(range: { from: "2020-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z" }) { metrics { sent { total } } }`)} }`,
      ),
      /aliased/,
    ));
  test("lists in lists in lists, in a literal and in variables", async () => {
    const deep = `${"[".repeat(2_000)}${"]".repeat(2_000)}`;
    expect((await ask(`{ nodes(ids: ${deep}) { id } }`)).status).toBe(400);
    const reply = await post(
      `{"query":"query ($ids: [ID!]!) { nodes(ids: $ids) { id } }","variables":{"ids":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
    );
    expect(reply.status).toBeLessThan(500);
  });
  test("more faults in the variables than are told one by one, before the operation is compiled and after", async () => {
    const events = Array.from({ length: 60 }, () => ({ type: "NONE", recipient: 1 }));
    for (let time = 0; time < 4; time += 1) {
      const { status, body } = await ask(
        "mutation ($input: RecordEventsInput!) { recordEvents(input: $input) { acceptedCount } }",
        { input: { events } },
      );
      expect(status).toBe(400);
      expect(new Set(body.errors?.map((error) => error.extensions.code))).toEqual(new Set(["BAD_INPUT"]));
    }
  });
  test("selections nested in a literal way past any limit of a stack", async () => {
    const reply = await ask(`${"{a".repeat(20_000)}${"}".repeat(20_000)}`);
    expect(reply.status).toBe(400);
  });
  test("two thousand members of one field, which must be checked against each other", async () => {
    const { status } = await ask(`{ ${times(60, () => `viewer { ${"scopes ".repeat(20)} }`)} }`);
    expect(status).toBe(400);
  });
  test("a page of more rows than there may be", async () => {
    const { body } = await ask("{ campaigns(first: 101) { nodes { id } } }");
    expect(body.errors?.[0]?.extensions.code).toBe("BAD_INPUT");
  });
});

describe("bad HTTP does no harm:", () => {
  const alive = async (): Promise<void> => {
    expect((await ask("{ viewer { scopes } }")).status).toBe(200);
  };

  test("a body past the limit", async () => {
    const { status, body } = await ask("{ viewer { scopes } }", { x: "x".repeat(MAX_CALL_BYTES) });
    expect(status).toBe(413);
    expect(body.errors?.[0]?.extensions.code).toBe("TOO_LARGE");
    await alive();
  });
  test.each([
    '{"query":',
    "[]",
    "null",
    '"x"',
    "1",
    '{"query":1}',
    '{"query":"{ viewer { scopes } }","variables":1}',
    '{"query":{}}',
    '{"__proto__":{"query":"{ viewer { scopes } }"}}',
    '{"query":"{ viewer { scopes } }","operationName":{}}',
    '{"query":"{ viewer { scopes } }","extensions":[]}',
    '{"query":"\\u0000"}',
    '{"query":"{ campaign(externalId: \\"\\ud800\\") { id } }"}',
    "",
  ])("the body %s", async (body) => {
    const reply = await post(body);
    expect(reply.status).toBeLessThan(500);
    expect(reply.text).not.toContain("INTERNAL");
  });
  test("bytes that are no UTF-8", async () => {
    const body = Buffer.concat([
      Buffer.from('{"query":"{ campaign(externalId: \\"'),
      Buffer.of(0xff, 0xfe, 0xc0),
      Buffer.from('\\") { id } }"}'),
    ]);
    const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
    const reply = await send({ method: "POST", headers, body });
    expect(reply.status).toBeLessThan(500);
  });
  test("five hundred connections, of which most say nothing or half of it", async () => {
    const { hostname, port } = new URL(product.url);
    const sockets = Array.from({ length: 500 }, (_, n) => {
      const socket = connect(Number(port), hostname);
      socket.on("error", () => undefined);
      const head = `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${key}\r\ncontent-length: 500\r\n\r\n{"query":"{ vie`;
      socket.write(head.slice(0, n));
      return socket;
    });
    try {
      await alive();
      const replies = await Promise.all(
        Array.from({ length: 50 }, () => ask("{ campaigns { nodes { id metrics { sent { total } } } } }")),
      );
      expect(replies.filter(({ status }) => status !== 200)).toEqual([]);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    await alive();
  });
  test("callers that go away before their answer", async () => {
    for (let round = 0; round < 10; round += 1) {
      const gone = new AbortController();
      const calls = Array.from({ length: 20 }, (_, n) =>
        fetch(`${product.url}/graphql`, {
          method: "POST",
          signal: gone.signal,
          headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
          body: JSON.stringify({
            query: `{ campaigns { nodes { id n${round}x${n}: metrics { sent { total } } events { nodes { id } } } } }`,
          }),
        })
          .then((response) => response.text())
          .catch(() => null),
      );
      if (round % 2 === 0) await alive();
      gone.abort();
      await Promise.all(calls);
    }
    await alive();
    expect(product.pools.metrics.usage.waiting).toBe(0);
  });
});
