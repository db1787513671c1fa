/** Lists come in pages; these go through them. */

/** One page of a list. */
export interface Page<Item> {
  data: Item[];
  page: { next: string | null; has_more: boolean };
}

/** Go through the pages of a list. `read` requests the page behind a cursor, or the first one. */
export async function* eachPage<Item, P extends Page<Item>>(
  read: (cursor: string | undefined) => Promise<P & Page<Item>>,
): AsyncGenerator<P> {
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    yield page;
    const next = page.page.next ?? undefined;
    if (next !== undefined && next === cursor) {
      throw new RangeError("The list repeats its cursor. Does `read` send the cursor that it is given?");
    }
    cursor = next;
  } while (cursor !== undefined);
}

/** Go through all items of a list. `read` requests the page behind a cursor, or the first one. */
export async function* eachItem<Item>(
  read: (cursor: string | undefined) => Promise<Page<Item>>,
): AsyncGenerator<Item> {
  for await (const { data } of eachPage<Item, Page<Item>>(read)) {
    yield* data;
  }
}
