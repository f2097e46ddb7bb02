import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { DocumentDirectory } from "../../src/documents/document-directory.js";
import { type DocumentId, sha256IdOf } from "../../src/documents/document-id.js";
import {
  findDocuments,
  listDocuments,
  registerDocuments,
  removeDocuments,
  type TrustedDocument,
} from "../../src/documents/trusted-documents.js";
import { readWithoutTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { metricsPool, START } from "../access/access-fixture.js";
import { startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

let databases: TestDatabases;
let metrics: Pool<"metrics">;
beforeAll(async () => {
  databases = await createTestDatabases();
  metrics = metricsPool(databases.metricsUrl).pool;
});
afterAll(async () => {
  await metrics.stop();
  await databases.drop();
});

let documents = 0;
const newDocument = (id?: string): TrustedDocument => {
  const document = `query D${++documents} { viewer { scopes } }`;
  return { id: (id ?? sha256IdOf(document)) as DocumentId, document };
};
const register = (...given: TrustedDocument[]) => registerDocuments(metrics, given, START);
const find = async (id: DocumentId): Promise<string | undefined> => {
  const [found] = await readWithoutTenant(metrics, (session) => findDocuments(session, [id]));
  return found?.document;
};

describe("registering", () => {
  test("makes a document known under its own id and under its SHA-256", async () => {
    const one = newDocument("web-1");
    expect(await register(one)).toEqual([sha256IdOf(one.document)]);
    expect(await find(one.id)).toBe(one.document);
    expect(await find(sha256IdOf(one.document))).toBe(one.document);
  });

  test("again changes nothing, and keeps those of earlier manifests", async () => {
    const [old, both, next] = [newDocument("old"), newDocument("both"), newDocument("next")];
    await register(old, both);
    expect(await register(both, next)).toEqual([sha256IdOf(next.document)]);
    for (const { id, document } of [old, both, next]) expect(await find(id)).toBe(document);
  });

  test("one text under several ids is one document", async () => {
    const { document } = newDocument();
    const ids = ["alias-1", "alias-2"] as DocumentId[];
    expect(await register(...ids.map((id) => ({ id, document })))).toEqual([sha256IdOf(document)]);
    for (const id of ids) expect(await find(id)).toBe(document);
  });

  test("never gives an id another document, and then registers nothing at all", async () => {
    const [first, second, beside] = [newDocument("taken"), newDocument("taken"), newDocument()];
    await register(first);
    await expect(register(beside, second)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("taken"),
    });
    expect(await find(first.id)).toBe(first.document);
    expect(await find(beside.id)).toBeUndefined();
    const twice = [newDocument("twice"), newDocument("twice")];
    await expect(register(...twice)).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("at the same time, in any order, registers each document once and blocks nobody for good", async () => {
    const all = Array.from({ length: 200 }, (_, n) => newDocument(n % 2 === 0 ? `race-${n}` : undefined));
    const runs = await Promise.all(
      [all, all.toReversed(), all.slice(100), all.slice(0, 150)].map((part) => register(...part)),
    );
    const added = runs.flat();
    expect(added.toSorted()).toEqual(all.map(({ document }) => sha256IdOf(document)).toSorted());
    for (const { id, document } of all) expect(await find(id)).toBe(document);
  });

  test("at the same time under one id leaves one of the documents, and tells the other run", async () => {
    for (let time = 0; time < 10; time += 1) {
      const rivals = [newDocument(`rivals-${time}`), newDocument(`rivals-${time}`)] as const;
      const results = await Promise.allSettled(rivals.map((document) => register(document)));
      expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      const winner = rivals[results.findIndex(({ status }) => status === "fulfilled")];
      expect(await find(rivals[0].id)).toBe(winner?.document);
    }
  });
});

describe("the database itself refuses", () => {
  const run = defineStatement<"metrics", [id: string, document: string], never>(
    "metrics",
    "test.insert_document",
    "insert into trusted_documents (id, document, registered_at) values ($1, $2, now())",
  );
  const digits = sha256IdOf("{ viewer { scopes } }").slice("sha256:".length);

  test.each([
    ["a SHA-256 over another text", `sha256:${digits}`, "{ __typename }"],
    ["the digits of one without its prefix", digits, "{ viewer { scopes } }"],
    ["what only looks like one", "sha256:abc", "{ viewer { scopes } }"],
  ])("%s", async (_what, id, document) => {
    await expect(writeAsWorker(metrics, (session) => session.run(run(id, document)))).rejects.toMatchObject({
      constraint: "trusted_documents_id_check",
    });
  });

  test.each([
    ["the API's role, to register", "mailtally_api", "insert into trusted_documents values ('x', 'x', now())"],
    ["the API's role, to remove", "mailtally_api", "delete from trusted_documents"],
    ["anybody, to change what an id means", "mailtally_api", "update trusted_documents set document = 'x'"],
    ["the worker's role as well", "mailtally_worker", "update trusted_documents set document = 'x'"],
  ])("%s", async (_what, role, text) => {
    const transaction = await metrics.begin(`begin; set local role ${role}` as Parameters<typeof metrics.begin>[0]);
    const statement = { database: "metrics", name: `test.${role}`, text, values: [], isPrepared: false } as const;
    await expect(transaction.run(statement)).rejects.toMatchObject({ code: "42501" });
    await transaction.rollback();
  });
});

describe("removing", () => {
  test("takes a document away under each of its ids, and no other", async () => {
    const [one, other] = [newDocument("going"), newDocument("staying")];
    await register(one, other);
    const ids = [one.id, sha256IdOf(one.document)].toSorted();
    expect((await removeDocuments(metrics, [one.id])).toSorted()).toEqual(ids);
    expect(await find(one.id)).toBeUndefined();
    expect(await find(sha256IdOf(one.document))).toBeUndefined();
    expect(await find(other.id)).toBe(other.document);
  });

  test("what is not there removes nothing of the rest", async () => {
    const one = newDocument();
    await register(one);
    await expect(removeDocuments(metrics, [one.id, "nobody" as DocumentId])).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("nobody"),
    });
    expect(await find(one.id)).toBe(one.document);
    expect((await listDocuments(metrics)).map(({ id }) => id)).toContain(one.id);
  });
});

describe("a server's directory", () => {
  test("finds what was registered a second after it was asked for in vain", async () => {
    const directory = new DocumentDirectory({ metrics });
    const one = newDocument();
    expect(await directory.find(one.id)).toBeNull();
    await register(one);
    await expect.poll(() => directory.find(one.id), { timeout: 3_000 }).toMatchObject({ document: one.document });
  });

  test("asks once for what it knows, and again when its reading has grown old", async () => {
    const { pool, statements } = metricsPool(databases.metricsUrl);
    let now = 1_000_000;
    const directory = new DocumentDirectory({ metrics: pool, now: () => now });
    const one = newDocument();
    await register(one);
    for (let time = 0; time < 5; time += 1) expect(await directory.find(one.id)).toMatchObject({ endsAt: 1_060_000 });
    expect(statements()).toBe(1);
    await removeDocuments(metrics, [one.id]);
    now += 59_999;
    expect(await directory.find(one.id)).not.toBeNull();
    now += 1;
    expect(await directory.find(one.id)).toBeNull();
    await pool.stop();
  });

  test("looks made-up ids up together: they hold one connection, however many there are", async () => {
    const { pool, statements } = metricsPool(databases.metricsUrl);
    const directory = new DocumentDirectory({ metrics: pool });
    const asked = Array.from({ length: 400 }, (_, n) => directory.find(`made-up-${n}` as DocumentId));
    expect(pool.usage.total).toBeLessThanOrEqual(1);
    expect(await Promise.all(asked)).toEqual(asked.map(() => null));
    expect(pool.usage.total).toBe(1);
    expect(statements()).toBeLessThanOrEqual(2);
    await pool.stop();
  });

  test("holds one connection for made-up ids also while a look-up takes longer than anybody waits", async () => {
    const { pool } = metricsPool(databases.metricsUrl);
    const directory = new DocumentDirectory({ metrics: pool });
    const known = newDocument();
    await register(known);
    await directory.find(known.id);
    const locker = new Client({ connectionString: databases.metricsUrl });
    await locker.connect();
    await locker.query("begin; lock table trusted_documents in access exclusive mode");
    const registered = newDocument();
    const asked = [registered.id, ...Array.from({ length: 9 }, (_, n) => `slow-${n}` as DocumentId)];
    const connections: number[] = [];
    for (let time = 0; time < 3; time += 1) {
      const answers = asked.map((id) => directory.find(id));
      await expect(Promise.any(answers)).rejects.toThrow(AggregateError);
      connections.push(pool.usage.total - pool.usage.idle + pool.usage.waiting);
      expect(await directory.find(known.id)).toMatchObject({ document: known.document });
    }
    expect(connections).toEqual([1, 1, 1]);
    await locker.query("rollback");
    await locker.end();
    await register(registered);
    await expect.poll(() => directory.find(registered.id).catch(() => null), { timeout: 3_000 }).not.toBeNull();
    await pool.stop();
  });

  test("goes on with what it knows while the database is away, and says so of the rest", async () => {
    const proxy = await startSeverableProxy(databases.metricsUrl);
    const { pool } = metricsPool(proxy.url);
    let now = 1_000_000;
    const directory = new DocumentDirectory({ metrics: pool, now: () => now });
    const one = newDocument();
    await register(one);
    await directory.find(one.id);
    await proxy.sever();
    now += 3_600_000;
    for (let time = 0; time < 3; time += 1) {
      expect(await directory.find(one.id)).toMatchObject({ document: one.document });
      now += 2_000;
    }
    await expect(directory.find(newDocument().id)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await proxy.restore();
    now += 2_000;
    expect((await directory.find(one.id))?.endsAt).toBe(now + 60_000);
    await pool.stop();
    await proxy.stop();
  });
});
