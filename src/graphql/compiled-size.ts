import {
  type DocumentNode,
  type FragmentDefinitionNode,
  getNamedType,
  type GraphQLNamedType,
  type GraphQLSchema,
  isAbstractType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";

/**
 * How many fields an operation has once compiled, where each selection on an interface or union is written out for each of its
 * types, and each spread of a fragment at its place. Stops counting past the limit.
 */
export function compiledSize(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  limit: number,
): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  let size = 0;

  function count(type: GraphQLNamedType | undefined, { selections }: SelectionSetNode): void {
    if (type === undefined || size > limit) return;
    if (isAbstractType(type)) {
      // A condition on a type leaves out the others, of which nothing is known here: counted too high rather than too low.
      for (const possible of schema.getPossibleTypes(type)) count(possible, { kind: Kind.SELECTION_SET, selections });
      return;
    }
    for (const selection of selections) {
      if (size > limit) return;
      if (selection.kind === Kind.FIELD) {
        size += 1;
        const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[selection.name.value] : undefined;
        if (field !== undefined && selection.selectionSet !== undefined) {
          count(getNamedType(field.type), selection.selectionSet);
        }
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        count(type, selection.selectionSet);
      } else {
        const fragment = fragments.get(selection.name.value);
        if (fragment !== undefined) count(type, fragment.selectionSet);
      }
    }
  }

  count(schema.getRootType(operation.operation) ?? undefined, operation.selectionSet);
  return size;
}
