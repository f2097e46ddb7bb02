/** `extensions.cost` of an answer. */
export interface ToldCost {
  readonly requested: number;
  readonly actual: number;
  /** Null where nobody is throttled. */
  readonly throttle: { readonly maximum: number; readonly available: number; readonly restoreRate: number } | null;
}

const TOLD = /,"extensions":\{"cost":.*\}\n$/;

/** The text of an answer without what it cost, which is another each time. */
export function withoutCost(text: string): string {
  return text.replace(TOLD, "}\n");
}

/** What the answer of this text cost. */
export function costIn(text: string): ToldCost {
  const { extensions } = JSON.parse(text) as { readonly extensions?: { readonly cost: ToldCost } };
  if (extensions === undefined) throw new Error(`The answer tells no cost: ${text.slice(0, 500)}`);
  return extensions.cost;
}
