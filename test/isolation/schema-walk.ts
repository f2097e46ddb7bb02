/**
 * Operations made from the schema alone: one for each field that takes arguments or leads to objects, with everything below
 * it selected to a bounded depth. A field that is new is in one of them, and an argument that is new is one more place that
 * texts and ids are presented at, without a change here. What it cannot fill it refuses, by name.
 */
import {
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
} from "graphql";

export type Field = GraphQLField<unknown, unknown>;
type Json = unknown;

/** What a place takes that can name something of a tenant. */
export type Kind = "ID" | "String" | "JSONObject";

/** A place for a value inside of the variables: `["filter", "campaignId"]`. */
export interface Slot {
  readonly place: string;
  readonly kind: Kind;
  /** Several at once. */
  readonly isList: boolean;
  readonly path: readonly string[];
  /** What the argument must hold beside it. */
  readonly least: Json;
}

export interface Probe {
  /** The field at the end, such as Campaign.events. */
  readonly place: string;
  readonly operation: "query" | "mutation";
  /** With a variable for each argument of the field and for what the way to it needs. */
  readonly document: (given: ReadonlySet<string>) => string;
  /** What is asked for without any choice: required arguments alone. */
  readonly variables: Readonly<Record<string, Json>>;
  readonly slots: readonly Slot[];
}

/** Values of a tenant's own, for what an operation cannot go without. */
export interface OwnValues {
  /** An id of the type that the place seems to want. */
  idFor(place: string): string;
  readonly range: { readonly from: string; readonly to: string };
}

const MAX_DEPTH = 4;
/** Beyond these a document is refused, or never compiled: the selection is made less deep. */
const MAX_TOKENS = 4_500;
const MAX_FIELDS = 1_500;

const KINDS: ReadonlySet<string> = new Set<Kind>(["ID", "String", "JSONObject"]);

interface Step {
  readonly owner: GraphQLObjectType;
  readonly field: Field;
}

/** What has to be there, and a choice without a default: what depends on it would else never be shown. */
function isGiven(argument: GraphQLArgument): boolean {
  return isRequiredArgument(argument) || (isEnumType(argument.type) && argument.defaultValue === undefined);
}

/** Names of variables, with their types and values, of one operation. */
interface Variables {
  readonly types: Map<string, string>;
  readonly values: Record<string, Json>;
}

export class SchemaWalk {
  readonly #schema: GraphQLSchema;
  readonly #own: OwnValues;
  readonly #isSelected: (field: Field) => boolean;
  /** Type.field of what stands in an operation, and Type.field(argument) or Input.field of what was a slot. */
  readonly covered = new Set<string>();

  /** `isSelected`: whether a field may stand below what is asked for, where one that is refused would take the rest along. */
  constructor(schema: GraphQLSchema, own: OwnValues, isSelected: (field: Field) => boolean = () => true) {
    this.#schema = schema;
    this.#own = own;
    this.#isSelected = isSelected;
  }

