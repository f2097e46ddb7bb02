import { array, assert, constantFrom, jsonValue, oneof, property, record, type Arbitrary } from "fast-check";
import { getVariableValues, Kind, type OperationDefinitionNode, parse } from "graphql";
import { expect, test } from "vitest";
import { coerceVariables } from "../../src/graphql/coerce-variables.js";
import { buildPublicSchema } from "../../src/graphql/schema.js";

const schema = buildPublicSchema();

function operationOf(text: string): OperationDefinitionNode {
  const [operation] = parse(text).definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error("No operation");
  return operation;
}

const operation = operationOf(
  "mutation ($input: RecordEventsInput!, $range: DateTimeRange, $ids: [ID!], $first: Int = 20) { x }",
);

const oddity: Arbitrary<unknown> = oneof(
  jsonValue(),
  constantFrom("SENT", "", 0, 1.5, true, null, [], {}, { type: "SENT", unheardOf: 1 }),
);

/** Mostly what is right, so that whole calls are. */
function mostly(...usual: readonly unknown[]): Arbitrary<unknown> {
  return oneof({ weight: 60, arbitrary: constantFrom(...usual) }, { weight: 1, arbitrary: oddity });
}

const event = oneof(
  {
    weight: 30,
    arbitrary: record(
      {
        type: mostly("SENT", "OPENED", "CONVERTED"),
        recipient: mostly("a@example.org", "b"),
        occurredAt: mostly("2026-11-20T12:00:00Z", "never"),
        campaignId: mostly("c", 7, null),
        traffic: mostly("HUMAN", null),
        metadata: mostly({ a: [1, { b: null }] }, null),
      },
      { requiredKeys: ["type", "recipient", "occurredAt"] },
    ),
  },
  { weight: 1, arbitrary: oddity },
);
const input = oneof(
  {
    weight: 20,
    arbitrary: record({ idempotencyKey: mostly("k", null), events: array(event) }, { requiredKeys: ["events"] }),
  },
  { weight: 1, arbitrary: event },
);
const variables = record(
  {
    input,
    range: mostly({ from: "2026-11-20T12:00:00Z", to: "2026-11-21T12:00:00+01:00" }, null),
    ids: mostly(["a", "b"], "one", [null], null),
    first: mostly(3, null),
    unasked: oddity,
  },
  { requiredKeys: ["input"] },
);

test("variables become what graphql-js makes of them, and where it has errors the same ones", () => {
  let right = 0;
  assert(
    property(variables, (given) => {
      const expected = getVariableValues(schema, operation.variableDefinitions ?? [], given, { maxErrors: 50 });
      const before = structuredClone(given);
      const { coerced, errors } = coerceVariables(schema, operation, given);
      expect(given).toEqual(before);
      expect(plain(coerced)).toEqual(plain(expected.coerced));
      expect(errors?.map(String)).toEqual(expected.errors?.map(String));
      if (errors === undefined) right += 1;
    }),
    { numRuns: 1_000 },
  );
  expect(right).toBeGreaterThan(100);
});

test("events in which nothing changes are not made anew", () => {
  const events = [{ type: "SENT", occurredAt: "2026-11-20T12:00:00Z", recipient: "a@example.org" }];
  const withInput = operationOf("mutation ($input: RecordEventsInput!) { x }");
  const { coerced } = coerceVariables(schema, withInput, { input: { events } });
  expect(coerced).toBeDefined();
  expect((coerced as { readonly input: { readonly events: unknown } }).input.events).toBe(events);
});

test("what is right is read once", () => {
  let reads = 0;
  const given = {
    type: "SENT",
    occurredAt: "2026-11-20T12:00:00Z",
    get recipient() {
      reads += 1;
      return "a@example.org";
    },
  };
  coerceVariables(schema, operationOf("mutation ($input: RecordEventsInput!) { x }"), { input: { events: [given] } });
  expect(reads).toBe(1);
});

/** graphql-js's objects have no prototype. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
