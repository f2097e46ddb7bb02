/** Operations drawn at random from the schema, valid ones and such as are wrong at a place, with values that break things. */
import * as fc from "fast-check";
import {
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
} from "graphql";
import { SeededRandom } from "../../src/demo/seeded-random.js";

type Json = unknown;

export interface RandomOperation {
  readonly operation: "query" | "mutation";
  readonly query: string;
  readonly variables: Readonly<Record<string, Json>>;
}

/** What there is, so that not everything asked for is missing. */
export interface KnownValues {
  readonly ids: readonly string[];
  readonly texts: readonly string[];
}

const MAX_DEPTH = 6;
/** In a selection, and with arguments or below it in all. */
const MAX_FIELDS = 4;
const MAX_FIELDS_IN_ALL = 24;

const HOSTILE = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "x\udfffy",
  "\u202egnp.exe",
  "\u200b\ufeff",
  "Ａ̈́ͫ",
  "İ",
  "'; drop table campaigns; --",
  "' or 1=1 --",
  "$1",
  "%_\\",
  "\\",
  '"}],"x":[{',
  "${7*7}{{7*7}}",
  "<script>alert(1)</script>",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "../../etc/passwd",
  "null",
  "NaN",
  "1e400",
  "-0",
  "\r\nset-cookie: a=b",
  "x".repeat(1_025),
  "é".repeat(5_000),
  "😀".repeat(300),
] as const;

const TIMES = [
  "2026-11-01T00:00:00Z",
  "2026-11-03T00:00:00+01:00",
  "2026-11-02T12:34:56.123456Z",
  "1999-12-31T23:59:59Z",
  "0000-01-01T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "+275760-09-13T00:00:00Z",
  "-271821-04-20T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-11-01T24:00:00Z",
  "2026-11-01T00:00:60Z",
  "2026-11-01T00:00:00+23:59",
  "2026-11-01",
  "",
] as const;
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "America/St_Johns",
  "Mars/Olympus",
  "+01:00",
  "",
] as const;
const NUMBERS = [0, 1, 2, 20, 100, 101, -1, 2_147_483_647, 2_147_483_648, 1e21, 0.5, -0, 2 ** 53] as const;
const OBJECTS: readonly Json[] = [
  {},
  { a: 1 },
  { "": null },
  { a: { b: [1, "\0", { c: "\ud800" }] } },
  [],
  "x",
  1,
  null,
  { toString: 1 },
];

class Drawer {
  readonly #schema: GraphQLSchema;
  readonly #known: KnownValues;
  readonly #random: SeededRandom;
  readonly #declared: string[] = [];
  readonly variables: Record<string, Json> = {};
  #isValid = true;
  #left = MAX_FIELDS_IN_ALL;

  constructor(schema: GraphQLSchema, known: KnownValues, random: SeededRandom) {
    this.#schema = schema;
    this.#known = known;
    this.#random = random;
  }

  /** A whole number up to this. */
  #draw(max: number): number {
    return Math.floor(this.#random.next() * (max + 1));
  }

  operation(): RandomOperation {
    const isMutation = this.#chance(8);
    const root = isMutation ? this.#schema.getMutationType() : this.#schema.getQueryType();
    if (root === null || root === undefined) throw new Error("The schema has no root");
    this.#isValid = this.#chance(2) || this.#chance(2);
    const operation = isMutation ? "mutation" : "query";
    const body = this.#selection(root, MAX_DEPTH);
    const head = this.#declared.length === 0 ? "" : `(${this.#declared.join(", ")})`;
    const query = this.#spoiled(`${operation} R${head} ${body}`);
    return { operation, query, variables: this.variables };
  }

