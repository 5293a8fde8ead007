// What the demo is about.
import type { Page, SearchQuery } from './pages.ts'

/** What the demo is about. */
export interface Item {
  /** UUIDv7. */
  id: string
  /** The subject of the principal that made it. */
  owner: string
  /** One line. */
  title: string
  /** Any text. */
  description: string | null
  /** RFC 3339, UTC. */
  created_at: string
}

/** An item to make. */
export interface NewItem {
  /** The subject of the principal that makes it. */
  owner: string
  /** One line. */
  title: string
  /** @defaultValue null */
  description?: string | null | undefined
}

/** Items. */
export interface ItemStore {
  /** The item, with its id. */
  create (item: NewItem): Promise<Item>
  /** By id. */
  get (id: string): Promise<Item | null>
  /** Whether there was such an item. */
  remove (id: string): Promise<boolean>
  /** All of them; `q` is looked for in title and description. */
  list (query?: SearchQuery): Promise<Page<Item>>
}
