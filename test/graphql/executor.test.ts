import * as fc from "fast-check";
import {
  buildSchema,
  type DocumentNode,
  execute,
  type ExecutionResult,
  getIntrospectionQuery,
  getOperationAST,
  type GraphQLObjectType,
  type GraphQLSchema,
  parse,
  print,
  validate,
} from "graphql";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { compiledSize } from "../../src/graphql/compiled-size.js";
import { createExecutor, type Execute } from "../../src/graphql/executor.js";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import { PROPERTY_RUNS } from "../support/property-runs.js";

/** Small, and with everything in it that an executor may get wrong. */
const SCHEMA = buildSchema(`
  scalar JSONObject
  enum Mood { GOOD BAD }
  input Nested { deep: Int!, mood: Mood = GOOD, list: [Int!] }
  interface Animal { name: String! friend: Animal }
  type Cat implements Animal { name: String! friend: Animal lives(of: Int! = 9): Int! mood: Mood }
  type Dog implements Animal { name: String! friend: Animal barks: Boolean! owners: [Owner!] }
  type Owner { id: ID! pets(first: Int): [Animal!]! oldest: Animal! broken: Int! late: Float maybe: [Int] }
  type Leaf { count: Int! mood: Mood share: Float }
  type Branch { leaf: Leaf! leaves: [Leaf!]! rows: [[Leaf]] bare: Leaf names: [String!] at: JSONObject }
  type Query { tree: Branch! trees(first: Int! = 2, later: Boolean = true): [Branch!] wood: Branch owner(id: ID!): Owner owners(nested: Nested): [Owner] animal(mood: Mood): Animal echo(value: JSONObject): JSONObject told(nested: Nested, moods: [Mood!], all: [Nested!], few: [[Int]], value: JSONObject, first: Int! = 2, text: String): JSONObject }
  type Mutation { push(value: Int!): Int! fail: Int }
`);

const cat = { __typename: "Cat", name: "Mia", friend: null, mood: "GOOD" };
const dog = { __typename: "Dog", name: "Rex", barks: true, friend: cat, owners: [] as unknown[] };
const stray = { __typename: "Dog", name: null, barks: true, friend: null, owners: null };
const owner = { id: 1, maybe: [1, null, 3] };
dog.owners.push(owner);

const leaf = { count: 3, mood: "BAD", share: null };
const branch = {
  leaf,
  leaves: [leaf, { count: 4, mood: null, share: 0.5 }],
  rows: [[leaf, null], null, []],
  bare: null,
  names: ["a", "b"],
  at: { any: [1, "thing"] },
};

type Resolvers = Record<string, Record<string, (source: never, args: never, context: unknown[]) => unknown>>;
const RESOLVERS: Resolvers = {
  Cat: { lives: (_source, { of }: { of: number }) => (of > 9 ? Promise.reject(new Error("Too many lives")) : of) },
  Owner: {
    pets: async (_source, { first }: { first?: number | null }) => [cat, dog, stray].slice(0, first ?? 2),
    oldest: (source: { id: number }) => (source.id === 2 ? null : dog),
    broken: () => {
      throw new Error("Broken at once");
    },
    late: () => Promise.reject(new Error("Broken later")),
  },
  Query: {
    tree: () => branch,
    trees: (_source, { first, later }: { first: number; later: boolean }) => {
      const some = first < 0 ? null : Array.from({ length: first }, () => ({ ...branch, names: null }));
      return later ? Promise.resolve(some) : some;
    },
    wood: () => Promise.reject(new Error("No wood")),
    owner: (_source, { id }: { id: string }) => (id === "0" ? null : { ...owner, id: Number(id) }),
    owners: async (_source, { nested }: { nested?: { deep: number } | null }) => [
      owner,
      null,
      { id: nested?.deep ?? 2 },
    ],
    animal: (_source, { mood }: { mood?: string }) => (mood === "BAD" ? cat : dog),
    echo: (_source, { value }: { value?: unknown }) => value,
    // With what was given apart from what was left out.
    told: (_source, args) => args,
  },
  Mutation: {
    push: async (_source, { value }: { value: number }, order) => order.push(value),
    fail: () => Promise.reject(new Error("Failed")),
  },
};
for (const [type, fields] of Object.entries(RESOLVERS)) {
  const known = (SCHEMA.getType(type) as GraphQLObjectType).getFields();
  for (const [name, resolve] of Object.entries(fields)) known[name]!.resolve = resolve as never;
}

