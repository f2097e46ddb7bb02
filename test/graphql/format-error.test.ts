import { GraphQLError } from "graphql";
import { pino } from "pino";
import { expect, test } from "vitest";
import { type ErrorCode, PublicError } from "../../src/errors.js";
import { formatError } from "../../src/graphql/format-error.js";

function linesOf(code: ErrorCode): string[] {
  const lines: string[] = [];
  const format = formatError(pino({ level: "warn" }, { write: (line) => void lines.push(line) }), new WeakMap());
  const thrown = new PublicError(code, "What was wrong.", { cause: new RangeError("why") });
  const error = new GraphQLError(thrown.message, { path: ["field"], originalError: thrown });
  expect(format(error.toJSON(), error)).toMatchObject({ message: "What was wrong.", extensions: { code } });
  return lines;
}

test("what a caller did wrong leaves nothing in the log", () => {
  for (const code of ["BAD_INPUT", "BAD_CURSOR", "TOO_LARGE", "QUERY_TOO_COSTLY"] as const)
    expect(linesOf(code)).toEqual([]);
});

test("what we could not do leaves its cause there", () => {
  expect(linesOf("UNAVAILABLE")).toEqual([expect.stringContaining("RangeError: why")]);
});
