/**
 * What of an operation costs something, found out once for each document: most of its fields are parts of what was read, and
 * are left out. Selections of one response name are one field, as they are when executed; which of its types an object of an
 * interface will have is not known, so what is asked of each type is kept apart.
 */
import {
  type DirectiveNode,
  type DocumentNode,
  doTypesOverlap,
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  getNullableType,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  GraphQLString,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
  valueFromASTUntyped,
} from "graphql";
import { isPlainTree } from "../plain-trees.js";
import { JsonObjectScalar } from "../scalars.js";
import { FIELD_PRICES, type PricedField, REPEATED_TEXT } from "./field-prices.js";

type Variables = Readonly<Record<string, unknown>>;

/** A value in the document, for some variables. */
type Reader = (variables: Variables) => unknown;

export interface PlannedField {
  /** As the answer names it. */
  readonly responseName: string;
  readonly nodes: readonly FieldNode[];
  readonly price: PricedField | null;
  readonly arguments: ReadonlyMap<string, Reader>;
  /** Left out unless one of these says otherwise; always there where there are none. */
  readonly conditions: readonly Reader[];
  readonly isList: boolean;
  /** The response names of the lists right below, whatever they hold: of a connection, its rows. */
  readonly rowLists: readonly string[];
  /** Of a plain tree: how many texts of its rows are asked for once more. An answer tells nothing of them but how many rows there are. */
  readonly repeatedTexts: number;
  readonly below: PlannedSelection;
}

export interface PlannedSelection {
  readonly fields: readonly PlannedField[];
  /** What is asked of objects of one type alone, for each such type. */
  readonly ofTypes: readonly (readonly PlannedField[])[];
}

export interface PricePlan {
  readonly operation: PlannedSelection;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly defaults: Variables;
  readonly usesZones: boolean;
}

const NOTHING = { fields: [], ofTypes: [], rowLists: [], repeatedTexts: 0 };

/** A document that is short and has more than this was written to. */
const MAX_FIELDS = 10_000;

interface Collected {
  readonly nodes: FieldNode[];
  /** For each of the nodes: all must hold. */
  readonly conditions: (readonly Reader[])[];
}

/** By response name, of all types that the objects may have, and of single ones. */
type Groups = Map<GraphQLNamedType, Map<string, Collected>>;

/** Null where it is too large to be told. */
export function planPrice(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): PricePlan | null {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null);
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  }
  let fieldCount = 0;
  let usesZones = false;

  function collect(type: GraphQLNamedType, sets: readonly SelectionSetNode[]): Groups {
    const groups: Groups = new Map();
    // By what it is spread under: what a fragment asks of one type says nothing of another one.
    const visited = new Map<GraphQLNamedType, Set<string>>();
    const walk = (owner: GraphQLNamedType, { selections }: SelectionSetNode, conditions: readonly Reader[]): void => {
      for (const selection of selections) {
        const all = [...conditions, ...conditionsOf(selection.directives)];
        if (selection.kind === Kind.FIELD) {
          const group = groups.get(owner) ?? new Map<string, Collected>();
          groups.set(owner, group);
          const name = selection.alias?.value ?? selection.name.value;
          const collected = group.get(name) ?? { nodes: [], conditions: [] };
          group.set(name, collected);
          collected.nodes.push(selection);
          collected.conditions.push(all);
          continue;
        }
        let inner: {
          readonly typeCondition?: { readonly name: { readonly value: string } } | undefined;
          readonly selectionSet: SelectionSetNode;
        };
        if (selection.kind === Kind.FRAGMENT_SPREAD) {
          const known = visited.get(owner) ?? new Set();
          visited.set(owner, known);
          // Under a condition it may be left out here and not in the next place.
          if (known.has(selection.name.value)) continue;
          if (all.length === 0) known.add(selection.name.value);
          const fragment = fragments[selection.name.value];
          if (fragment === undefined) continue;
          inner = fragment;
        } else inner = selection;
        if (++fieldCount > MAX_FIELDS) return;
        const condition =
          inner.typeCondition === undefined ? undefined : schema.getType(inner.typeCondition.name.value);
        if (condition !== undefined && !mayBeOf(schema, owner, condition)) continue;
        const narrower = condition !== undefined && isAbstractType(owner) ? condition : owner;
        walk(narrower, inner.selectionSet, all);
      }
    };
    for (const set of sets) walk(type, set, []);
    return groups;
  }

  function planOf(
    type: GraphQLNamedType,
    sets: readonly SelectionSetNode[],
    isInTree: boolean,
  ): PlannedSelection & Pick<PlannedField, "rowLists" | "repeatedTexts"> {
    let repeatedTexts = 0;
    const groups = collect(type, sets);
    const rowLists: string[] = [];
    const ofTypes: PlannedField[][] = [];
    const fields: PlannedField[] = [];
    for (const [owner, group] of groups) {
      const planned: PlannedField[] = [];
      const names = new Set<string>();
      for (const [responseName, collected] of group) {
        const name = collected.nodes[0]?.name.value ?? "";
        const field = planField(owner, responseName, collected, { isInTree, isRepeated: names.has(name) });
        names.add(name);
        if (field === null) continue;
        repeatedTexts += field.repeatedTexts;
        if (field.isList) rowLists.push(responseName);
        if (field.price !== null || !isEmpty(field.below)) planned.push(field);
      }
      // What an interface has an object may have besides what its own type has.
      if (owner === type || !isObjectType(owner)) fields.push(...planned);
      else if (planned.length > 0) ofTypes.push(planned);
    }
    return { fields, ofTypes, rowLists, repeatedTexts };
  }

  function planField(
    owner: GraphQLNamedType,
    responseName: string,
    { nodes, conditions }: Collected,
    { isInTree, isRepeated }: { readonly isInTree: boolean; readonly isRepeated: boolean },
  ): PlannedField | null {
    const [node] = nodes;
    if (node === undefined || ++fieldCount > MAX_FIELDS) return null;
    const name = node.name.value;
    const definition = isObjectType(owner) || isInterfaceType(owner) ? owner.getFields()[name] : undefined;
    const isText = isRepeated && definition !== undefined && isTextual(definition);
    const price = priceOf(owner, name) ?? (isText && !isInTree ? REPEATED_TEXT : null);
    if (definition === undefined && price === null) return null;
    usesZones ||= price?.usesZones === true;
    const sets = definition === undefined ? [] : nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
    const type = definition === undefined ? owner : getNamedType(definition.type);
    const isTree = isInTree || (definition !== undefined && isPlainTree(definition));
    const below = sets.length === 0 ? NOTHING : planOf(type, sets, isTree);
    return {
      responseName,
      nodes,
      price,
      arguments: new Map(
        (node.arguments ?? []).map(({ name: { value: argument }, value }) => [argument, readerOf(value)]),
      ),
      conditions: conditions.some((all) => all.length === 0)
        ? []
        : conditions.map((all) => (variables) => all.every((holds) => holds(variables) === true)),
      isList: definition !== undefined && isListType(getNullableType(definition.type)),
      rowLists: below.rowLists,
      repeatedTexts: (isText && isInTree ? 1 : 0) + (isTree ? below.repeatedTexts : 0),
      below,
    };
  }

  const root = schema.getRootType(operation.operation);
  if (root === null || root === undefined) return null;
  const planned = planOf(root, [operation.selectionSet], false);
  if (fieldCount > MAX_FIELDS) return null;
  return { operation: planned, fragments, defaults: defaultsOf(operation), usesZones };
}

