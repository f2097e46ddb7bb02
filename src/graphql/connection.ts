import type { CursorBinding, CursorPosition, Cursors } from "../pages/cursors.js";
import type { Page } from "../pages/page.js";
import type { ConnectionOf, EdgeOf, PageInfoType } from "./types/connection-type.js";

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

/** As a class: the getters of an object of its own would be functions of its own, which live until all is collected (docs/decisions/0051). */
class EdgesInfo<Node> implements PageInfoType {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly #edges: readonly EdgeOf<Node>[];

  constructor({ hasNextPage, hasPreviousPage }: Page<unknown>, edges: readonly EdgeOf<Node>[]) {
    this.hasNextPage = hasNextPage;
    this.hasPreviousPage = hasPreviousPage;
    this.#edges = edges;
  }

  get startCursor(): string | null {
    return this.#edges[0]?.cursor ?? null;
  }

  get endCursor(): string | null {
    return this.#edges.at(-1)?.cursor ?? null;
  }
}

/** A page of rows as a Relay connection of nodes. */
export function connectionOf<Row, Node>(
  page: Page<Row>,
  nodeOf: (row: Row) => Node,
  cursors: Cursors,
): ConnectionOf<Node> {
  const edges = page.edges.map(({ position, node }) => new SignedEdge(nodeOf(node), cursors, page.binding, position));
  return { edges, nodes: edges.map((edge) => edge.node), pageInfo: new EdgesInfo(page, edges) };
}