async function run(executor: Execute, document: DocumentNode, variables: Record<string, unknown>) {
  const operation = getOperationAST(document) ?? null;
  // Compiling leaves marks in the document.
  const documentHash = print(document);
  return executor({ document, operation, operationName: null, variables, contextValue: [], documentHash });
}

/** The answer without the order of its errors, which is that of their coming. */
function comparable({ data, errors }: ExecutionResult) {
  const told = (errors ?? []).map(({ message, locations, path, extensions }) =>
    JSON.stringify({ message, locations, path, extensions }),
  );
  return { data: data === undefined ? "none" : JSON.parse(JSON.stringify(data)), errors: told.toSorted() };
}

async function expectSame(text: string, variables: Record<string, unknown>): Promise<ExecutionResult> {
  const document = parse(text);
  expect(validate(SCHEMA, document)).toEqual([]);
  const plain = await execute({ schema: SCHEMA, document, variableValues: variables, contextValue: [] });
  const compiled = await run(createExecutor({ schema: SCHEMA, compileAt: 1 }), document, variables);
  expect(comparable(compiled)).toEqual(comparable(plain));
  return compiled;
}

/** By graphql-js. */
async function plainly(text: string, variables: Record<string, unknown>): Promise<ExecutionResult["data"]> {
  return (await execute({ schema: SCHEMA, document: parse(text), variableValues: variables, contextValue: [] })).data;
}