  /** One for each field that has arguments or leads to objects. */
  probes(operation: "query" | "mutation"): Probe[] {
    const root = operation === "query" ? this.#schema.getQueryType() : this.#schema.getMutationType();
    if (root === null || root === undefined) return [];
    if (operation === "mutation") return Object.values(root.getFields()).map((field) => this.#probe([], root, field));
    const ways = this.#ways(root);
    return [...ways].flatMap(([owner, way]) =>
      Object.values(owner.getFields())
        .filter((field) => field.args.length > 0 || !isLeafType(getNamedType(field.type)))
        .map((field) => this.#probe(way, owner, field)),
    );
  }

  /** Every Type.field and every place of an argument that there is: what `covered` has to hold in the end. */
  everything(): Set<string> {
    const all = new Set<string>();
    for (const type of Object.values(this.#schema.getTypeMap())) {
      if (type.name.startsWith("__") || !(isObjectType(type) || isInputObjectType(type))) continue;
      for (const field of Object.values(type.getFields())) all.add(`${type.name}.${field.name}`);
    }
    return all;
  }

  /** The shortest way to each type of objects; objects that have an id are reached by it. */
  #ways(root: GraphQLObjectType): Map<GraphQLObjectType, readonly Step[]> {
    const ways = new Map<GraphQLObjectType, readonly Step[]>([[root, []]]);
    const node = root.getFields()["node"];
    const queue: GraphQLObjectType[] = [root];
    const reach = (type: GraphQLObjectType, way: readonly Step[]): void => {
      if (ways.has(type)) return;
      ways.set(type, way);
      queue.push(type);
    };
    if (node !== undefined) {
      for (const type of this.#objectsOf(getNamedType(node.type))) reach(type, [{ owner: root, field: node }]);
    }
    for (let owner = queue.shift(); owner !== undefined; owner = queue.shift()) {
      for (const field of Object.values(owner.getFields())) {
        for (const type of this.#objectsOf(getNamedType(field.type))) {
          reach(type, [...(ways.get(owner) ?? []), { owner, field }]);
        }
      }
    }
    return ways;
  }

  #objectsOf(type: GraphQLNamedType): readonly GraphQLObjectType[] {
    if (isObjectType(type)) return [type];
    return isInterfaceType(type) || isUnionType(type) ? this.#schema.getPossibleTypes(type) : [];
  }

  #probe(way: readonly Step[], owner: GraphQLObjectType, field: Field): Probe {
    const place = `${owner.name}.${field.name}`;
    const variables: Variables = { types: new Map(), values: {} };
    const steps = way.map((step, at) => {
      const next = way[at + 1]?.owner ?? owner;
      // A node is asked for by an id of the type that is wanted of it.
      const call = this.#callOf(step.owner, step.field, variables, `w${at}`, next.name);
      const opening = isObjectType(getNamedType(step.field.type)) ? "{" : `{ __typename ... on ${next.name} {`;
      return { call, opening, closing: opening.replaceAll(/[^{]/g, "").replaceAll("{", "}") };
    });
    const argumentTypes = new Map(field.args.map((argument) => [argument.name, String(argument.type)]));
    for (const argument of field.args) {
      if (isGiven(argument)) variables.values[argument.name] = this.#valueOf(argument.type, place, argument.name);
    }
    const slots = field.args.flatMap((argument) => this.#slotsOf(argument, place));
    this.covered.add(place);
    const selection = this.#fittingSelection(getNamedType(field.type), variables);
    const operation = owner === this.#schema.getMutationType() ? "mutation" : "query";
    return {
      place,
      operation,
      slots,
      variables: variables.values,
      document: (given) => {
        const names = [...argumentTypes.keys()].filter((name) => given.has(name));
        const declared = [...variables.types, ...names.map((name) => [name, argumentTypes.get(name) ?? ""] as const)];
        const head =
          declared.length === 0 ? "" : ` (${declared.map(([name, type]) => `$${name}: ${type}`).join(", ")})`;
        const args = names.length === 0 ? "" : `(${names.map((name) => `${name}: $${name}`).join(", ")})`;
        const target = `${field.name}${args}${selection}`;
        const body = steps.reduceRight(
          (inner, step) => `${step.call} ${step.opening} ${inner} ${step.closing}`,
          target,
        );
        return `${operation}${head} { ${body} }`;
      },
    };
  }

  /** A field with what it cannot go without, by variables. */
  #callOf(owner: GraphQLObjectType, field: Field, variables: Variables, prefix: string, wanted = ""): string {
    const needed = field.args.filter(isGiven);
    const args = needed.map((argument) => {
      const name = `${prefix}_${argument.name}`;
      variables.types.set(name, String(argument.type));
      const place = `${owner.name}.${field.name}`;
      variables.values[name] = this.#valueOf(argument.type, wanted === "" ? place : wanted, argument.name);
      return `${argument.name}: $${name}`;
    });
    return args.length === 0 ? field.name : `${field.name}(${args.join(", ")})`;
  }

  #fittingSelection(type: GraphQLNamedType, variables: Variables): string {
    for (let depth = MAX_DEPTH; ; depth -= 1) {
      const tried: Variables = { types: new Map(variables.types), values: { ...variables.values } };
      const seen = new Set<string>();
      const text = this.#selectionOf(type, depth, [], tried, seen);
      const tokens = text.split(/[\s():,]+/).length * 1.2;
      const fields = text.split(/[\s{}]+/).length;
      if (depth > 1 && (tokens > MAX_TOKENS || fields > MAX_FIELDS)) continue;
      for (const [name, declared] of tried.types) variables.types.set(name, declared);
      Object.assign(variables.values, tried.values);
      for (const place of seen) this.covered.add(place);
      return text;
    }
  }

  /** Everything below, as far as `depth`; a type is not entered again below itself. */
  #selectionOf(
    type: GraphQLNamedType,
    depth: number,
    above: readonly string[],
    variables: Variables,
    seen: Set<string>,
  ): string {
    if (isLeafType(type)) return "";
    const isMixed = !isObjectType(type);
    const parts = this.#objectsOf(type).map((object) => {
      const fields = Object.values(object.getFields()).flatMap((field) => {
        const named = getNamedType(field.type);
        const isLeaf = isLeafType(named);
        const goesOn = isLeaf || (depth > 1 && !above.includes(named.name));
        if (!goesOn || !this.#isSelected(field)) return [];
        seen.add(`${object.name}.${field.name}`);
        const call = this.#callOf(object, field, variables, `s${variables.types.size}`);
        // The same name may be of another type in each of the fragments.
        const alias = isMixed ? `${object.name}_${field.name}: ` : "";
        return [`${alias}${call}${this.#selectionOf(named, depth - 1, [...above, object.name], variables, seen)}`];
      });
      return isMixed ? `... on ${object.name} { ${fields.join(" ")} }` : fields.join(" ");
    });
    return ` { __typename ${parts.join(" ")} }`;
  }

  /** A value that the type takes: the least that it must hold. */
  #valueOf(type: GraphQLInputType, place: string, name: string): Json {
    const nullable = getNullableType(type);
    if (isListType(nullable)) return [this.#valueOf(nullable.ofType, place, name)];
    // The last: of granularities the longest, with the fewest buckets.
    if (isEnumType(nullable)) return nullable.getValues().at(-1)?.name;
    if (isInputObjectType(nullable)) {
      const needed = Object.values(nullable.getFields()).filter((field) => isRequiredInputField(field));
      return Object.fromEntries(
        needed.map((field) => [field.name, this.#valueOf(field.type, `${place}.${nullable.name}`, field.name)]),
      );
    }
    switch (String(nullable)) {
      case "ID":
        return this.#own.idFor(`${place}.${name}`);
      case "String":
        // Texts that are to be times say so by their name.
        return name.endsWith("At") ? this.#own.range.from : "x";
      case "DateTime":
        return name === "to" ? this.#own.range.to : this.#own.range.from;
      case "TimeZone":
        return "UTC";
      case "Int":
        return 1;
      case "Float":
        return 1;
      case "BigInt":
        return 1;
      case "Decimal":
        return "1";
      case "Boolean":
        return true;
      case "JSONObject":
        return {};
      default:
        throw new Error(
          `${place}(${name}:) takes ${String(type)}, which schema-walk.ts cannot fill. Teach #valueOf its type.`,
        );
    }
  }

  #slotsOf({ name, type }: Pick<GraphQLArgument, "name" | "type">, place: string): Slot[] {
    const least = isInputObjectType(getNamedType(type)) ? this.#valueOf(type, place, name) : undefined;
    return this.#slotsIn(type, [name], `${place}(${name})`, false).map((slot) => ({ ...slot, least }));
  }

  #slotsIn(type: GraphQLInputType, path: readonly string[], place: string, isList: boolean): Omit<Slot, "least">[] {
    const nullable = getNullableType(type);
    if (isListType(nullable)) {
      const inner = getNullableType(nullable.ofType) as GraphQLInputType;
      return this.#slotsIn(inner, isInputObjectType(inner) ? [...path, "0"] : path, place, !isInputObjectType(inner));
    }
    if (isInputObjectType(nullable)) {
      return Object.values(nullable.getFields()).flatMap((field) => {
        this.covered.add(`${nullable.name}.${field.name}`);
        return this.#slotsIn(field.type, [...path, field.name], `${place}.${field.name}`, false);
      });
    }
    if (KINDS.has(String(nullable))) return [{ place, kind: String(nullable) as Kind, isList, path }];
    // Whether it can be filled at all is asked here too, so that a new scalar is noticed though it is optional.
    this.#valueOf(nullable, place, path.at(-1) ?? "");
    return [];
  }
}

/** Variables with a value at a slot, and beside it what its argument cannot go without. */
export function withValue(variables: Probe["variables"], slot: Slot, value: Json): Record<string, Json> {
  const copy = structuredClone(variables) as Record<string, Json>;
  const [argument = ""] = slot.path;
  copy[argument] ??= structuredClone(slot.least);
  let inner = copy;
  for (const name of slot.path.slice(0, -1)) inner = (inner[name] ??= {}) as Record<string, Json>;
  inner[slot.path.at(-1) ?? ""] = slot.isList && !Array.isArray(value) ? [value] : value;
  return copy;
}
