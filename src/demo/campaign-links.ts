/** The pages that the mailings lead to, by what a mailing is for, and how strongly each draws. */
export type Purpose = "newsletter" | "appeal" | "event" | "stewardship";

export interface WeightedLink {
  readonly path: string;
  readonly weight: number;
  /** What a visitor may do there that brings money. */
  readonly converts?: "donation" | "ticket";
}

export const linksByPurpose: Record<Purpose, readonly [WeightedLink, ...WeightedLink[]]> = {
  newsletter: [
    { path: "/stories/otters-return", weight: 30 },
    { path: "/stories/volunteer-of-the-month", weight: 16 },
    { path: "/reports/water-quality", weight: 14 },
    { path: "/events", weight: 12 },
    { path: "/donate", weight: 10, converts: "donation" },
    { path: "/stories/seagrass-nursery", weight: 9 },
    { path: "/shop", weight: 5 },
    { path: "/view-in-browser", weight: 4 },
  ],
  appeal: [
    { path: "/donate", weight: 62, converts: "donation" },
    { path: "/donate/monthly", weight: 14, converts: "donation" },
    { path: "/appeal/why-now", weight: 20 },
    { path: "/contact", weight: 4 },
  ],
  event: [
    { path: "/events/register", weight: 55, converts: "ticket" },
    { path: "/events/programme", weight: 22 },
    { path: "/events/getting-there", weight: 11 },
    { path: "/events/add-to-calendar", weight: 8 },
    { path: "/donate", weight: 4, converts: "donation" },
  ],
  stewardship: [
    { path: "/your-impact", weight: 48 },
    { path: "/stories/first-season", weight: 26 },
    { path: "/account/preferences", weight: 16 },
    { path: "/donate/monthly", weight: 10, converts: "donation" },
  ],
};

export const freeEventLinks: readonly [WeightedLink, ...WeightedLink[]] = [
  { path: "/events/register", weight: 60 },
  { path: "/events/what-to-bring", weight: 25 },
  { path: "/donate", weight: 15, converts: "donation" },
];
