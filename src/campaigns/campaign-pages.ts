/**
 * Pages of a tenant's campaigns, by keyset in both directions.
 *
 * - The order is (value, id), and those without a value follow. The two parts are read as branches of their own and
 *   merged: "nulls last" is no order that an index has in both directions, a branch without nulls is.
 * - CREATED_AT, SENT_AT and NAME walk an index from where the page begins. KPIs have none, as every batch changes them:
 *   there the tenant's campaigns are put together with their totals once and the page is picked from them, so that a page
 *   costs what the tenant has campaigns, deep or not.
 * - Without filters a statement is prepared under the name of its shape: the field, the directions, whether archived ones
 *   are in, and in which part the cursors stand. With filters there are too many shapes to keep a plan of each, and the
 *   best plan depends on their values, so that it is made each time (0.5 ms).
 */
import { Parameters } from "../database/parameters.js";
import type { Session } from "../database/pool.js";
import type { Statement } from "../database/statement.js";
import type { TenantId } from "../ids.js";
import type { CursorBinding, Cursors } from "../pages/cursors.js";
import { type Page, pageOf, readBounds, rowsToFetch } from "../pages/page.js";
import { MAX_PAGE_SIZE, type PageRequest } from "../pages/page-arguments.js";
import { campaignConditions, type CampaignFilter, checkCampaignFilter, isUnfiltered } from "./campaign-filter.js";
import {
  type CampaignOrder,
  checkCampaignOrder,
  ORDER_SOURCES,
  type OrderValue,
  toSqlValue,
} from "./campaign-order.js";
import { CAMPAIGN_ROW_COLUMNS, type CampaignRow } from "./campaign-row.js";

interface ListedCampaign extends CampaignRow {
  readonly orderValue: OrderValue;
}

type CampaignPosition = readonly [value: OrderValue, id: string];

interface Bounds {
  readonly after: CampaignPosition | null;
  readonly before: CampaignPosition | null;
}

/** Throws BAD_INPUT for an order or a filter that is malformed, BAD_CURSOR for a cursor of another list. */
export async function readCampaignPage(
  session: Session<"metrics">,
  tenantId: TenantId,
  filter: CampaignFilter,
  givenOrder: CampaignOrder,
  page: PageRequest,
  cursors: Cursors,
): Promise<Page<CampaignRow>> {
  checkCampaignFilter(filter);
  const order = checkCampaignOrder(givenOrder);
  const binding = bindingOf(tenantId, filter, order);
  const bounds = readBounds<CampaignPosition>(cursors, binding, page);
  const statement = pageStatement(tenantId, filter, order, bounds, page);
  const rows = statement === null ? [] : await session.run(statement);
  // The row as it came, orderValue and all: a copy without it would cost more than it weighs.
  return pageOf(rows, page, binding, (node) => ({ position: [node.orderValue, node.id], node }));
}

/** How many campaigns pass the filter. Throws BAD_INPUT for a filter that is malformed. */
export async function countCampaigns(
  session: Session<"metrics">,
  tenantId: TenantId,
  filter: CampaignFilter,
): Promise<number> {
  checkCampaignFilter(filter);
  const parameters = new Parameters();
  const text = `select count(*) from campaigns as campaign where ${campaignConditions(parameters, tenantId, filter)}`;
  const statement: Statement<"metrics", { count: number }> = {
    database: "metrics",
    name: "campaigns.count",
    text,
    values: parameters.values,
    isPrepared: false,
  };
  const [row] = await session.run(statement);
  return row?.count ?? 0;
}

function bindingOf(tenantId: TenantId, filter: CampaignFilter, order: CampaignOrder): CursorBinding {
  const { search, tags, externalIds, createdAt, sentAt, includeArchived, visibleTags } = filter;
  const limit = visibleTags === null ? {} : { visibleTags };
  const bound = { search, tags, externalIds, createdAt, sentAt, includeArchived, ...limit };
  return { tenantId, list: "campaigns", filter: bound, order };
}

