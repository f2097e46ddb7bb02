import { type ASTVisitor, GraphQLError, Kind, type SelectionSetNode, type ValidationContext } from "graphql";

/** Refuses operations whose fields nest deeper than the limit. Introspection nests deeply by nature and costs nothing. */
export function depthLimit(maxDepth: number) {
  return (context: ValidationContext): ASTVisitor => ({
    OperationDefinition(operation) {
      const depth = depthOf(context, operation.selectionSet, new Map());
      if (depth <= maxDepth) return;
      const message = `The query nests ${depth} fields deep; at most ${maxDepth} may.`;
      context.reportError(new GraphQLError(message, { nodes: [operation] }));
    },
  });
}

/** `known`: the depths of fragments, each measured once; one that is being measured counts as 0, circles being another rule's. */
function depthOf(context: ValidationContext, { selections }: SelectionSetNode, known: Map<string, number>): number {
  let deepest = 0;
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      const isLeaf = selection.selectionSet === undefined || selection.name.value.startsWith("__");
      deepest = Math.max(deepest, isLeaf ? 1 : 1 + depthOf(context, selection.selectionSet, known));
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      deepest = Math.max(deepest, depthOf(context, selection.selectionSet, known));
    } else deepest = Math.max(deepest, depthOfFragment(context, selection.name.value, known));
  }
  return deepest;
}

function depthOfFragment(context: ValidationContext, name: string, known: Map<string, number>): number {
  const measured = known.get(name);
  if (measured !== undefined) return measured;
  known.set(name, 0);
  const fragment = context.getFragment(name);
  const depth = fragment ? depthOf(context, fragment.selectionSet, known) : 0;
  known.set(name, depth);
  return depth;
}
