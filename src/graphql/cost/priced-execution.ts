/** Executes operations that have been paid for. Nothing of an operation that is refused, or only priced, runs. */
import { type ExecutionResult, GraphQLError, type GraphQLSchema, type OperationDefinitionNode } from "graphql";
import type { RequestContext, TenantContext } from "../context.js";
import type { Execute, Execution } from "../executor.js";
import type { PricingScene } from "./field-prices.js";
import { OperationPrice } from "./price.js";
import { planPrice, type PricePlan } from "./price-plan.js";

export interface PricedExecution extends Execution {
  /** As they came with the call: `{"cost": {"dryRun": true}}` asks for the price alone. */
  readonly extensions: unknown;
}

export type ExecutePriced = (execution: PricedExecution) => Promise<ExecutionResult>;

export function createPricedExecution(schema: GraphQLSchema, execute: Execute): ExecutePriced {
  /** Operations are the same objects each time a document comes: Apollo keeps what it has parsed. */
  const plans = new WeakMap<OperationDefinitionNode, PricePlan | null>();

  function planOf({ document, operation }: Execution): PricePlan | null {
    if (operation === null) return null;
    let plan = plans.get(operation);
    if (plan === undefined) plans.set(operation, (plan = planPrice(schema, document, operation)));
    return plan;
  }

  return async (execution) => {
    const { tenant } = execution.contextValue as RequestContext;
    // Without a key there is nobody to pay, and nothing to be had but the schema.
    if (tenant === null || execution.operation === null) return execute(execution);
    const plan = planOf(execution);
    const scene = plan === null ? null : await sceneOf(tenant, plan, execution.variables);
    const isDryRun = asksForPriceAlone(execution.extensions);
    const prices = plan === null || scene === null ? null : new OperationPrice(plan, scene);
    const price = prices === null ? Number.MAX_SAFE_INTEGER : prices.requested();
    const refusal = await tenant.cost.reserve(price, { isDryRun });
    if (refusal !== null) return { errors: [new GraphQLError(refusal.message, { originalError: refusal })] };
    if (isDryRun) {
      tenant.answerLife.endsAtOnce();
      return { data: null };
    }
    const result = await execute(execution);
    // What fails takes along what was read beside it: of what ran, the answer then tells nothing.
    if (prices !== null && result.errors === undefined) {
      tenant.cost.settle(Math.min(price, prices.actual(result.data)));
    }
    return result;
  };
}

async function sceneOf(
  tenant: TenantContext,
  plan: PricePlan,
  variables: Execution["variables"],
): Promise<PricingScene> {
  // Where the database does not tell, nothing will be read either.
  const zones = plan.usesZones ? await tenant.state().catch(() => null) : null;
  const isLimited = tenant.principal.campaignTags !== null;
  const { services, now } = tenant;
  return { variables, zones, isLimited, maxSeriesPoints: services.maxSeriesPoints, now };
}

function asksForPriceAlone(extensions: unknown): boolean {
  if (typeof extensions !== "object" || extensions === null || !("cost" in extensions)) return false;
  const { cost } = extensions;
  return typeof cost === "object" && cost !== null && "dryRun" in cost && cost.dryRun === true;
}
