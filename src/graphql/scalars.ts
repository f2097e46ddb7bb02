import { GraphQLError, GraphQLScalarType, Kind, type ValueNode, valueFromASTUntyped } from "graphql";
import { isDecimal } from "../decimal.js";
import { type EpochMicros, formatInstant, parseInstant } from "../time/instant.js";
import { parseTimeZone, type TimeZoneId } from "../time/time-zone.js";

/** `node`: where it stands, in a document; of a variable's value graphql-js tells the place. */
function badValue(message: string, node?: ValueNode): GraphQLError {
  return new GraphQLError(message, { nodes: node, extensions: { code: "BAD_INPUT" } });
}

function textOf(node: ValueNode, scalar: string): string {
  if (node.kind !== Kind.STRING) throw badValue(`A ${scalar} is written as a string.`, node);
  return node.value;
}

function instantOf(value: unknown, node?: ValueNode): EpochMicros {
  const instant = typeof value === "string" ? parseInstant(value) : null;
  if (instant === null) {
    throw badValue('A DateTime is ISO 8601 with an offset, such as "2026-11-20T12:00:00Z".', node);
  }
  return instant;
}

export const DateTimeScalar = new GraphQLScalarType<EpochMicros, string>({
  name: "DateTime",
  description:
    "A moment. In: ISO 8601 with an offset. Out: UTC, such as 2026-11-20T12:00:00.000Z, with microseconds where there are any.",
  specifiedByURL: "https://www.rfc-editor.org/rfc/rfc3339",
  serialize: (value) => formatInstant(value as EpochMicros),
  parseValue: (value) => instantOf(value),
  parseLiteral: (node) => instantOf(textOf(node, "DateTime"), node),
});

function zoneOf(value: unknown, node?: ValueNode): TimeZoneId {
  const zone = typeof value === "string" ? parseTimeZone(value) : null;
  if (zone === null) throw badValue('A TimeZone is an IANA name, such as "Europe/Berlin" or "UTC".', node);
  return zone;
}

export const TimeZoneScalar = new GraphQLScalarType<TimeZoneId, string>({
  name: "TimeZone",
  description: "The IANA name of a time zone, such as Europe/Berlin.",
  serialize: (value) => String(value),
  parseValue: (value) => zoneOf(value),
  parseLiteral: (node) => zoneOf(textOf(node, "TimeZone"), node),
});

function wholeNumberOf(value: unknown, node?: ValueNode): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) {
    throw badValue("A BigInt is a whole number between -(2^53 - 1) and 2^53 - 1.", node);
  }
  return value;
}

export const BigIntScalar = new GraphQLScalarType<number, number>({
  name: "BigInt",
  description: "A whole number up to 2^53 - 1, as a JSON number.",
  serialize: (value) => wholeNumberOf(value),
  parseValue: (value) => wholeNumberOf(value),
  parseLiteral: (node) => wholeNumberOf(node.kind === Kind.INT ? Number(node.value) : undefined, node),
});

function decimalOf(value: unknown, node?: ValueNode): string {
  if (typeof value !== "string" || !isDecimal(value)) throw badValue('A Decimal is a string such as "12.50".', node);
  return value;
}

export const DecimalScalar = new GraphQLScalarType<string, string>({
  name: "Decimal",
  description: 'An exact decimal as a string, such as "12.50". Never a float.',
  serialize: (value) => String(value),
  parseValue: (value) => decimalOf(value),
  parseLiteral: (node) => decimalOf(textOf(node, "Decimal"), node),
});

/**
 * Lets any JSON value in: whoever takes a JSONObject judges it, so that an event whose metadata is none is refused by its
 * index and does not fail the call it came with.
 */
export const JsonObjectScalar = new GraphQLScalarType<unknown, unknown>({
  name: "JSONObject",
  description: "A JSON object.",
  specifiedByURL: "https://www.rfc-editor.org/rfc/rfc8259",
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
});
