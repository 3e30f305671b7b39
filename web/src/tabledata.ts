// A table as data: what there is to show of it, in which order, and as CSV. Programs write these tables, so
// nothing is taken for granted.

import { csvLine } from "./csv.ts";

/** The Frictionless "tabular data resource", as pandas writes it. */
export const TABLE = "application/vnd.dataresource+json";

export interface Column {
  name: string;
  /** As the schema calls it: integer, number, string, datetime… */
  type: string;
  /** Whether it names the rows, as pandas' index does. */
  isKey: boolean;
}

export type Row = Record<string, unknown>;

export interface Table {
  columns: Column[];
  rows: Row[];
  /** How many rows there are in the sandbox, of which `rows` are the first. */
  total: number;
}

export interface Order {
  column: string;
  descending: boolean;
}

const isObject = (value: unknown): value is Row =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A column that pandas numbered has a number as its name. */
const isField = (value: unknown): value is { name: string | number; type?: unknown } =>
  isObject(value) && (typeof value["name"] === "string" || typeof value["name"] === "number");

/** The table of a data resource, or undefined if it is not one. */
export function readTable(value: unknown): Table | undefined {
  if (!isObject(value) || !isObject(value["schema"])) return undefined;
  const { fields, primaryKey } = value["schema"];
  const rows = value["data"];
  if (!Array.isArray(fields) || !Array.isArray(rows)) return undefined;
  if (fields.length === 0 || !fields.every(isField) || !rows.every(isObject)) return undefined;
  const keys: unknown[] = Array.isArray(primaryKey) ? primaryKey : [primaryKey];
  const columns = fields.map(({ name, type }) => ({
    name: String(name),
    type: typeof type === "string" ? type : "",
    isKey: keys.includes(name),
  }));
  const count = value["row_count"];
  const total = typeof count === "number" && count > rows.length ? count : rows.length;
  return { columns, rows, total };
}

/** The value of a cell; null if there is none. */
export function valueOf(row: Row, column: string): unknown {
  // A column may be called __proto__.
  return Object.hasOwn(row, column) ? (row[column] ?? null) : null;
}

/** The value of a cell as text. */
export function textOf(value: unknown): string {
  if (value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The rows by a column: numbers by their value, before texts, and nulls last either way. */
export function sortRows(rows: Row[], { column, descending }: Order): Row[] {
  const keyed = rows.map((row) => {
    const value = valueOf(row, column);
    const key = typeof value === "number" ? value : textOf(value);
    return { row, key, isNull: value === null };
  });
  const direction = descending ? -1 : 1;
  keyed.sort((a, b) => {
    if (a.isNull || b.isNull) return Number(a.isNull) - Number(b.isNull);
    return direction * compare(a.key, b.key);
  });
  return keyed.map(({ row }) => row);
}

function compare(a: number | string, b: number | string): number {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The table as CSV. */
export function toCsv({ columns, rows }: Table): string {
  const head = csvLine(columns.map(({ name }) => name));
  const body = rows.map((row) => csvLine(columns.map(({ name }) => textOf(valueOf(row, name)))));
  return head + body.join("");
}
