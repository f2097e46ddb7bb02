import type { CursorBinding, CursorPosition, Cursors } from "../pages/cursors.js";
import type { Page } from "../pages/page.js";
import type { ConnectionOf, EdgeOf } from "./types/connection-type.js";

/** An edge whose cursor is signed when it is read, which most clients never do. */
class SignedEdge<Node> implements EdgeOf<Node> {
  readonly node: Node;
  readonly #cursors: Cursors;
  readonly #binding: CursorBinding;
  readonly #position: CursorPosition;

  constructor(node: Node, cursors: Cursors, binding: CursorBinding, position: CursorPosition) {
    this.node = node;
    this.#cursors = cursors;
    this.#binding = binding;
    this.#position = position;
  }

  get cursor(): string {
    return this.#cursors.encode(this.#binding, this.#position);
  }
}

/** A page of rows as a Relay connection of nodes. */
export function connectionOf<Row, Node>(
  page: Page<Row>,
  nodeOf: (row: Row) => Node,
  cursors: Cursors,
): ConnectionOf<Node> {
  const edges = page.edges.map(({ position, node }) => new SignedEdge(nodeOf(node), cursors, page.binding, position));
  return {
    edges,
    nodes: edges.map((edge) => edge.node),
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      get startCursor() {
        return edges[0]?.cursor ?? null;
      },
      get endCursor() {
        return edges.at(-1)?.cursor ?? null;
      },
    },
  };
}
