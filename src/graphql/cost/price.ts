/** The price of an operation, before it runs and, by the same rules, of what was answered. Whole points, 1 at least. */
import { askedMeasures } from "../asked-measures.js";
import { JsonText } from "../json-text.js";
import type { AskedField, FieldPrice, PricingScene } from "./field-prices.js";
import { POINTS } from "./points.js";
import { isEmpty, type PlannedField, type PlannedSelection, type PricePlan } from "./price-plan.js";

function total(points: number): number {
  return Math.ceil(POINTS.operation + points - ROUNDING);
}

/** Sums of hundredths that come to a whole number must not pass it. */
const ROUNDING = 1e-6;

type Answered = Readonly<Record<string, unknown>>;
type Arguments = (name: string) => unknown;

/** The price of one operation, for the variables of one call. */
export class OperationPrice {
  readonly #plan: PricePlan;
  readonly #scene: PricingScene;
  readonly #variables: Readonly<Record<string, unknown>>;
  /** Needed twice: before the operation runs, and of what was answered. */
  readonly #prices = new Map<PlannedField, FieldPrice>();

  constructor(plan: PricePlan, scene: PricingScene) {
    this.#plan = plan;
    this.#scene = scene;
    this.#variables = withDefaults(plan.defaults, scene.variables);
  }

  /** What it may cost at most: as if each page were full. */
  requested(): number {
    return total(this.#requested(this.#plan.operation, 1, 0, null));
  }

  /** What it did cost: by the objects that are in the answer. No more than was requested. */
  actual(data: unknown): number {
    return total(this.#actual(this.#plan.operation, isObject(data) ? [data] : [], null));
  }

  /** Of so many objects, each a connection of so many rows where it is one. */
  #requested({ fields, ofTypes }: PlannedSelection, objects: number, rows: number, outer: Arguments | null): number {
    let points = 0;
    for (const field of fields) points += this.#requestedField(field, objects, rows, outer);
    let dearest = 0;
    for (const ofType of ofTypes) {
      let sum = 0;
      for (const field of ofType) sum += this.#requestedField(field, objects, rows, outer);
      dearest = Math.max(dearest, sum);
    }
    return points + dearest;
  }

  #requestedField(field: PlannedField, objects: number, rowsAround: number, outer: Arguments | null): number {
    if (!this.#isAsked(field)) return 0;
    const own = this.#argumentsOf(field);
    const price = this.#priceOf(field, own, outer);
    const rows = price?.rows ?? 0;
    const points = price === null ? 0 : price.once + objects * (price.each + rows * perRowOf(field, price));
    if (isEmpty(field.below)) return points;
    // A list that has no price is the rows of the connection around it.
    const length = price === null ? rowsAround : rows;
    return points + this.#requested(field.below, field.isList ? objects * length : objects, rows, own);
  }

  /** Of these objects of the answer. */
  #actual({ fields, ofTypes }: PlannedSelection, objects: readonly Answered[], outer: Arguments | null): number {
    let points = 0;
    for (const field of fields) points += this.#actualField(field, objects, outer);
    for (const ofType of ofTypes) for (const field of ofType) points += this.#actualField(field, objects, outer);
    return points;
  }

  #actualField(field: PlannedField, objects: readonly Answered[], outer: Arguments | null): number {
    const answered: unknown[] = [];
    for (const object of objects) {
      const value = object[field.responseName];
      if (value !== undefined) answered.push(value);
    }
    if (answered.length === 0) return 0;
    const own = this.#argumentsOf(field);
    const price = this.#priceOf(field, own, outer);
    const points =
      price === null
        ? 0
        : price.once + answered.length * price.each + actualRows(field, price, answered) * perRowOf(field, price);
    return isEmpty(field.below) ? points : points + this.#actual(field.below, answered.flat().filter(isObject), own);
  }

  #priceOf(field: PlannedField, own: Arguments, outer: Arguments | null): FieldPrice | null {
    if (field.price === null) return null;
    const known = this.#prices.get(field);
    if (known !== undefined) return known;
    const asked: AskedField = {
      argument: own,
      outer: (name) => outer?.(name),
      measures: (within, view) =>
        askedMeasures({ fieldNodes: field.nodes, fragments: this.#plan.fragments }, within, view),
    };
    const price = field.price.priceOf(asked, this.#scene);
    this.#prices.set(field, price);
    return price;
  }

  #argumentsOf(field: PlannedField): Arguments {
    return (name) => field.arguments.get(name)?.(this.#variables);
  }

  #isAsked({ conditions }: PlannedField): boolean {
    return conditions.length === 0 || conditions.some((holds) => holds(this.#variables) === true);
  }
}

/** Also of a tree's texts that are asked for once more. */
function perRowOf({ repeatedTexts }: PlannedField, { perRow }: FieldPrice): number {
  return perRow + repeatedTexts * POINTS.row;
}

/** Of all pages together. What shows none of its rows may have read them all. */
function actualRows(field: PlannedField, price: FieldPrice, answered: readonly unknown[]): number {
  if (perRowOf(field, price) === 0) return 0;
  const { rowLists } = field;
  const { rows } = price;
  let sum = 0;
  for (const value of answered) {
    if (Array.isArray(value)) sum += value.length;
    else if (value instanceof JsonText) sum += value.rows ?? rows;
    else if (!isObject(value)) sum += value === null ? 0 : rows;
    else {
      const shown = rowLists.map((name) => value[name]).filter((list) => list !== undefined);
      sum += shown.length === 0 ? rows : Math.max(...shown.map((list) => (Array.isArray(list) ? list.length : 0)));
    }
  }
  return sum;
}

function withDefaults(
  defaults: Readonly<Record<string, unknown>>,
  variables: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.keys(defaults).length === 0 ? variables : { ...defaults, ...variables };
}

function isObject(value: unknown): value is Answered {
  // In a text there is nothing more that has a price.
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonText);
}
