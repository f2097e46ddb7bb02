import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { FastifyInstance } from "fastify";
import { expect, onTestFinished, test } from "vitest";
import type { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { PublicError } from "../../src/errors.js";
import { announceStop, stopServer } from "../../src/http/server.js";
import { readWithoutTenant } from "../../src/tenancy/transactions.js";
import { metricsPool } from "../access/access-fixture.js";
import { startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { testServer } from "./http-fixture.js";

const ping = defineStatement<"metrics", [], { one: number }>("metrics", "test.ping", "select 1 as one");
const GENERATED_ID = /^[0-9a-f-]{36}$/;

async function answers(pool: Pool<"metrics">): Promise<boolean> {
  return readWithoutTenant(pool, (session) => session.run(ping())).then(
    () => true,
    () => false,
  );
}

async function portOf(app: FastifyInstance): Promise<number> {
  const address = await app.listen({ port: 0, host: "127.0.0.1" });
  return Number(new URL(address).port);
}

test.each([
  { isRequired: true, answer: { statusCode: 503 }, status: "unavailable" },
  { isRequired: false, answer: { statusCode: 200 }, status: "degraded" },
])(
  "without a dependency (required: $isRequired) the server is alive and $status",
  async ({ isRequired, answer, status }) => {
    const databases = await createTestDatabases();
    onTestFinished(databases.drop);
    const proxy = await startSeverableProxy(databases.metricsUrl);
    const { pool } = metricsPool(proxy.url);
    const { app } = testServer({
      metrics: { isRequired, answers: () => answers(pool) },
      other: { isRequired: true, answers: async () => true },
    });
    const ready = () => app.inject("/readyz");
    expect(await ready()).toMatchObject({ statusCode: 200 });
    expect((await ready()).json()).toEqual({ status: "ready", dependencies: { metrics: true, other: true } });

    await proxy.sever();
    expect(await ready()).toMatchObject(answer);
    expect((await ready()).json()).toEqual({ status, dependencies: { metrics: false, other: true } });
    expect(await app.inject("/healthz")).toMatchObject({ statusCode: 200 });

    await proxy.restore();
    await waitFor(async () => (await ready()).json().status === "ready", { what: "the server to be ready again" });

    announceStop(app);
    expect(await ready()).toMatchObject({ statusCode: 503 });
    expect((await ready()).json()).toMatchObject({ status: "stopping" });
    expect(await app.inject("/healthz")).toMatchObject({ statusCode: 200 });
    await proxy.stop();
    await pool.stop();
  },
);

test("a check that fails or hangs finds nothing there, hides no other, and is not asked twice at a time", async () => {
  const there = { isRequired: true, answers: async () => true };
  const failing = testServer({
    there,
    lost: { isRequired: true, answers: () => Promise.reject(new Error("lost")) },
  });
  expect(await failing.app.inject("/readyz")).toMatchObject({ statusCode: 503 });
  let asked = 0;
  const hanging = testServer({
    there,
    lost: {
      isRequired: false,
      answers: () => {
        asked++;
        return new Promise(() => undefined);
      },
    },
  });
  const probes = await Promise.all([1, 2, 3].map(() => hanging.app.inject("/readyz")));
  for (const probe of probes) {
    expect(probe.statusCode).toBe(200);
    expect(probe.json()).toEqual({ status: "degraded", dependencies: { there: true, lost: false } });
  }
  expect(asked).toBe(1);
});

test("a sane request id is kept, another one replaced, and every answer and log line has it", async () => {
  const { app, lines } = testServer();
  app.get("/fails", async () => {
    throw new Error("a fault of ours");
  });
  const sane = "ABC_def-123";
  for (const url of ["/healthz", "/nowhere", "/fails", "/%zz"]) {
    const answer = await app.inject({ url, headers: { "x-request-id": sane } });
    expect(answer.headers["x-request-id"]).toBe(sane);
  }
  for (const bad of ["a b", "x".repeat(65), "id;drop", ""]) {
    const answer = await app.inject({ url: "/healthz", headers: { "x-request-id": bad } });
    expect(answer.headers["x-request-id"]).toMatch(GENERATED_ID);
  }
  const requests = lines.map((line): unknown => JSON.parse(line));
  for (const line of requests) expect(line).toHaveProperty("requestId");
  expect(requests).toContainEqual(
    expect.objectContaining({
      requestId: sane,
      method: "GET",
      route: "/fails",
      status: 500,
      durationMs: expect.any(Number),
    }),
  );
});

test("logs name neither keys, addresses, queries nor bodies, whatever goes wrong", async () => {
  const { app, lines } = testServer();
  const cause = Object.assign(new Error("duplicate key"), { detail: "Key (address)=(ada@example.org) exists." });
  app.post("/fails", async () => {
    throw new Error("fails", { cause });
  });
  app.post("/away", async () => {
    throw new PublicError("UNAVAILABLE", "away", { cause });
  });
  const headers = { authorization: "Bearer mt_secret", "content-type": "application/json", cookie: "mt_secret" };
  const payload = JSON.stringify({ recipient: "ada@example.org" });
  for (const url of ["/fails", "/away", "/nowhere", "/healthz"]) {
    await app.inject({ method: "POST", url: `${url}?recipient=ada@example.org&key=mt_secret`, headers, payload });
  }
  await app.inject({ method: "POST", url: "/fails", headers, payload: `${payload}ada@example.org` });
  await app.inject({ method: "POST", url: "/fails", headers, payload: JSON.stringify("ada@example.org".repeat(1000)) });
  await app.inject({ url: "/ada@example.org/%zz", headers });

  const port = await portOf(app);
  const socket = connect(port, "127.0.0.1");
  socket.end(
    "GET /ada@example.org HTTP/1.1\r\nAuthorization: Bearer mt_secret\r\nbroken header ada@example.org\r\n\r\n",
  );
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  await once(socket, "close");
  expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n[^]*x-request-id: [0-9a-f-]{36}\r\n/);
  await app.close();

  const text = lines.join("");
  expect(text).toContain('"route":"/fails"');
  expect(text).toContain("duplicate key");
  expect(text).not.toContain("ada@");
  expect(text).not.toContain("mt_secret");
});

test("a fault of ours tells the client its request id and nothing else", async () => {
  const { app } = testServer();
  app.get("/fails", async () => {
    throw new Error("password hunter2");
  });
  const answer = await app.inject("/fails");
  expect(answer.statusCode).toBe(500);
  expect(answer.body).not.toContain("hunter2");
  expect(answer.json()).toMatchObject({
    errors: [{ extensions: { code: "INTERNAL", requestId: answer.headers["x-request-id"] } }],
  });
});

test("every answer carries the headers that keep browsers from framing, sniffing and running it", async () => {
  const { app } = testServer();
  for (const url of ["/healthz", "/nowhere", "/%zz"]) {
    expect((await app.inject(url)).headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "referrer-policy": "no-referrer",
    });
  }
});

