import { type FieldNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from "graphql";
import { measuresOf, type MetricsPath, type View } from "../metrics/kpi.js";
import type { MeasureSet } from "../metrics/measure-set.js";

type Fragments = GraphQLResolveInfo["fragments"];
type Asking = Pick<GraphQLResolveInfo, "fieldNodes" | "fragments">;

/** Fields of a document are the same objects each time it comes, as Apollo keeps what it has parsed. */
const known = new WeakMap<FieldNode, Known[]>();

/** Found by comparing: a page asks for it twice for each of its campaigns. */
interface Known extends View {
  readonly within: readonly string[];
  readonly set: MeasureSet;
}

/**
 * The measures that a field's selection takes. `within`: the fields on the way to Metrics, none for a field that is Metrics
 * itself. What a directive may leave out counts as asked for.
 */
export function askedMeasures(info: Asking, within: readonly string[], view: View): MeasureSet {
  const [node] = info.fieldNodes;
  // A field that stands in several places is rare, and is worked out each time.
  if (node === undefined || info.fieldNodes.length > 1) return workOut(info, within, view);
  let sets = known.get(node);
  if (sets === undefined) known.set(node, (sets = []));
  for (const one of sets) {
    if (one.traffic === view.traffic && one.rates === view.rates && areEqual(one.within, within)) return one.set;
  }
  const set = workOut(info, within, view);
  sets.push({ ...view, within, set });
  return set;
}

function areEqual(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, index) => name === others[index]);
}

function workOut({ fieldNodes, fragments }: Asking, within: readonly string[], view: View): MeasureSet {
  let nodes: readonly FieldNode[] = fieldNodes;
  for (const name of within) nodes = fieldsIn(nodes, fragments).filter((field) => field.name.value === name);
  const paths = fieldsIn(nodes, fragments).flatMap((field): MetricsPath[] => {
    const member = field.name.value;
    const numbers = fieldsIn([field], fragments).map((number): MetricsPath => [member, number.name.value]);
    return numbers.length === 0 ? [[member, null]] : numbers;
  });
  return measuresOf(paths, view);
}

/** The fields selected under some fields, those in fragments too. */
function fieldsIn(nodes: readonly FieldNode[], fragments: Fragments): FieldNode[] {
  const found: FieldNode[] = [];
  // Once each: what is spread twice at every level would be walked through as often as there are ways to it.
  const visited = new Set<string>();
  const collect = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) found.push(selection);
      else if (selection.kind === Kind.INLINE_FRAGMENT) collect(selection.selectionSet);
      else {
        const { value: name } = selection.name;
        const fragment = fragments[name];
        if (fragment === undefined || visited.has(name)) continue;
        visited.add(name);
        collect(fragment.selectionSet);
      }
    }
  };
  for (const node of nodes) if (node.selectionSet !== undefined) collect(node.selectionSet);
  return found;
}
