/**
 * The templates laid out before `now`. Dates hang on the day of `now` (UTC), so the history of one day is the same at each
 * of its hours; only how far it has come differs.
 */
import { linksByPurpose, type WeightedLink } from "./campaign-links.js";
import { campaignTemplates, type CampaignTemplate } from "./campaign-templates.js";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SITE = "https://tideline.example";

export interface PlannedLink extends WeightedLink {
  readonly url: string;
}

export interface CampaignPlan extends Omit<
  CampaignTemplate,
  "slug" | "name" | "subject" | "tags" | "links" | "hourUtc" | "weekday"
> {
  readonly externalId: string;
  readonly name: string;
  readonly subject: string;
  readonly tags: readonly string[];
  readonly sentAtMs: number;
  readonly links: readonly [PlannedLink, ...PlannedLink[]];
}

/** Today's mailing goes out at seven; before ten it would have little to show, so it went three hours ago. */
function sendingTime(template: CampaignTemplate, nowMs: number): number {
  const midnightMs = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const plannedMs = midnightMs - template.daysAgo * DAY_MS + template.hourUtc * HOUR_MS;
  if (template.daysAgo === 0) return Math.min(plannedMs, nowMs - 3 * HOUR_MS);
  if (template.weekday === undefined) return plannedMs;
  return plannedMs - ((new Date(plannedMs).getUTCDay() - template.weekday + 7) % 7) * DAY_MS;
}

function planCampaign(template: CampaignTemplate, sentAtMs: number): CampaignPlan {
  const sentAt = new Date(sentAtMs);
  const externalId = `${template.slug}-${sentAt.toISOString().slice(0, 10)}`;
  const tracked = (link: WeightedLink): PlannedLink => {
    const campaign = `utm_source=mailing&utm_medium=email&utm_campaign=${externalId}`;
    const content = link.path.slice(1).replaceAll("/", "-");
    return { ...link, url: `${SITE}${link.path}?${campaign}&utm_content=${content}` };
  };
  const [firstLink, ...otherLinks] = template.links ?? linksByPurpose[template.purpose];
  return {
    ...template,
    externalId,
    name: template.name(sentAt),
    subject: template.subject(sentAt),
    tags: [template.purpose, ...(template.tags ?? [])],
    links: [tracked(firstLink), ...otherLinks.map(tracked)],
    sentAtMs,
  };
}

/** Every campaign up to `nowMs`, oldest first. */
export function planCampaigns(nowMs: number): CampaignPlan[] {
  return campaignTemplates
    .map((template) => planCampaign(template, sendingTime(template, nowMs)))
    .toSorted((one, other) => one.sentAtMs - other.sentAtMs);
}