test("requests are measured by their route's pattern, whatever was asked for", async () => {
  const { app } = testServer();
  for (const url of ["/healthz?a=1", "/nowhere/1", "/nowhere/2"]) await app.inject(url);
  const { payload, headers } = await app.inject("/metrics");
  expect(headers["content-type"]).toContain("text/plain");
  const count = "mailtally_http_request_duration_seconds_count";
  expect(payload).toContain(`${count}{method="GET",route="/healthz",status="200"} 1`);
  expect(payload).toContain(`${count}{method="GET",route="unmatched",status="404"} 2`);
});

test("a client that takes nothing of its answer is cut off, and holds no more of it", async () => {
  const { app } = testServer({}, { clientTimeoutMs: 1_000 });
  // More than the kernel takes for it.
  const answer = Buffer.alloc(50_000_000);
  const closed = Promise.withResolvers<boolean>();
  app.get("/long", async (_request, reply) => {
    reply.raw.once("close", () => closed.resolve(reply.raw.writableFinished));
    return reply.send(answer);
  });
  const socket = connect(await portOf(app), "127.0.0.1").on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  onTestFinished(() => app.close());
  socket.pause().write("GET /long HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(await closed.promise).toBe(false);
});

test("a stop lets requests under way finish, and takes no new connection", async () => {
  const { app } = testServer();
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  app.get("/slow", async () => {
    arrived.resolve();
    await gate.promise;
    return { done: true };
  });
  const port = await portOf(app);
  const agent = new Agent({ keepAlive: true });
  const slow = fetchOver(agent, port, "/slow");
  await arrived.promise;
  const stopped = stopServer(app, 10_000);
  await waitFor(() => !app.server.listening, { what: "the server to stop listening" });
  await expect(fetchOver(new Agent(), port, "/healthz")).rejects.toThrow("ECONNREFUSED");
  gate.resolve();
  expect(await slow).toMatchObject({ status: 200, connection: "close" });
  await stopped;
});

test("a stop cuts what takes longer than its limit", async () => {
  const { app } = testServer();
  const arrived = Promise.withResolvers<void>();
  app.get("/endless", () => {
    arrived.resolve();
    return new Promise(() => undefined);
  });
  const port = await portOf(app);
  const endless = fetchOver(new Agent(), port, "/endless").catch((error: unknown) => error);
  await arrived.promise;
  await stopServer(app, 50);
  expect(await endless).toBeInstanceOf(Error);
});

function fetchOver(agent: Agent, port: number, path: string): Promise<{ status?: number; connection?: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ agent, port, path, host: "127.0.0.1" }, (incoming) => {
      const { statusCode: status, headers } = incoming;
      incoming.resume();
      incoming.once("end", () => resolve({ status, connection: headers.connection }));
    });
    outgoing.once("error", reject);
    outgoing.end();
  });
}
