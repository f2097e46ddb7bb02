import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import fastify, { type FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { registerGraphiql } from "../../src/http/graphiql.js";

let assetsDir: string;
let app: FastifyInstance;

beforeEach(async () => {
  assetsDir = await mkdtemp(join(tmpdir(), "mailtally-graphiql-"));
  app = fastify();
});

afterEach(async () => {
  await app.close();
  await rm(assetsDir, { recursive: true });
});

async function build(): Promise<void> {
  await mkdir(join(assetsDir, "assets"));
  await writeFile(join(assetsDir, "index.html"), "<title>the page</title>");
  await writeFile(join(assetsDir, "assets", "main-1a2b3c.js"), "export {};");
  await writeFile(join(assetsDir, "assets", "main-1a2b3c.js.br"), brotliCompressSync("export {};"));
  await writeFile(join(assetsDir, "assets", "main-1a2b3c.js.gz"), gzipSync("export {};"));
  await writeFile(`${assetsDir}-outside.txt`, "not for the web");
}

describe("built", () => {
  beforeEach(async () => {
    await build();
    await registerGraphiql(app, { assetsDir });
    app.get("/elsewhere", async () => "ok");
  });
  afterEach(() => rm(`${assetsDir}-outside.txt`));

  it.each(["/graphiql", "/graphiql/", "/graphiql?query=x"])(
    "%s gives the page itself, asked for each time",
    async (url) => {
      const answer = await app.inject(url);
      expect(answer.statusCode).toBe(200);
      expect(answer.body).toContain("the page");
      expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
      expect(answer.headers["cache-control"]).toBe("no-cache");
    },
  );

  it("an asset is kept for good, since its name changes with its content", async () => {
    const answer = await app.inject("/graphiql/assets/main-1a2b3c.js");
    expect(answer.statusCode).toBe(200);
    expect(answer.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect(answer.headers["content-type"]).toMatch(/javascript/);
  });

  it.each([
    ["br", "br"],
    ["gzip, br", "br"],
    ["gzip", "gzip"],
    ["identity", undefined],
  ])("to a client that takes %s an asset goes as the build has compressed it", async (accepted, encoding) => {
    const headers = { "accept-encoding": accepted };
    const answer = await app.inject({ url: "/graphiql/assets/main-1a2b3c.js", headers });
    expect(answer.headers["content-encoding"]).toBe(encoding);
    expect(answer.headers["content-type"]).toMatch(/javascript/);
    expect(answer.headers["vary"]).toMatch(/accept-encoding/i);
    const { rawPayload } = answer;
    const text =
      encoding === "br" ? brotliDecompressSync(rawPayload) : encoding === "gzip" ? gunzipSync(rawPayload) : rawPayload;
    expect(text.toString()).toBe("export {};");
  });

  it("page and assets carry the policy, workers obeying that of their own script", async () => {
    for (const url of ["/graphiql", "/graphiql/assets/main-1a2b3c.js"]) {
      const { headers } = await app.inject(url);
      expect(headers["content-security-policy"]).toContain("default-src 'self'");
      expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
      expect(headers["content-security-policy"]).not.toContain("unsafe-eval");
      expect(headers["content-security-policy"]).not.toMatch(/script-src[^;]*unsafe-inline/);
      expect(headers["x-content-type-options"]).toBe("nosniff");
    }
  });

  it("the policy stays off the server's other routes", async () => {
    expect((await app.inject("/elsewhere")).headers).not.toHaveProperty("content-security-policy");
  });

  it("nothing outside the assets can be read, and what is missing is not kept", async () => {
    const outside = `${assetsDir.split("/").at(-1)}-outside.txt`;
    for (const path of [`../../${outside}`, `..%2f..%2f${outside}`, `%2e%2e/%2e%2e/${outside}`, "gone.js"]) {
      const answer = await app.inject(`/graphiql/assets/${path}`);
      expect(answer.statusCode).toBeGreaterThanOrEqual(400);
      expect(answer.body).not.toContain("not for the web");
      expect(answer.headers["cache-control"] ?? "").not.toContain("immutable");
    }
  });
});

describe("not built", () => {
  it.each(["/graphiql", "/graphiql/"])("%s answers 503 and says what to run", async (url) => {
    await registerGraphiql(app, { assetsDir });
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(503);
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.body).toContain("npm run build");
  });
});