/** Null where no row can lie between the cursors. */
function pageStatement(
  tenantId: TenantId,
  filter: CampaignFilter,
  order: CampaignOrder,
  { after, before }: Bounds,
  page: PageRequest,
): Statement<"metrics", ListedCampaign> | null {
  const source = ORDER_SOURCES[order.field];
  const isForward = page.direction === "FORWARD";
  const direction = (order.direction === "ASC") === isForward ? "asc" : "desc";
  const parameters = new Parameters();
  const listed = listedCampaigns(parameters, tenantId, filter, order);
  const branches = [
    valueBranch(parameters, order, { after, before }, direction),
    ...(source.isNullable ? [nullBranch(parameters, order, { after, before }, direction)] : []),
  ].filter((branch) => branch !== null);
  if (branches.length === 0) return null;

  const parts = branches.length > 1 ? `page.is_null ${isForward ? "asc" : "desc"}, ` : "";
  const inOrder = `order by ${parts}page.value ${direction}, page.id ${direction}`;
  const tenant = parameters.add(tenantId);
  const text =
    `with listed as ${source.isIndexed ? "not materialized" : "materialized"} (${listed}) ` +
    `select ${CAMPAIGN_ROW_COLUMNS}, page.value as "orderValue" ` +
    `from (select * from (${branches.join(" union all ")}) as page ${inOrder} limit ${parameters.add(rowsToFetch(page))}) ` +
    `as page join campaigns as campaign on campaign.tenant_id = ${tenant} and campaign.id = page.id ${inOrder}`;
  const isPrepared = isUnfiltered(filter);
  const name = isPrepared ? shapeOf(filter, order, { after, before }, page) : "campaigns.filtered";
  return { database: "metrics", name, text, values: parameters.values, isPrepared };
}

function shapeOf(
  filter: CampaignFilter,
  { field, direction }: CampaignOrder,
  { after, before }: Bounds,
  page: PageRequest,
): string {
  const shape = [`campaigns.by_${field}`, direction, page.direction === "FORWARD" ? "first" : "last"];
  if (after !== null) shape.push(after[0] === null ? "after_null" : "after");
  if (before !== null) shape.push(before[0] === null ? "before_null" : "before");
  if (filter.includeArchived) shape.push("all");
  return shape.join(".").toLowerCase();
}

/** Every campaign that passes the filter, as id and value. */
function listedCampaigns(
  parameters: Parameters,
  tenantId: TenantId,
  filter: CampaignFilter,
  { field, currency }: CampaignOrder,
): string {
  const { value, joins } = ORDER_SOURCES[field];
  const conditions = campaignConditions(parameters, tenantId, filter);
  const join = {
    totals: () =>
      "left join campaign_totals as total on total.tenant_id = campaign.tenant_id and total.campaign_id = campaign.id",
    revenue: () =>
      "left join campaign_total_revenue as revenue on revenue.tenant_id = campaign.tenant_id " +
      `and revenue.campaign_id = campaign.id and revenue.currency = ${parameters.add(currency)}`,
  };
  return (
    `select campaign.id, ${value} as value from campaigns as campaign ${joins === null ? "" : join[joins]()} ` +
    `where ${conditions}`
  );
}

/** Where an index on (value, id) may serve: the order names no place for nulls, which are not among these rows. */
function valueBranch(
  parameters: Parameters,
  order: CampaignOrder,
  { after, before }: Bounds,
  direction: "asc" | "desc",
): string | null {
  const { field } = order;
  const { sqlType, isNullable } = ORDER_SOURCES[field];
  if (after !== null && after[0] === null) return null;
  const conditions = isNullable ? ["value is not null"] : ["true"];
  const compare = (position: CampaignPosition | null, operator: string) => {
    if (position === null || position[0] === null) return;
    const value = parameters.add(toSqlValue(field, position[0]));
    conditions.push(`(value, id) ${operator} (${value}::${sqlType}, ${parameters.add(position[1])}::uuid)`);
  };
  compare(after, order.direction === "ASC" ? ">" : "<");
  compare(before, order.direction === "ASC" ? "<" : ">");
  return branchOf("false", conditions, direction);
}

function nullBranch(
  parameters: Parameters,
  order: CampaignOrder,
  { after, before }: Bounds,
  direction: "asc" | "desc",
): string | null {
  if (before !== null && before[0] !== null) return null;
  const conditions = ["value is null"];
  const compare = (position: CampaignPosition | null, operator: string) => {
    if (position === null || position[0] !== null) return;
    conditions.push(`id ${operator} ${parameters.add(position[1])}`);
  };
  compare(after, order.direction === "ASC" ? ">" : "<");
  compare(before, order.direction === "ASC" ? "<" : ">");
  return branchOf("true", conditions, direction);
}

/** The limit is a number for the planner's sake: of a parameter it believes a tenth of the table. */
function branchOf(isNull: "true" | "false", conditions: readonly string[], direction: "asc" | "desc"): string {
  return (
    `(select id, value, ${isNull} as is_null from listed where ${conditions.join(" and ")} ` +
    `order by value ${direction}, id ${direction} limit ${MAX_PAGE_SIZE + 1})`
  );
}