  #chance(oneIn: number): boolean {
    return this.#draw(oneIn - 1) === 0;
  }

  /** Where the operation is to be wrong, now and then. */
  #spoils(oneIn: number): boolean {
    return !this.#isValid && this.#chance(oneIn);
  }

  #one<T>(values: readonly T[]): T {
    return values[this.#draw(values.length - 1)] as T;
  }

  #selection(type: GraphQLNamedType, depth: number): string {
    if (isLeafType(type)) return this.#spoils(30) ? " { __typename }" : "";
    const objects = isObjectType(type) ? [type] : this.#schema.getPossibleTypes(type as never);
    const parts = Array.from({ length: 1 + this.#draw(MAX_FIELDS - 1) }, () => {
      this.#left -= 1;
      const object = this.#one(objects);
      const fields = Object.values(object.getFields());
      const leaves = fields.filter((field) => isLeafType(getNamedType(field.type)));
      const field = this.#one((depth > 1 && this.#left > 0) || leaves.length === 0 ? fields : leaves);
      if (depth <= -2 || this.#left < -MAX_FIELDS_IN_ALL) return "__typename";
      // Under a name of its own where another type's or another argument's could stand beside it.
      const alias = this.#spoils(10) ? "" : `f${this.#draw(999)}${object.name}_${field.name}: `;
      const text = `${alias}${this.#field(field, depth)}`;
      return isObjectType(type) ? text : `... on ${object.name} { ${text} }`;
    });
    return ` { __typename ${parts.join(" ")} }`;
  }

  #field(field: GraphQLField<unknown, unknown>, depth: number): string {
    const name = this.#spoils(15) ? this.#one([`${field.name}s`, "__proto__", "constructor", "x"]) : field.name;
    const args = field.args
      .filter((argument) => (isRequiredArgument(argument) ? !this.#spoils(8) : this.#chance(3)))
      .map((argument) => `${argument.name}: ${this.#argument(argument)}`);
    const directive = this.#chance(12)
      ? ` ${this.#one(["@include(if: true)", "@skip(if: false)", "@skip(if: true)", ...(this.#isValid ? [] : ["@skip", "@nope", "@include(if: 1)"])])}`
      : "";
    const called = args.length === 0 ? name : `${name}(${args.join(", ")})`;
    return `${called}${directive}${this.#selection(getNamedType(field.type), depth - 1)}`;
  }

  #argument(argument: GraphQLArgument): string {
    const value = this.#value(argument.type, argument.name, 0);
    if (this.#chance(3)) return this.#literal(value, argument.type);
    const name = `v${this.#declared.length}`;
    this.#declared.push(`$${name}: ${String(argument.type)}`);
    this.variables[name] = value;
    return `$${name}`;
  }

  #value(type: GraphQLInputType, name: string, depth: number): Json {
    if (this.#spoils(12)) return this.#one<Json>([null, 1, "x", [], {}, true, [[]], { __proto__: null, x: 1 }]);
    if (!isNonNullType(type) && this.#chance(8)) return null;
    const nullable = getNullableType(type);
    if (isListType(nullable)) {
      const length = this.#one([0, 1, 1, 2, 3, this.#chance(20) ? 101 : 4]);
      return Array.from({ length }, () => this.#value(nullable.ofType, name, depth + 1));
    }
    if (isEnumType(nullable)) return this.#one(nullable.getValues()).name;
    if (isInputObjectType(nullable)) {
      const fields = Object.values(nullable.getFields()).filter((field) =>
        isRequiredInputField(field) ? !this.#spoils(8) : this.#chance(depth > 2 ? 6 : 3),
      );
      return Object.fromEntries(fields.map((field) => [field.name, this.#value(field.type, field.name, depth + 1)]));
    }
    return this.#scalar(String(nullable), name);
  }

  #scalar(type: string, name: string): Json {
    const { ids, texts } = this.#known;
    const isSane = !this.#chance(3);
    switch (type) {
      case "ID":
        return isSane && ids.length > 0 ? this.#one(ids) : this.#text();
      case "String":
        if (name.endsWith("At") && this.#chance(2)) return this.#one(TIMES);
        return isSane && texts.length > 0 ? this.#one(texts) : this.#text();
      case "DateTime":
        if (isSane) return name === "to" ? TIMES[1] : TIMES[0];
        return this.#one<string>(TIMES);
      case "TimeZone":
        return this.#one<string>(isSane ? ZONES.slice(0, 5) : ZONES);
      case "Boolean":
        return this.#chance(2);
      case "JSONObject":
        return this.#one(OBJECTS);
      case "Int":
      case "Float":
      case "BigInt":
        return isSane ? this.#one([1, 2, 5]) : this.#one<number>(NUMBERS);
      default:
        return this.#text();
    }
  }

  #text(): string {
    if (this.#chance(3))
      return String.fromCharCode(
        ...Array.from({ length: this.#draw(40) }, () => this.#draw(this.#one([0x7f, 0x2ff, 0xffff]))),
      );
    if (this.#chance(4)) {
      const { ids } = this.#known;
      // An id with something else in it.
      const plain = Buffer.from(ids.length === 0 ? "" : this.#one(ids), "base64url").toString("latin1");
      const at = this.#draw(Math.max(plain.length - 1, 0));
      return Buffer.from(
        `${plain.slice(0, at)}${this.#one(["\0", ":", "'", "ÿ", ""])}${plain.slice(at + 1)}`,
        "latin1",
      ).toString("base64url");
    }
    return this.#one<string>(HOSTILE);
  }

  #literal(value: Json, type: GraphQLInputType): string {
    const nullable = getNullableType(type);
    if (value === null || value === undefined) return "null";
    if (Array.isArray(value)) {
      const inner = isListType(nullable) ? nullable.ofType : nullable;
      return `[${value.map((item) => this.#member(item, inner)).join(", ")}]`;
    }
    if (typeof value === "object") {
      const fields = isInputObjectType(nullable) ? nullable.getFields() : {};
      const members = Object.entries(value).filter(([name]) => /^[A-Za-z_]\w*$/.test(name));
      return `{ ${members.map(([name, member]) => `${name}: ${this.#member(member, fields[name]?.type ?? nullable)}`).join(", ")} }`;
    }
    if (typeof value === "string" && isEnumType(nullable) && /^[A-Z_]+$/.test(value)) return value;
    return JSON.stringify(value);
  }

  /** Of a list or an object in the document: written there, or by a variable that is given, null or left out. */
  #member(value: Json, type: GraphQLInputType): string {
    if (this.#chance(2)) return this.#literal(value, type);
    const name = `v${this.#declared.length}`;
    const nullable = getNullableType(type);
    const hasDefault = isNonNullType(type) && isEnumType(nullable) && this.#chance(2);
    const declared = hasDefault ? `${nullable.name} = ${nullable.getValues()[0]?.name}` : String(type);
    this.#declared.push(`$${name}: ${declared}`);
    const mayBeNull = hasDefault || !isNonNullType(type);
    const given = mayBeNull ? this.#one<"value" | "null" | "nothing">(["value", "value", "null", "nothing"]) : "value";
    if (given !== "nothing") this.variables[name] = given === "null" ? null : value;
    return `$${name}`;
  }

  /** A character too many or too few. */
  #spoiled(text: string): string {
    if (!this.#spoils(6)) return text;
    const at = this.#draw(text.length - 1);
    return `${text.slice(0, at)}${this.#one(["", "{", "}", "\0", "…", '"', "$", "@", "...", "#"])}${text.slice(at + 1)}`;
  }
}

/** Each from a number alone. fc.gen() would shrink them, and takes seconds to draw some. */
export function randomOperations(schema: GraphQLSchema, known: KnownValues): fc.Arbitrary<RandomOperation> {
  return fc
    .noShrink(fc.integer({ min: 1, max: 2 ** 32 - 1 }))
    .map((seed) => new Drawer(schema, known, new SeededRandom(seed)).operation());
}
