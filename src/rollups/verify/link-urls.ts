import type { CampaignId, LinkKey } from "../../ids.js";
import { type Difference, NONE } from "./difference.js";

interface Link {
  readonly campaignId: CampaignId;
  readonly linkKey: LinkKey;
}

/** What links are: the URL by campaign and key. */
export class LinkUrls {
  readonly #urls = new Map<string, Link & { readonly url: string }>();

  /** The first URL of a link stays. */
  add({ campaignId, linkKey }: Link, url: string): void {
    const id = idOf({ campaignId, linkKey });
    if (!this.#urls.has(id)) this.#urls.set(id, { campaignId, linkKey, url });
  }

  find(link: Link): string | undefined {
    return this.#urls.get(idOf(link))?.url;
  }

  [Symbol.iterator](): Iterator<Link & { readonly url: string }> {
    return this.#urls.values();
  }
}

/** Where a link is not known by the URL that was clicked. */
export function* urlDifferencesOf(expected: LinkUrls, found: LinkUrls): Generator<Difference> {
  for (const { campaignId, linkKey, url } of expected) {
    const known = found.find({ campaignId, linkKey }) ?? NONE;
    if (known === url) continue;
    const at = { table: "campaign_links", campaignId, linkKey, url, basis: null, bucket: null } as const;
    yield { ...at, measure: "url", expected: url, found: known };
  }
}

function idOf({ campaignId, linkKey }: Link): string {
  return `${campaignId} ${linkKey}`;
}