describe("a compiled operation answers as graphql-js does", () => {
  test.each([
    ["a variable that is missing", "query ($id: ID!) { owner(id: $id) { id } }", {}],
    [
      "a variable of the wrong type, deep inside",
      "query ($n: Nested) { owners(nested: $n) { id } }",
      { n: { deep: "x" } },
    ],
    ["an unknown enum value", "query ($n: Nested!) { owners(nested: $n) { id } }", { n: { deep: 1, mood: "ODD" } }],
    ["an unknown member", "query ($n: Nested!) { owners(nested: $n) { id } }", { n: { deep: 1, odd: 1 } }],
    [
      "defaults of variables and arguments",
      "query ($of: Int! = 7) { animal { ... on Dog { friend { ... on Cat { lives(of: $of) other: lives } } } } }",
      {},
    ],
    ["null where a default stands", "query ($m: Mood = BAD) { animal(mood: $m) { name } }", { m: null }],
    [
      "values that only pass through",
      "query ($v: JSONObject) { echo(value: $v) }",
      { v: { a: [1, { b: null }], __proto__: 1 } },
    ],
    ["null in a non-null field", "{ owner(id: 2) { id oldest { name } } }", {}],
    ["null deep in lists that hold no nulls", "{ owner(id: 1) { id pets(first: 3) { name } } }", {}],
    ["errors at once and later", "{ owner(id: 1) { id late } owners { id broken } }", {}],
    [
      "a directive by variable",
      "query ($yes: Boolean!) { animal { name @skip(if: $yes) ... @include(if: $yes) { friend { name } } } }",
      { yes: true },
    ],
    [
      "a fragment spread twice, once skipped",
      "query ($yes: Boolean!) { a: animal { ...F @skip(if: $yes) name } b: animal { ...F } } fragment F on Animal { friend { name } }",
      { yes: true },
    ],
    [
      "mutations one after the other, past one that fails",
      "mutation { a: push(value: 1) fail b: push(value: 2) c: push(value: 3) }",
      {},
    ],
  ])("%s", async (_what, text, variables) => {
    await expectSame(text, variables);
  });

  test.each([
    ["left out, in an object", "query ($m: Mood) { told(nested: { deep: 1, mood: $m }) }", {}],
    ["null, in an object", "query ($m: Mood) { told(nested: { deep: 1, mood: $m }) }", { m: null }],
    ["given, in an object", "query ($m: Mood) { told(nested: { deep: 1, mood: $m }) }", { m: "BAD" }],
    ["left out, with a default, in an object", "query ($m: Mood = BAD) { told(nested: { deep: 1, mood: $m }) }", {}],
    ["null where an object must have a value", "query ($d: Int = 1) { told(nested: { deep: $d }) }", { d: null }],
    ["given where an object must have a value", "query ($d: Int = 1) { told(nested: { deep: $d }) }", { d: 3 }],
    ["null where a list must hold none", "query ($m: Mood = BAD) { told(moods: [GOOD, $m]) }", { m: null }],
    ["left out, in a list", "query ($n: Int) { told(few: [[1, $n], [$n]]) }", {}],
    ["in a list within an object", "query ($n: Int!) { told(nested: { deep: $n, list: [$n, 2] }) }", { n: 5 }],
    [
      "null in a list within an object in a list",
      "query ($n: Int = 1) { told(all: [{ deep: 1, list: [$n] }]) }",
      { n: null },
    ],
    ["an object for a list of them", "query ($n: Int!, $m: Mood) { told(all: { deep: $n, mood: $m }) }", { n: 5 }],
    [
      "in a scalar's literal",
      "query ($t: String) { told(value: { plan: $t, list: [$t], deep: { er: $t } }) }",
      { t: "pro" },
    ],
    ["left out, in a scalar's literal", "query ($t: String) { told(value: { plan: $t, list: [$t] }) }", {}],
    ["null where an argument must have a value", "query ($n: Int) { told(first: $n) }", { n: null }],
    ["left out where an argument has a default", "query ($n: Int) { told(first: $n) }", {}],
    ["left out, of an argument", "query ($t: String) { told(text: $t) }", {}],
    ["null, of an argument", "query ($t: String) { told(text: $t) }", { t: null }],
    ["named like what every object has", "query ($toString: Int) { told(first: $toString) }", {}],
    [
      "named like what every object has, and given",
      "query ($constructor: String, $__proto__: Int) { told(text: $constructor, few: [[$__proto__]]) }",
      { constructor: "a" },
    ],
    ["by a fragment", "query ($m: Mood) { ...Q } fragment Q on Query { told(nested: { deep: 1, mood: $m }) }", {}],
  ])("a variable %s", async (_what, text, variables) => {
    const { data } = await expectSame(text, variables);
    expect(JSON.stringify(data ?? null)).toBe(JSON.stringify((await plainly(text, variables)) ?? null));
  });

  test.each([
    [
      "objects, lists of them and lists of lists",
      "{ tree { leaf { count mood share } leaves { count } rows { share } names at } }",
      {},
    ],
    [
      "nulls where there may be any",
      "{ tree { bare { count } rows { mood } } trees { names } none: trees(first: -1) { names } }",
      {},
    ],
    [
      "names of their own, the types' names and one that objects have",
      "{ tree { a: leaf { b: count, __typename } __typename __proto__: names } }",
      {},
    ],
    [
      "fields that are asked for again, by fragments too, in the order of their first places",
      `{ tree { ...B leaves { share } leaf { mood } } tree { names leaf { share } } ...Q }
       fragment Q on Query { tree { at ... { leaf { count } } } } fragment B on Branch { leaves { mood } leaf { count } ...B2 } fragment B2 on Branch { names leaves { count } }`,
      {},
    ],
    [
      "one resolver's at once, another's later",
      "{ trees(later: false) { leaf { count } } b: trees(first: 3) { leaf { count } } }",
      {},
    ],
    [
      "what is left out by a condition",
      "query ($yes: Boolean!) { tree { leaf { count @skip(if: $yes) mood } } tree @include(if: $yes) { names } }",
      { yes: true },
    ],
    ["a resolver that fails", "{ wood { names } tree { names } }", {}],
    ["arguments by variable", "query ($n: Int!) { trees(first: $n) { leaves { count } } }", { n: 1 }],
    ["the schema, as tools ask for it", getIntrospectionQuery(), {}],
    ["the schema beside a tree", "{ tree { names } __schema { types { name fields { name type { name } } } } }", {}],
    [
      "a type, by a fragment",
      '{ ...Q } fragment Q on Query { tree { names } one: __type(name: "Query") { fields { type { name ofType { name } } } } }',
      {},
    ],
  ])("trees that nothing below resolves: %s", async (_what, text, variables) => {
    const { data } = await expectSame(text, variables);
    expect(JSON.stringify(data)).toBe(JSON.stringify(await plainly(text, variables)));
  });

  test("a null in a tree that must hold none is an error at the tree's field", async () => {
    const document = parse("{ wood: tree { leaf { count } } }");
    const query = SCHEMA.getQueryType()!.getFields()["tree"]!;
    const known = query.resolve!;
    query.resolve = () => ({ ...branch, leaf: { ...leaf, count: null } });
    onTestFinished(() => void (query.resolve = known));
    const { data, errors } = await run(createExecutor({ schema: SCHEMA, compileAt: 1 }), document, {});
    expect(data).toBeNull();
    expect(errors).toMatchObject([
      { message: "Cannot return null for non-nullable field Leaf.count.", path: ["wood"] },
    ]);
  });

  // Without promises that are refused inside of lists: graphql-js forgets those that stand beside an error at once, and the
  // process is told of a rejection that nobody handles.
  test("random operations", async () => {
    const field = fc.letrec<{ animal: string; owner: string }>((tie) => ({
      animal: fc
        .array(
          fc.oneof(
            { withCrossShrink: true },
            fc.constantFrom(
              "name",
              "__typename",
              "other: name",
              "... on Cat { lives mood }",
              "... on Cat { lives(of: $of) }",
            ),
            fc.constantFrom(
              "... on Dog { barks }",
              "name @skip(if: $yes)",
              "... @include(if: $yes) { name }",
              "...F",
              "...F @skip(if: $yes)",
            ),
            tie("animal").map((inner) => `friend { ${inner} }`),
            tie("owner").map((inner) => `... on Dog { owners { ${inner} } }`),
          ),
          { minLength: 1, maxLength: 4, depthIdentifier: "depth" },
        )
        .map((fields) => ["__typename", ...fields].join(" ")),
      owner: fc
        .array(
          fc.oneof(
            fc.constantFrom("id", "maybe", "late", "broken @skip(if: $yes)", "again: id"),
            fc
              .tuple(fc.constantFrom("pets", "pets(first: $n)", "few: pets(first: 1)"), tie("animal"))
              .map(([pets, inner]) => `${pets} { ${inner} }`),
            tie("animal").map((inner) => `oldest { ${inner} }`),
          ),
          { minLength: 1, maxLength: 4, depthIdentifier: "depth" },
        )
        .map((fields) => ["id", ...fields].join(" ")),
    }));
    const operation = fc.tuple(
      field.owner,
      field.animal,
      field.owner,
      fc.boolean(),
      fc.integer({ min: 0, max: 2 }),
      fc.constantFrom(5, 7),
    );
    await fc.assert(
      fc.asyncProperty(operation, async ([first, second, third, yes, n, of]) => {
        const text = `query ($yes: Boolean!, $n: Int, $of: Int!) {
          owner(id: 1) { ${first} } animal { ${second} ...F } owners { ${third} } used: owner(id: 0) { pets(first: $n) { ...G @skip(if: $yes) } }
        } fragment F on Animal { name ... on Dog { barks } } fragment G on Cat { lives(of: $of) }`;
        const document = parse(text);
        // Fields of one name with other arguments are refused before they come here.
        fc.pre(validate(SCHEMA, document).length === 0);
        await expectSame(text, { yes, n, of });
      }),
      { numRuns: Math.min(PROPERTY_RUNS, 100) },
    );
  });

  test("random arguments, with variables at any place, given or null or left out", async () => {
    const VARIABLES = {
      int: "Int",
      five: "Int = 5",
      sure: "Int!",
      mood: "Mood",
      bad: "Mood = BAD",
      text: "String",
      any: "JSONObject",
    };
    const oneOf = (...texts: string[]) => fc.constantFrom(...texts);
    const int = oneOf("1", "null", "$int", "$five", "$sure");
    const mood = oneOf("GOOD", "null", "$mood", "$bad");
    const listOf = (item: fc.Arbitrary<string>) =>
      fc.array(item, { maxLength: 3 }).map((items) => `[${items.join(", ")}]`);
    const nested = fc
      .tuple(int, fc.option(mood, { nil: null }), fc.option(fc.oneof(listOf(int), int), { nil: null }))
      .map(
        ([deep, feeling, list]) =>
          `{ deep: ${deep}${feeling === null ? "" : ` mood: ${feeling}`}${list === null ? "" : ` list: ${list}`} }`,
      );
    const value = fc.oneof(
      oneOf("null", "$any", "{}", "{ a: 1, b: [true, null] }", "{ a: $text }", "{ a: { b: [$int] } }"),
    );
    const values: Record<string, fc.Arbitrary<string>> = {
      nested: fc.oneof(nested, oneOf("null")),
      moods: fc.oneof(listOf(mood), mood),
      all: fc.oneof(listOf(nested), nested),
      few: fc.oneof(listOf(fc.oneof(listOf(int), int)), int),
      value,
      first: int,
      text: oneOf('"a"', "null", "$text"),
    };
    const given = fc.record(
      {
        int: fc.constantFrom(7, null),
        five: fc.constantFrom(7, null),
        mood: fc.constantFrom("GOOD", null),
        bad: fc.constantFrom("GOOD", null),
        text: fc.constantFrom("b", null),
        any: fc.constantFrom({ c: [1, null] }, null),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.record(values, { requiredKeys: [] }), given, async (args, variables) => {
        const written = Object.entries(args).map(([name, literal]) => `${name}: ${literal}`);
        const used = Object.entries(VARIABLES).filter(([name]) => written.some((each) => each.includes(`$${name}`)));
        const definitions = used.map(([name, type]) => `$${name}: ${type}`).join(", ");
        const field = written.length === 0 ? "told" : `told(${written.join(" ")})`;
        const text = `query ${definitions === "" ? "" : `(${definitions})`} { ${field} }`;
        // Null where none may be.
        fc.pre(validate(SCHEMA, parse(text)).length === 0);
        await expectSame(text, { ...variables, sure: 9 });
      }),
      { numRuns: Math.min(PROPERTY_RUNS, 300) },
    );
  });
});

