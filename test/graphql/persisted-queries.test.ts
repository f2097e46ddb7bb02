import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { startRedis } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";

const hashOf = (query: string) => createHash("sha256").update(query).digest("hex");
const persisted = (query: string, hash = hashOf(query)) => ({
  extensions: { persistedQuery: { version: 1, sha256Hash: hash } },
});

async function post(product: Product, key: string, body: unknown) {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const NOT_FOUND = {
  status: 200,
  body: { errors: [{ message: "PersistedQueryNotFound", extensions: { code: "PERSISTED_QUERY_NOT_FOUND" } }] },
};

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct();
  ({ key } = await product.createTenant());
});
afterAll(() => product.stop());

test("a document that was sent with its hash is found by the hash from then on, by POST and by GET", async () => {
  const query = "{ viewer { tenant { slug } } }";
  expect(await post(product, key, persisted(query))).toMatchObject(NOT_FOUND);
  const first = await post(product, key, { query, ...persisted(query) });
  expect(first).toMatchObject({ status: 200, body: { data: { viewer: { tenant: {} } } } });
  // What it cost is another each time.
  const { data } = first.body as { readonly data: unknown };
  const told = { status: 200, body: { data } };
  for (let time = 0; time < 4; time += 1) expect(await post(product, key, persisted(query))).toMatchObject(told);
  const url = `${product.url}/graphql?extensions=${encodeURIComponent(JSON.stringify(persisted(query).extensions))}`;
  const headers = { authorization: `Bearer ${key}`, "apollo-require-preflight": "1" };
  expect(await (await fetch(url, { headers })).json()).toMatchObject({ data });
});

test("a document is answered with the asker's own authority, whoever sent it", async () => {
  const query = "{ campaigns { nodes { id } } }";
  await post(product, key, { query, ...persisted(query) });
  const { tenantId } = await product.createTenant();
  const writer = await product.createKey(tenantId, ["WRITE_EVENTS"]);
  expect(await post(product, writer, persisted(query))).toMatchObject({
    body: { errors: [{ extensions: { code: "FORBIDDEN" } }] },
  });
});

test.each([
  ["a hash that is another document's", { query: "{ __typename }", ...persisted("{ viewer { scopes } }") }],
  ["another version", { query: "{ __typename }", extensions: { persistedQuery: { version: 2, sha256Hash: "x" } } }],
])("%s is refused as bad input", async (_what, body) => {
  expect((await post(product, key, body)).body).toMatchObject({ errors: [{ extensions: { code: "BAD_INPUT" } }] });
});

test("what strangers send is not kept, and they are told nothing of what is", async () => {
  const query = "{ __typename }";
  const send = async (body: unknown) => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${product.url}/graphql`, { method: "POST", headers, body: JSON.stringify(body) });
    return (await response.json()) as unknown;
  };
  expect(await send({ query, ...persisted(query) })).toEqual({ data: { __typename: "Query" } });
  expect(await post(product, key, persisted(query))).toMatchObject(NOT_FOUND);
  await post(product, key, { query, ...persisted(query) });
  expect(await send(persisted(query))).toMatchObject({ errors: [{ extensions: { code: "UNAUTHENTICATED" } }] });
});

test("a document that is too long to be kept is answered, and has to be sent again", async () => {
  const query = `{ viewer { scopes } } #${"x".repeat(20_000)}`;
  for (let time = 0; time < 2; time++) {
    expect((await post(product, key, { query, ...persisted(query) })).body).toHaveProperty("data");
    expect(await post(product, key, persisted(query))).toMatchObject(NOT_FOUND);
  }
});

test("a hash that is none is found nowhere", async () => {
  for (const hash of ["x".repeat(100_000), "", 7]) {
    const body = { extensions: { persistedQuery: { version: 1, sha256Hash: hash } } };
    expect(await post(product, key, body)).toMatchObject(NOT_FOUND);
  }
});

test("servers share documents over Redis, and with Redis gone they are asked for again", async () => {
  const redis = await startRedis();
  const servers = [
    await startProduct({ env: { REDIS_URL: redis.url } }),
    await startProduct({ env: { REDIS_URL: redis.url } }),
  ];
  onTestFinished(async () => {
    for (const server of servers) await server.stop();
    await redis.stop();
  });
  const [one, other] = servers as [Product, Product];
  const keys = [(await one.createTenant()).key, (await other.createTenant()).key] as const;
  const query = "{ viewer { scopes } }";
  await waitFor(
    async () => {
      await post(one, keys[0], { query, ...persisted(query) });
      return (await post(other, keys[1], persisted(query))).body["data"] !== undefined;
    },
    { what: "the document at the other server" },
  );
  await redis.kill();
  const later = "{ viewer { tenant { id } } }";
  expect((await post(one, keys[0], { query: later, ...persisted(later) })).body).toHaveProperty("data");
  expect(await post(other, keys[1], persisted(later))).toMatchObject(NOT_FOUND);
});
