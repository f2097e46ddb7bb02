import type { TenantId } from "../../src/ids.js";
import { expect, test } from "vitest";
import { pageOf } from "../../src/pages/page.js";
import { readPageArguments } from "../../src/pages/page-arguments.js";

const page = { limit: 20, direction: "FORWARD", after: null, before: null };

test("without a size a page has twenty rows", () => {
  expect(readPageArguments({})).toEqual(page);
  expect(readPageArguments({ first: null, last: null, after: null, before: null })).toEqual(page);
  expect(readPageArguments({ after: "a" })).toEqual({ ...page, after: "a" });
  expect(readPageArguments({ after: "a", before: "b" })).toEqual({ ...page, after: "a", before: "b" });
});

test("before alone asks for the rows just before it", () => {
  expect(readPageArguments({ before: "b" })).toEqual({ ...page, direction: "BACKWARD", before: "b" });
});

test("each size goes with either cursor", () => {
  expect(readPageArguments({ first: 1, before: "b" })).toEqual({ ...page, limit: 1, before: "b" });
  expect(readPageArguments({ last: 100, after: "a" })).toEqual({
    ...page,
    limit: 100,
    direction: "BACKWARD",
    after: "a",
  });
});

test.each([0, -1, 101, 2 ** 31 - 1, 1.5, Number.NaN])("a page of %d rows is refused by its name", (size) => {
  expect(() => readPageArguments({ first: size })).toThrow(
    expect.objectContaining({ code: "BAD_INPUT", field: ["first"] }),
  );
  expect(() => readPageArguments({ last: size })).toThrow(
    expect.objectContaining({ code: "BAD_INPUT", field: ["last"] }),
  );
});

test("first and last together are refused", () => {
  expect(() => readPageArguments({ first: 1, last: 1 })).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
});

const edgeOf = (node: number) => ({ position: [node], node });
const binding = { tenantId: "t" as TenantId, list: "numbers", filter: null, order: null };
const edges = (...rows: number[]) => rows.map((row) => edgeOf(row));

test("one row too many says that more follow, and is not shown", () => {
  const forward = readPageArguments({ first: 2 });
  expect(pageOf([1, 2, 3], forward, binding, edgeOf)).toEqual({
    binding,
    edges: edges(1, 2),
    hasNextPage: true,
    hasPreviousPage: false,
  });
  expect(pageOf([1, 2], forward, binding, edgeOf)).toEqual({
    binding,
    edges: edges(1, 2),
    hasNextPage: false,
    hasPreviousPage: false,
  });
});

test("rows fetched backward are shown in the order of the list", () => {
  const backward = readPageArguments({ last: 2, before: "c9" });
  expect(pageOf([8, 7, 6], backward, binding, edgeOf)).toEqual({
    binding,
    edges: edges(7, 8),
    hasNextPage: true,
    hasPreviousPage: true,
  });
  expect(pageOf([8], backward, binding, edgeOf)).toEqual({
    binding,
    edges: edges(8),
    hasNextPage: true,
    hasPreviousPage: false,
  });
});