test("a document is compiled when it comes for the third time, and answers the same before and after", async () => {
  const executor = createExecutor({ schema: SCHEMA });
  const document = parse("{ owner(id: 1) { id late pets { name } } }");
  const answers = [];
  for (let time = 0; time < 4; time += 1) answers.push(comparable(await run(executor, document, {})));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
});

test("of compiled operations the last used ones stay, within a number of fields", async () => {
  const executor = createExecutor({ schema: SCHEMA, maxKeptFields: 500 });
  const parsed = (name: string, fields: number) =>
    parse(`{ ${Array.from({ length: fields }, (_, at) => `${name}${at}: owner(id: 1) { id }`).join(" ")} }`);
  /** graphql-js makes objects without a prototype, compiled code does not. */
  const isCompiled = async (document: DocumentNode) => {
    const { data } = await run(executor, document, {});
    return Object.getPrototypeOf(data) !== null;
  };
  const often = async (document: DocumentNode) => {
    for (let time = 0; time < 2; time += 1) await isCompiled(document);
    return isCompiled(document);
  };
  const [first, last] = [parsed("first", 10), parsed("last", 10)];
  expect(await often(first)).toBe(true);
  expect(await isCompiled(first)).toBe(true);
  for (let at = 0; at < 10; at += 1) expect(await often(parsed(`other${at}_`, 25))).toBe(true);
  expect(await often(last)).toBe(true);
  expect([await isCompiled(first), await isCompiled(last)]).toEqual([false, true]);
});

describe("the size of a compiled operation", () => {
  let schema: GraphQLSchema;
  beforeAll(() => {
    schema = buildPublicSchema();
  });
  const sizeOf = (text: string) => {
    const document = parse(text);
    return compiledSize(schema, document, getOperationAST(document)!, 2_000);
  };

  test("counts an interface's fields once for each of its types", () => {
    expect(sizeOf("{ campaigns { nodes { id name } } }")).toBe(4);
    expect(sizeOf("{ campaigns { nodes { events { nodes { id } } } } }")).toBe(4 + 10);
  });

  test("is past the limit for one that would grow tenfold a level, and is told at once", () => {
    const nested = (depth: number): string =>
      depth === 0 ? "id" : `campaign { events { nodes { ${nested(depth - 1)} } } }`;
    expect(sizeOf(`{ node(id: "x") { ... on SentEvent { ${nested(8)} } } }`)).toBeGreaterThan(2_000);
  });
});
