import {
  type ASTVisitor,
  type FieldNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
} from "graphql";

export interface RepetitionLimits {
  /** Fields under another name, and fields that stand again in one selection. */
  readonly maxAliases: number;
  readonly maxDirectives: number;
}

interface Repetitions {
  readonly aliases: number;
  readonly directives: number;
}

/** Of the schema about itself, which nobody pays for: it is half a megabyte, and each alias asks for a part of it once more. */
const INTROSPECTION: ReadonlySet<string> = new Set(["__schema", "__type"]);
const ALIASES_OF_INTROSPECTION = 25;
const ALIASES_OF_INTROSPECTED_LEAF = 5;

const NONE: Repetitions = { aliases: 0, directives: 0 };

/**
 * Refuses operations that ask for the same many times over, each with other arguments. What a fragment holds counts each time
 * it is spread: twenty fragments that spread the next one ten times are short as a text, and 10^20 fields as an answer.
 */
export function repetitionLimit({ maxAliases, maxDirectives }: RepetitionLimits) {
  return (context: ValidationContext): ASTVisitor => ({
    OperationDefinition(operation) {
      const found = repetitionsIn(context, operation.selectionSet, new Map(), false);
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

/**
 * `known`: of fragments, each counted once; one that is being counted has none, circles being another rule's. `isIntrospected`: of
 * the schema itself, as is what any of its fragments is spread in.
 */
function repetitionsIn(
  context: ValidationContext,
  { selections }: SelectionSetNode,
  known: Map<string, Repetitions>,
  isIntrospected: boolean,
): Repetitions {
  let { aliases, directives } = NONE;
  const names = new Set<string>();
  for (const selection of selections) {
    directives += selection.directives?.length ?? 0;
    let isWithin = isIntrospected;
    if (selection.kind === Kind.FIELD) {
      const name = selection.alias?.value ?? selection.name.value;
      isWithin ||= INTROSPECTION.has(selection.name.value);
      if (selection.alias !== undefined) aliases += isWithin ? weightOfIntrospected(selection) : 1;
      else if (names.has(name)) aliases += 1;
      names.add(name);
    }
    const inner =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? repetitionsOfFragment(context, selection.name.value, known, isWithin)
        : selection.selectionSet === undefined
          ? NONE
          : repetitionsIn(context, selection.selectionSet, known, isWithin);
    aliases += inner.aliases;
    directives += inner.directives;
  }
  return { aliases, directives };
}

function weightOfIntrospected({ selectionSet }: FieldNode): number {
  return selectionSet === undefined ? ALIASES_OF_INTROSPECTED_LEAF : ALIASES_OF_INTROSPECTION;
}

function repetitionsOfFragment(
  context: ValidationContext,
  name: string,
  known: Map<string, Repetitions>,
  isIntrospected: boolean,
): Repetitions {
  const counted = known.get(name);
  if (counted !== undefined) return counted;
  known.set(name, NONE);
  const fragment = context.getFragment(name);
  const found = fragment ? repetitionsIn(context, fragment.selectionSet, known, isIntrospected) : NONE;
  known.set(name, found);
  return found;
}