export function isEmpty({ fields, ofTypes }: PlannedSelection): boolean {
  return fields.length === 0 && ofTypes.length === 0;
}

/** Whether it can be long: those whose length nobody but the tenant says. */
function isTextual({ type }: GraphQLField<unknown, unknown>): boolean {
  const named = getNamedType(type);
  return named === GraphQLString || named.name === JsonObjectScalar.name;
}

/** Whether an object of the one type may be of the other. */
function mayBeOf(schema: GraphQLSchema, owner: GraphQLNamedType, condition: GraphQLNamedType): boolean {
  return isCompositeType(owner) && isCompositeType(condition) && doTypesOverlap(schema, owner, condition);
}

function priceOf(owner: GraphQLNamedType, name: string): PricedField | null {
  const own = FIELD_PRICES.get(`${owner.name}.${name}`);
  if (own !== undefined || !isObjectType(owner)) return own ?? null;
  for (const { name: interfaceName } of owner.getInterfaces()) {
    const price = FIELD_PRICES.get(`${interfaceName}.${name}`);
    if (price !== undefined) return price;
  }
  return null;
}

/** As values are in JSON: enums by name, times as texts. */
function readerOf(node: ValueNode): Reader {
  if (node.kind === Kind.VARIABLE) {
    const name = node.name.value;
    return (variables) => variables[name];
  }
  if (holdsVariable(node)) return (variables) => valueFromASTUntyped(node, variables);
  const value = valueFromASTUntyped(node);
  return () => value;
}

function holdsVariable(node: ValueNode): boolean {
  if (node.kind === Kind.VARIABLE) return true;
  if (node.kind === Kind.LIST) return node.values.some(holdsVariable);
  return node.kind === Kind.OBJECT && node.fields.some(({ value }) => holdsVariable(value));
}

/** Each is true where the selection stays. */
function conditionsOf(directives: readonly DirectiveNode[] | undefined): Reader[] {
  return (directives ?? []).flatMap(({ name: { value: name }, arguments: given }) => {
    const value = given?.find((argument) => argument.name.value === "if")?.value;
    if (value === undefined || (name !== "skip" && name !== "include")) return [];
    const read = readerOf(value);
    return [(variables: Variables) => read(variables) === (name === "include")];
  });
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Variables {
  const defaults: Record<string, unknown> = Object.create(null);
  for (const { variable, defaultValue } of variableDefinitions) {
    if (defaultValue !== undefined) defaults[variable.name.value] = valueFromASTUntyped(defaultValue);
  }
  return defaults;
}
