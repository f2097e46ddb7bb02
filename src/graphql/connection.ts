import type { Page } from "../pages/page.js";
import type { ConnectionOf } from "./types/connection-type.js";

/** A page of rows as a Relay connection of nodes. */
export function connectionOf<Row, Node>(page: Page<Row>, nodeOf: (row: Row) => Node): ConnectionOf<Node> {
  const edges = page.edges.map(({ cursor, node }) => ({ cursor, node: nodeOf(node) }));
  return {
    edges,
    nodes: edges.map((edge) => edge.node),
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}
