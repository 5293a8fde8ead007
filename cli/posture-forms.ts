// The forms of a posture: a table for terminals, Markdown, a page that needs nothing but itself, and the lockfile.
import { createHash } from 'node:crypto'
import { columns, routeRows, serviceRows } from './posture-rows.ts'
import type { Posture } from '../guards/posture.ts'

/** The names of the forms. */
export const forms = ['table', 'markdown', 'html', 'json'] as const
export type Form = typeof forms[number]

/** The posture in that form, with a line end at its end. */
export function writePosture (posture: Posture, form: Form): string {
  switch (form) {
    case 'markdown': return markdownOf(posture)
    case 'html': return htmlOf(posture)
    case 'json': return lockfileOf(posture)
    default: return tableOf(posture)
  }
}

/** What `posture.json` holds: members sorted, so that a change of the code is a change of its own lines. */
export function lockfileOf (posture: Posture): string {
  return `${JSON.stringify(sorted(posture), null, 2)}\n`
}

function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, member]) => [name, sorted(member)]))
}

function tableOf (posture: Posture): string {
  const routes = routeRows(posture).map((cells) => {
    const told = cells.slice(1).map((cell, at) => cell === '' ? null : at < 2 ? cell : `${columns[at + 1] ?? ''} ${cell}`).filter((text) => text !== null)
    return [cells[0] ?? '', told.join(' | ')] as const
  })
  const parts = [{ title: 'Routes', rows: routes }, ...serviceRows(posture)]
  return parts.map(({ title, rows }) => {
    const width = Math.max(0, ...rows.map(([name]) => name.length))
    return `${title}\n${rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`.trimEnd()).join('\n')}\n`
  }).join('\n')
}

function markdownOf (posture: Posture): string {
  const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(markdownCell).join(' | ')} |`).join('\n')
  const parts = [
    `## Routes\n\n${table(columns, routeRows(posture))}`,
    ...serviceRows(posture).map(({ title, rows }) => `## ${title}\n\n${table(['name', 'value'], rows)}`)
  ]
  return `# Posture\n\n${parts.join('\n\n')}\n`
}

function markdownCell (text: string): string {
  return text.replaceAll(/[\\|<>*_`[\]]/g, '\\$&').replaceAll(/\s+/g, ' ')
}

const style = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem }
th, td { border: 1px solid #8884; padding: .3rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere }
th { background: #8882 }
`
const styleHash = createHash('sha256').update(style).digest('base64')

/** Without scripts and without anything from elsewhere, which its own policy forbids too. */
function htmlOf (posture: Posture): string {
  const table = (title: string, head: readonly string[], rows: readonly (readonly string[])[]): string => [
    `<h2>${escapeHtml(title)}</h2>`, '<table>',
    `<thead><tr>${head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')}</tr></thead>`,
    `<tbody>\n${rows.map((cells) => `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`).join('\n')}\n</tbody>`, '</table>'
  ].join('\n')
  return [
    '<!doctype html>', '<html lang="en">', '<head>', '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${styleHash}'">`,
    '<meta name="viewport" content="width=device-width">', '<title>Posture</title>', `<style>${style}</style>`, '</head>', '<body>', '<h1>Posture</h1>',
    table('Routes', columns, routeRows(posture)),
    ...serviceRows(posture).map(({ title, rows }) => table(title, ['name', 'value'], rows)),
    '</body>', '</html>', ''
  ].join('\n')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeHtml (text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)
}
