// The tables as Kysely types them; the migrations make them so.
import type { ColumnType } from 'kysely'

type Fixed<T> = ColumnType<T, T, never>
/** A list in a text column: no engine's own type, so that the SQL stays the same. */
type JsonText = string
type Flag = 0 | 1

export interface UserTable {
  id: Fixed<string>
  username: Fixed<string>
  username_key: Fixed<string>
  email: string
  full_name: string | null
  password_hash: string
  disabled: Flag
  roles: JsonText
  created_at: Fixed<string>
}

export interface ItemTable {
  id: Fixed<string>
  owner: Fixed<string>
  title: string
  description: string | null
  created_at: Fixed<string>
}

export interface ApiKeyTable {
  id: Fixed<string>
  owner: Fixed<string>
  name: string
  scopes: Fixed<JsonText>
  digest: Fixed<string>
  hint: Fixed<string>
  created_at: Fixed<string>
  expires_at: Fixed<string>
  revoked_at: string | null
}

export interface Database {
  users: UserTable
  items: ItemTable
  api_keys: ApiKeyTable
}
