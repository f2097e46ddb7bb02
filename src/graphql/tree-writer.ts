/** Makes the function that writes out a plain tree (plain-trees.ts) as it was selected. */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from "graphql";

type Fragments = Readonly<Record<string, FragmentDefinitionNode | undefined>>;

/** From what a resolver handed over to what is answered. Throws where a field that must not be null is. */
export type TreeWriter = (value: unknown) => unknown;

/**
 * As code, since each object then has one shape from the beginning, which is what makes both writing and printing it fast.
 * The selection is valid, and nothing of it is under a condition. `field`: as an error names it.
 */
export function treeWriter(
  type: GraphQLOutputType,
  nodes: readonly FieldNode[],
  fragments: Fragments,
  field: string,
): TreeWriter {
  const code = new TreeCode(fragments);
  const written = code.write(type, "value", nodes, field);
  const body = `return (value) => { ${code.statements.join("\n")} return ${written}; };`;
  // oxlint-disable-next-line no-new-func -- Nothing of it is a client's but names, which are quoted.
  return new Function("leaves", "missing", body)(code.leaves, missing) as TreeWriter;
}

function missing(field: string): never {
  throw new Error(`Cannot return null for non-nullable field ${field}.`);
}

class TreeCode {
  readonly #fragments: Fragments;
  readonly leaves: GraphQLLeafType[] = [];
  statements: string[] = [];
  #variables = 0;

  constructor(fragments: Fragments) {
    this.#fragments = fragments;
  }

  /** Adds statements, and returns the expression of what they write. `field`: as an error names it. */
  write(type: GraphQLOutputType, value: string, nodes: readonly FieldNode[], field: string): string {
    if (!isNonNullType(type)) return this.#whereThere(type, value, nodes, field);
    this.statements.push(`if (${value} == null) missing(${JSON.stringify(field)});`);
    return this.#writeThere(type.ofType, value, nodes, field);
  }

  #whereThere(type: GraphQLOutputType, value: string, nodes: readonly FieldNode[], field: string): string {
    const result = this.#variable();
    const around = this.statements;
    this.statements = [];
    const written = this.#writeThere(type, value, nodes, field);
    around.push(
      `let ${result} = null; if (${value} != null) { ${this.statements.join("\n")} ${result} = ${written}; }`,
    );
    this.statements = around;
    return result;
  }

  #writeThere(type: GraphQLOutputType, value: string, nodes: readonly FieldNode[], field: string): string {
    if (isLeafType(type)) return this.#leaf(type, value);
    if (isListType(type)) return this.#list(type.ofType, value, nodes, field);
    if (isObjectType(type)) return this.#object(type, value, nodes);
    throw new TypeError(`${String(type)} is not part of a plain tree`);
  }

  #leaf(type: GraphQLLeafType, value: string): string {
    const known = this.leaves.indexOf(type);
    return `leaves[${known === -1 ? this.leaves.push(type) - 1 : known}].serialize(${value})`;
  }

  #list(type: GraphQLOutputType, values: string, nodes: readonly FieldNode[], field: string): string {
    const [result, item] = [this.#variable(), this.#variable()];
    const around = this.statements;
    this.statements = [];
    const written = this.write(type, item, nodes, field);
    const loop = `for (const ${item} of ${values}) { ${this.statements.join("\n")} ${result}.push(${written}); }`;
    around.push(`const ${result} = []; ${loop}`);
    this.statements = around;
    return result;
  }

  #object(type: GraphQLObjectType, value: string, nodes: readonly FieldNode[]): string {
    const members: string[] = [];
    for (const [name, selected] of this.#selectedOf(nodes)) {
      const fieldName = selected[0]?.name.value ?? name;
      // In brackets, as "__proto__" is a name like others.
      const key = name === "__proto__" ? '["__proto__"]' : JSON.stringify(name);
      if (fieldName === "__typename") {
        members.push(`${key}: ${JSON.stringify(type.name)}`);
        continue;
      }
      const field = type.getFields()[fieldName];
      if (field === undefined) throw new TypeError(`${type.name} has no field ${fieldName}`);
      const member = this.#variable();
      this.statements.push(`const ${member} = ${value}.${fieldName};`);
      members.push(`${key}: ${this.write(field.type, member, selected, `${type.name}.${fieldName}`)}`);
    }
    return `{ ${members.join(", ")} }`;
  }

  #variable(): string {
    return `v${this.#variables++}`;
  }

  /** By the name in the answer, in its order: the selection's, fragments at their first place. */
  #selectedOf(nodes: readonly FieldNode[]): Map<string, FieldNode[]> {
    const selected = new Map<string, FieldNode[]>();
    const visited = new Set<string>();
    const collect = ({ selections }: SelectionSetNode): void => {
      for (const selection of selections) {
        if (selection.kind === Kind.FIELD) {
          const name = (selection.alias ?? selection.name).value;
          const known = selected.get(name);
          if (known === undefined) selected.set(name, [selection]);
          else known.push(selection);
        } else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
        else {
          const fragment = this.#fragments[selection.name.value];
          if (fragment === undefined || visited.has(selection.name.value)) continue;
          visited.add(selection.name.value);
          collect(fragment.selectionSet);
        }
      }
    };
    for (const { selectionSet } of nodes) if (selectionSet !== undefined) collect(selectionSet);
    return selected;
  }
}
