import { readFile } from "node:fs/promises";
import { buildSchema, parse, validate } from "graphql";
import { describe, expect, it } from "vitest";
import { makeExamples } from "../../graphiql/examples.js";

const SCHEMA = new URL("../../schema.graphql", import.meta.url);
const NOW = new Date("2026-11-20T12:34:56.789Z");

describe("GraphiQL's examples", () => {
  it.each(makeExamples(NOW))("$title: is valid against the public schema", async ({ query }) => {
    const schema = buildSchema(await readFile(SCHEMA, "utf8"));
    expect(validate(schema, parse(query))).toEqual([]);
  });

  it("their ranges are whole days, the last of which is today", () => {
    const ranged = makeExamples(NOW).filter(({ query }) => query.includes("from: "));
    expect(ranged.length).toBeGreaterThan(0);
    for (const { query } of ranged) {
      expect(query).toMatch(/from: "2026-1(0-22|1-19|1-20)T00:00:00.000Z"/);
      expect(query).toContain('to: "2026-11-21T00:00:00.000Z"');
    }
  });

  it("each opens in a tab with a name, since its operation has one of its own", () => {
    const names = makeExamples(NOW).map(({ query }) => /^(?:query|mutation) (\w+)/m.exec(query)?.[1]);
    expect(names).not.toContain(undefined);
    expect(new Set(names).size).toBe(names.length);
  });
});
