import { Ctx, Query, Resolver } from "type-graphql";
import { orderScopes } from "../../access/scope.js";
import { encodeGlobalId } from "../../ids.js";
import type { Tenant } from "../../tenancy/tenants.js";
import type { RequestContext } from "../context.js";
import { limitsOf } from "../limits.js";
import { TenantType, ViewerType } from "../types/tenant-type.js";

export function tenantOf(tenant: Tenant): TenantType {
  const { name, slug, timeZone } = tenant;
  return Object.assign(new TenantType(), { id: encodeGlobalId("Tenant", tenant.id), name, slug, timeZone });
}

@Resolver()
export class ViewerResolver {
  @Query(() => ViewerType, { description: "Who is asking, and what the key may do." })
  async viewer(@Ctx() context: RequestContext): Promise<ViewerType> {
    const { loaders, principal, services } = context.authenticated();
    const tenant = tenantOf(await loaders.tenant());
    return { tenant, scopes: orderScopes(principal.scopes), limits: limitsOf(services) };
  }
}
