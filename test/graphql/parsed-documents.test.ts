import { parse } from "graphql";
import { expect, test } from "vitest";
import { ParsedDocuments } from "../../src/graphql/parsed-documents.js";

test("the last used documents stay, within a number of characters", async () => {
  const documents = new ParsedDocuments();
  const keep = (name: string, chars: number) => documents.set(name, parse(`{ ${name} }${" ".repeat(chars)}`));
  const isKept = async (name: string) => (await documents.get(name)) !== undefined;
  await keep("first", 100);
  await keep("second", 100);
  for (let at = 0; at < 24; at += 1) {
    await keep(`other${at}`, 10_000);
    expect(await isKept("first")).toBe(true);
  }
  await keep("last", 10_000);
  expect(await Promise.all(["first", "second", "other0", "last"].map(isKept))).toEqual([true, false, false, true]);
});

test("a document longer than all that is kept takes nobody's place", async () => {
  const documents = new ParsedDocuments();
  await documents.set("first", parse("{ first }"));
  await documents.set("long", parse(`{ long }${" ".repeat(300_000)}`));
  expect(await documents.get("long")).toBeUndefined();
  expect(await documents.get("first")).toBeDefined();
});
