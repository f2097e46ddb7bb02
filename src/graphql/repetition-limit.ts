import { type ASTVisitor, GraphQLError, Kind, type SelectionSetNode, type ValidationContext } from "graphql";

export interface RepetitionLimits {
  /** Fields under another name, and fields that stand again in one selection. */
  readonly maxAliases: number;
  readonly maxDirectives: number;
}

interface Repetitions {
  readonly aliases: number;
  readonly directives: number;
}

/** The schema about itself is half a megabyte, of which each alias asks for another copy. */
const INTROSPECTION: ReadonlySet<string> = new Set(["__schema", "__type"]);
const ALIASES_OF_INTROSPECTION = 25;

const NONE: Repetitions = { aliases: 0, directives: 0 };

/**
 * Refuses operations that ask for the same many times over, each with other arguments. What a fragment holds counts each time
 * it is spread: twenty fragments that spread the next one ten times are short as a text, and 10^20 fields as an answer.
 */
export function repetitionLimit({ maxAliases, maxDirectives }: RepetitionLimits) {
  return (context: ValidationContext): ASTVisitor => ({
    OperationDefinition(operation) {
      const found = repetitionsIn(context, operation.selectionSet, new Map());
      const directives = found.directives + (operation.directives?.length ?? 0);
      if (found.aliases > maxAliases) {
        const message = `The query has more than ${maxAliases} aliased or repeated fields.`;
        context.reportError(new GraphQLError(message, { nodes: [operation] }));
      }
      if (directives > maxDirectives) {
        const message = `The query has more than ${maxDirectives} directives.`;
        context.reportError(new GraphQLError(message, { nodes: [operation] }));
      }
    },
  });
}

/** `known`: of fragments, each counted once; one that is being counted has none, circles being another rule's. */
function repetitionsIn(
  context: ValidationContext,
  { selections }: SelectionSetNode,
  known: Map<string, Repetitions>,
): Repetitions {
  let { aliases, directives } = NONE;
  const names = new Set<string>();
  for (const selection of selections) {
    directives += selection.directives?.length ?? 0;
    if (selection.kind === Kind.FIELD) {
      const name = selection.alias?.value ?? selection.name.value;
      if (selection.alias !== undefined && INTROSPECTION.has(selection.name.value)) aliases += ALIASES_OF_INTROSPECTION;
      else if (selection.alias !== undefined || names.has(name)) aliases += 1;
      names.add(name);
    }
    const inner =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? repetitionsOfFragment(context, selection.name.value, known)
        : selection.selectionSet === undefined
          ? NONE
          : repetitionsIn(context, selection.selectionSet, known);
    aliases += inner.aliases;
    directives += inner.directives;
  }
  return { aliases, directives };
}

function repetitionsOfFragment(context: ValidationContext, name: string, known: Map<string, Repetitions>): Repetitions {
  const counted = known.get(name);
  if (counted !== undefined) return counted;
  known.set(name, NONE);
  const fragment = context.getFragment(name);
  const found = fragment ? repetitionsIn(context, fragment.selectionSet, known) : NONE;
  known.set(name, found);
  return found;
}
