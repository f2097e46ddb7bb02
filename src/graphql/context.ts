import { type Principal, requireScope } from "../access/principal.js";
import type { Scope } from "../access/scope.js";
import { PublicError } from "../errors.js";
import { BucketSets } from "./bucket-sets.js";
import { RequestCost, type ToldCost } from "./cost/request-cost.js";
import { createLoaders, type Loaders } from "./loaders.js";
import { type Services, TenantAccess } from "./tenant-access.js";

/** A tenant's request with its loaders: what resolvers get. */
export class TenantContext extends TenantAccess {
  readonly cost: RequestCost;
  #loaders: Loaders | undefined;
  #bucketSets: BucketSets | undefined;

  constructor(services: Services, principal: Principal) {
    super(services, principal);
    this.cost = new RequestCost(services, principal);
  }

  /** Made when the first resolver asks: an answer that is kept whole needs none. */
  get loaders(): Loaders {
    return (this.#loaders ??= createLoaders(this));
  }

  get bucketSets(): BucketSets {
    return (this.#bucketSets ??= new BucketSets(this.services.bucketCuts, this.now));
  }

  /** What the request has read is not needed any more, however long the context is held. */
  override async end(): Promise<void> {
    await super.end();
    this.#loaders = undefined;
    this.#bucketSets = undefined;
  }
}

/** A request, of whoever. Without a key only the schema may be read. */
export class RequestContext {
  readonly requestId: string;
  // No #field: Apollo hands resolvers a shallow copy of the context, and private names do not survive that.
  /** Null where no key was shown. */
  readonly tenant: TenantContext | null;

  constructor(requestId: string, services: Services, principal: Principal | null) {
    this.requestId = requestId;
    this.tenant = principal === null ? null : new TenantContext(services, principal);
  }

  /** Throws UNAUTHENTICATED where no key was shown. */
  authenticated(): TenantContext {
    if (this.tenant === null) {
      throw new PublicError("UNAUTHENTICATED", "Send an API key: Authorization: Bearer <key>.");
    }
    return this.tenant;
  }

  /** Throws UNAUTHENTICATED, or FORBIDDEN where the key has not the scope. */
  require(scope: Scope): TenantContext {
    const tenant = this.authenticated();
    requireScope(tenant.principal, scope);
    return tenant;
  }

  /** What the request cost; null where there is nobody to pay. */
  tellCost(): ToldCost | null {
    return this.tenant?.cost.tell() ?? null;
  }

  /** Gives the request's connections back, and charges what was not charged. Never throws. */
  async end(): Promise<void> {
    this.tenant?.cost.finish();
    await this.tenant?.end();
  }
}
