import { request } from "node:http";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { withoutCost } from "../support/told-cost.js";

const LARGE = '{"query":"{ __schema { types { name fields { name } } } }"}';
const SMALL = '{"query":"{ viewer { scopes } }"}';
const seriesFrom = (year: number) => `{ kpis(range: { from: "${year}-01-01T00:00:00Z", to: "2026-03-01T00:00:00Z" }) {
  series(granularity: DAY) { start metrics { sent { unique } delivered { unique } } } } }`;

/** Too much to be compressed while others wait. */
const VERY_LARGE = JSON.stringify({ query: seriesFrom(2018) });

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct({ env: { CORS_ORIGINS: "https://app.example" }, worker: false });
  ({ key } = await product.createTenant());
});
afterAll(() => product.stop());

interface Received {
  readonly status: number;
  readonly encoding: string | undefined;
  readonly vary: string | undefined;
  readonly length: string | undefined;
  readonly bytes: Buffer;
  readonly text: string;
}

/** What goes over the wire: fetch would ask for what it likes, and hide what it got. */
function ask(body: string | Buffer, acceptEncoding?: string, headers: Record<string, string> = {}): Promise<Received> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${product.url}/graphql`,
      {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${key}`,
          ...(acceptEncoding !== undefined && { "accept-encoding": acceptEncoding }),
          ...headers,
        },
      },
      async (incoming) => {
        const chunks: Buffer[] = [];
        for await (const chunk of incoming) chunks.push(chunk as Buffer);
        const bytes = Buffer.concat(chunks);
        const { "content-encoding": encoding, "content-length": length, vary } = incoming.headers;
        const plain = encoding === "br" ? brotliDecompressSync(bytes) : encoding === "gzip" ? gunzipSync(bytes) : bytes;
        resolve({
          status: incoming.statusCode ?? 0,
          encoding,
          vary,
          length,
          bytes,
          text: withoutCost(plain.toString()),
        });
      },
    );
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

test.each([
  ["br", "br"],
  ["gzip", "gzip"],
  ["gzip, deflate, br, zstd", "br"],
  ["gzip;q=1.0, br;q=0.5", "gzip"],
  ["GZIP", "gzip"],
  ["x-gzip", "gzip"],
  ["*", "gzip"],
  ["br;q=0, *", "gzip"],
])("a client that takes %s gets the same answer in %s", async (accepted, encoding) => {
  for (const [body, leastBytes] of [
    [LARGE, 1_400],
    [VERY_LARGE, 262_144],
  ] as const) {
    const plain = await ask(body);
    expect(plain.bytes.length).toBeGreaterThan(leastBytes);
    const compressed = await ask(body, accepted);
    expect(compressed).toMatchObject({ status: 200, encoding, text: plain.text });
    expect(compressed.vary).toContain("accept-encoding");
    expect(compressed.bytes.length).toBeLessThan(plain.bytes.length / 3);
  }
});

test.each([undefined, "identity", "deflate", "zstd", "br;q=0, gzip;q=0", "nonsense", ""])(
  "a client that takes %s gets it as it is, with its length",
  async (accepted) => {
    const { encoding, bytes, length, text } = await ask(LARGE, accepted);
    expect(encoding).toBeUndefined();
    expect(length).toBe(String(bytes.length));
    expect(text).toContain("__Schema");
  },
);

test("what is small, also an error, is not worth it", async () => {
  for (const body of [SMALL, "{", '{"query":"{ nothing }"}']) {
    expect((await ask(body, "br, gzip")).encoding).toBeUndefined();
  }
});

test.each([
  ["small enough to be compressed at once", 2026, 1_400],
  ["larger", 2018, 262_144],
])(
  "an answer that is kept, %s, is right in every encoding, in whatever order they are asked for",
  async (_, year, leastBytes) => {
    const body = JSON.stringify({ query: seriesFrom(year) });
    const { text } = await ask(body);
    expect(text.length).toBeGreaterThan(leastBytes);
    for (const accepted of ["br", "gzip", undefined, "br", undefined, "gzip", "br"]) {
      const answer = await ask(body, accepted);
      expect(answer).toMatchObject({ status: 200, encoding: accepted, text });
      expect(answer.length).toBe(String(answer.bytes.length));
    }
  },
);

test("for a page of another origin an answer varies by both", async () => {
  const { vary } = await ask(LARGE, "br", { origin: "https://app.example" });
  expect(vary?.toLowerCase()).toContain("origin");
  expect(vary?.toLowerCase()).toContain("accept-encoding");
});

test("a compressed call is not decompressed, and refused", async () => {
  const { status, text } = await ask(gzipSync(LARGE), undefined, { "content-encoding": "gzip" });
  expect(status).toBe(400);
  expect(text).toContain("BAD_INPUT");
});
