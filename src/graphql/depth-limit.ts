import {
  type ASTVisitor,
  type FieldNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
} from "graphql";

export interface DepthLimits {
  readonly maxDepth: number;
  /** Pages in pages. */
  readonly maxNestedPages: number;
}

/** The rows of a connection, whatever the connection is called. */
const ROWS: ReadonlySet<string> = new Set(["nodes", "edges"]);

/**
 * Refuses operations whose fields nest deeper than the limit, or whose pages do: the events of the campaigns of events are
 * 100 × 100 × 100 rows though the text is short. Introspection nests deeply by nature and costs nothing.
 */
export function depthLimit({ maxDepth, maxNestedPages }: DepthLimits) {
  return (context: ValidationContext): ASTVisitor => ({
    OperationDefinition(operation) {
      const report = (message: string): void => context.reportError(new GraphQLError(message, { nodes: [operation] }));
      const depth = depthOf(context, operation.selectionSet, new Map(), () => 1);
      if (depth > maxDepth) report(`The query nests ${depth} fields deep; at most ${maxDepth} may.`);
      const pages = depthOf(context, operation.selectionSet, new Map(), ({ name }) => (ROWS.has(name.value) ? 1 : 0));
      if (pages > maxNestedPages) report(`The query nests ${pages} pages deep; at most ${maxNestedPages} may.`);
    },
  });
}

type Weigh = (field: FieldNode) => number;

/** `known`: the depths of fragments, each measured once; one that is being measured counts as 0, circles being another rule's. */
function depthOf(
  context: ValidationContext,
  { selections }: SelectionSetNode,
  known: Map<string, number>,
  weigh: Weigh,
): number {
  let deepest = 0;
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      const isLeaf = selection.selectionSet === undefined || selection.name.value.startsWith("__");
      const below = isLeaf ? 0 : depthOf(context, selection.selectionSet, known, weigh);
      deepest = Math.max(deepest, weigh(selection) + below);
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      deepest = Math.max(deepest, depthOf(context, selection.selectionSet, known, weigh));
    } else deepest = Math.max(deepest, depthOfFragment(context, selection.name.value, known, weigh));
  }
  return deepest;
}

function depthOfFragment(context: ValidationContext, name: string, known: Map<string, number>, weigh: Weigh): number {
  const measured = known.get(name);
  if (measured !== undefined) return measured;
  known.set(name, 0);
  const fragment = context.getFragment(name);
  const depth = fragment ? depthOf(context, fragment.selectionSet, known, weigh) : 0;
  known.set(name, depth);
  return depth;
}
