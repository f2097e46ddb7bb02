import { createSecretKey } from "node:crypto";
import { expect } from "vitest";
import { Cursors } from "../../src/pages/cursors.js";
import type { Page } from "../../src/pages/page.js";
import { type PageArguments, type PageRequest, readPageArguments } from "../../src/pages/page-arguments.js";

export const testCursors = new Cursors(createSecretKey(Buffer.alloc(32, "cursors of tests")));

/** The cursor of the edge at a place of a page, counted from its end where it is negative; undefined where there is none. */
export function cursorAt<Row>(
  { binding, edges }: Pick<Page<Row>, "binding" | "edges">,
  place: number,
): string | undefined {
  const edge = edges.at(place);
  return edge === undefined ? undefined : testCursors.encode(binding, edge.position);
}

type ReadPage<Row> = (page: PageRequest) => Promise<Page<Row>>;

/** All rows, page by page from one end, in the order of the list. The flags of every page are checked on the way. */
export async function walk<Row>(
  read: ReadPage<Row>,
  size: number,
  direction: "forward" | "backward" = "forward",
  betweenPages: (pages: number) => Promise<unknown> | void = () => undefined,
): Promise<Row[]> {
  let rows: Row[] = [];
  let cursor: string | undefined;
  for (let pages = 1; ; pages++) {
    const given: PageArguments =
      direction === "forward" ? { first: size, after: cursor } : { last: size, before: cursor };
    const page = await read(readPageArguments(given));
    const nodes = page.edges.map((edge) => edge.node);
    const isFirst = cursor === undefined;
    rows = direction === "forward" ? [...rows, ...nodes] : [...nodes, ...rows];
    cursor = cursorAt(page, direction === "forward" ? -1 : 0) ?? cursor;
    const [hasMore, hasPassed] =
      direction === "forward" ? [page.hasNextPage, page.hasPreviousPage] : [page.hasPreviousPage, page.hasNextPage];
    expect(hasPassed).toBe(!isFirst);
    expect(page.edges.length).toBeLessThanOrEqual(size);
    if (!hasMore) return rows;
    expect(page.edges).toHaveLength(size);
    await betweenPages(pages);
  }
}
