import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";

const ALLOWED = "https://app.example.org";
const ALSO_ALLOWED = "http://localhost:3000";

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct({ env: { CORS_ORIGINS: `${ALLOWED}, ${ALSO_ALLOWED}` }, worker: false });
  ({ key } = await product.createTenant());
});
afterAll(() => product.stop());

/** As a browser asks before it sends what a page wants sent. */
const preflight = (origin: string, url = product.url, asked = "authorization,content-type") =>
  fetch(`${url}/graphql`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": asked },
  });

const post = (origin: string, { authorization = `Bearer ${key}`, body = '{"query":"{ viewer { scopes } }"}' } = {}) =>
  fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { origin, authorization, "content-type": "application/json" },
    body,
  });

const allowedOrigin = (answer: Response) => answer.headers.get("access-control-allow-origin");

test.each([ALLOWED, ALSO_ALLOWED])("a page of %s may ask with a key or token, and read the answer", async (origin) => {
  const asked = await preflight(origin);
  expect(asked.status).toBe(204);
  expect(await asked.text()).toBe("");
  expect(allowedOrigin(asked)).toBe(origin);
  expect(asked.headers.get("access-control-allow-methods")).toBe("GET, POST");
  expect(asked.headers.get("access-control-allow-headers")).toBe(
    "authorization, content-type, apollo-require-preflight, x-request-id, apollographql-client-name, " +
      "apollographql-client-version, x-apollo-operation-name, traceparent, tracestate, baggage",
  );
  expect(Number(asked.headers.get("access-control-max-age"))).toBeGreaterThan(0);
  expect(asked.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);

  const answer = await post(origin);
  expect(answer.status).toBe(200);
  expect(allowedOrigin(answer)).toBe(origin);
  expect(answer.headers.get("access-control-expose-headers")).toBe(
    "ratelimit, ratelimit-policy, retry-after, x-request-id",
  );
  expect(answer.headers.get("vary")).toContain("Origin");
});

test.each([
  ["a bad key", { authorization: "Bearer nobody" }, 401],
  ["a body that is no JSON", { body: "{" }, 400],
  ["a body that is too large", { body: JSON.stringify(" ".repeat(5_000_001)) }, 413],
])("its page may read the error that %s brings", async (_what, changed, status) => {
  const answer = await post(ALLOWED, changed);
  expect(answer.status).toBe(status);
  expect(allowedOrigin(answer)).toBe(ALLOWED);
});

test("no answer lets a browser add its own credentials", async () => {
  for (const answer of [await preflight(ALLOWED), await post(ALLOWED)]) {
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
  }
});

test.each([
  "https://app.example.org.evil.example",
  "https://evil-app.example.org",
  "https://sub.app.example.org",
  "http://app.example.org",
  "https://app.example.org:8443",
  "https://app.example.org/",
  "HTTPS://APP.EXAMPLE.ORG",
  "null",
  "*",
])("pages of %s are not told that they may, whatever they ask", async (origin) => {
  const asked = await preflight(origin);
  expect(asked.status).toBe(405);
  for (const answer of [asked, await post(origin)]) {
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
    expect(answer.headers.get("vary")).toContain("Origin");
  }
});

test("nothing but /graphql may be read by them", async () => {
  for (const path of ["/metrics", "/readyz", "/graphiql", "/nowhere"]) {
    const answer = await fetch(product.url + path, { headers: { origin: ALLOWED } });
    expect(allowedOrigin(answer), path).toBeNull();
  }
});

test("without a setting no origin is let in", async () => {
  const closed = await startProduct({ worker: false });
  try {
    const asked = await preflight(ALLOWED, closed.url);
    expect(asked.status).toBe(405);
    expect(allowedOrigin(asked)).toBeNull();
  } finally {
    await closed.stop();
  }
});
