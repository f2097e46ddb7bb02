import type { CampaignId, LinkKey } from "../ids.js";
import type { Difference } from "./difference.js";

export const LINK_MEASURES = ["clicked", "clicked_human", "unique_clicked", "unique_clicked_human"] as const;
type LinkMeasure = (typeof LINK_MEASURES)[number];

export interface LinkPlace {
  readonly campaign_id: CampaignId;
  readonly link_key: LinkKey;
  readonly url: string;
}
export type LinkSumRow = LinkPlace & Readonly<Record<LinkMeasure, number>>;

/** The counts of links, summed by campaign and link. A link that was never added to is all zeros. */
export class LinkSums {
  readonly #sums = new Map<string, LinkSumRow>();

  add(rows: Iterable<LinkSumRow>): void {
    for (const row of rows) {
      const key = keyOf(row);
      const known = this.#sums.get(key);
      if (known === undefined) {
        this.#sums.set(key, row);
        continue;
      }
      const sum = { ...known };
      for (const measure of LINK_MEASURES) sum[measure] += row[measure];
      this.#sums.set(key, sum);
    }
  }

  find(place: LinkPlace): LinkSumRow | undefined {
    return this.#sums.get(keyOf(place));
  }

  [Symbol.iterator](): Iterator<LinkSumRow> {
    return this.#sums.values();
  }
}

function keyOf({ campaign_id, link_key }: LinkPlace): string {
  return `${campaign_id} ${link_key}`;
}

/** Where the counts of links differ, and where a link is known by another URL. */
export function* linkDifferencesOf(expected: LinkSums, found: LinkSums): Generator<Difference> {
  for (const link of expected) yield* differencesAt(link, link, found.find(link));
  for (const link of found) if (expected.find(link) === undefined) yield* differencesAt(link, undefined, link);
}

function* differencesAt(
  place: LinkPlace,
  expected: LinkSumRow | undefined,
  found: LinkSumRow | undefined,
): Generator<Difference> {
  const at = { table: "campaign_links", campaignId: place.campaign_id, basis: null, bucket: place.url };
  for (const measure of LINK_MEASURES) {
    const [right, wrong] = [expected?.[measure] ?? 0, found?.[measure] ?? 0];
    if (right !== wrong) yield { ...at, measure, expected: String(right), found: String(wrong) };
  }
  if (expected !== undefined && found !== undefined && expected.url !== found.url) {
    yield { ...at, measure: "url", expected: expected.url, found: found.url };
  }
}
