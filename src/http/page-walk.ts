import type { Page } from '../model/queries.ts';

/** Every row of a paged answer, page after page, each asked for when the one before it is done with. */
export async function eachRow<Row>(ask: (cursor: string | null) => Promise<Page<Row>>, take: (row: Row) => void): Promise<void> {
  let cursor: string | null = null;
  do {
    const page: Page<Row> = await ask(cursor);
    page.data.forEach(take);
    cursor = page.nextCursor;
  } while (cursor !== null);
}
