// Lists, a page at a time.

/** A page of a list, newest first; `next` is the cursor of the page after it, absent on the last one. */
export interface Page<T> {
  /** At most `limit` of them. */
  items: T[]
  /** Where the next page begins. */
  next?: string
}

/** Which page of a list. */
export interface PageQuery {
  /**
   * From 1 to 100; anything else is refused with `validation`.
   * @defaultValue 20
   */
  limit?: number | undefined
  /** The `next` of the page before; one that was not handed out is refused with `validation`. */
  cursor?: string | undefined
}

/** Which page of a list that can be searched. */
export interface SearchQuery extends PageQuery {
  /** Only what contains this text, whatever the case of its ASCII letters. */
  q?: string | undefined
}
