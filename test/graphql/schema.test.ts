import { readFile } from "node:fs/promises";
import {
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  lexicographicSortSchema,
  printSchema,
} from "graphql";
import { describe, expect, test } from "vitest";
import { buildPublicSchema } from "../../src/graphql/schema.js";

const schema = buildPublicSchema();
const ROOTS: ReadonlySet<string> = new Set(["Query", "Mutation"]);

interface Described {
  readonly name: string;
  readonly description?: string | null | undefined;
}

/** All that can be described in a type, each by its place. */
function* describedIn(type: GraphQLNamedType): Generator<[place: string, described: Described]> {
  if (!ROOTS.has(type.name)) yield [type.name, type];
  if (isEnumType(type)) for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value];
  if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) yield [`${type.name}.${field.name}`, field];
  }
  if (!isObjectType(type) && !isInterfaceType(type)) return;
  for (const field of Object.values(type.getFields())) {
    yield [`${type.name}.${field.name}`, field];
    for (const argument of field.args) yield [`${type.name}.${field.name}(${argument.name}:)`, argument];
  }
}

describe("the public schema", () => {
  test("is the one in schema.graphql", async () => {
    const committed = await readFile(new URL("../../schema.graphql", import.meta.url), "utf8");
    expect(`${printSchema(lexicographicSortSchema(schema))}\n`).toBe(committed);
  });

  test("describes every type, field, argument, input field and enum value", () => {
    const types = Object.values(schema.getTypeMap()).filter(
      (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
    );
    const places = types.flatMap((type) => [...describedIn(type)]);
    expect(places.length).toBeGreaterThan(300);
    const undescribed = places.filter(([, { description }]) => (description ?? "").trim() === "");
    expect(undescribed.map(([place]) => place)).toEqual([]);
  });

  test("names in its descriptions the scope that a field needs", () => {
    const fields = { ...schema.getQueryType()?.getFields(), ...schema.getMutationType()?.getFields() };
    const open = Object.values(fields).filter((field) => !/Needs the scope [A-Z_]+\./.test(field.description ?? ""));
    expect(open.map((field) => field.name).toSorted()).toEqual(["node", "nodes", "viewer"]);
  });
});
